# CDI specs of NVIDIA's tool and of our own, under a kind of this script's, so that a spec of the machine is not touched; sourced by
# scripts/gpu-check.

cdi_run() { # FILE NAME TEXT: the container gets the device by the spec in FILE
  mkdir -p /etc/cdi
  sed "s|nvidia.com/gpu|gpu-check.example/gpu|" "$1" >/etc/cdi/gpu-check-test.yaml
  says "$3" in_container debian "" "" "PATH=\$PATH:$(dirname "$smi"); nvidia-smi -L && { test ! -x /bin/cuda-check || cuda-check; }" --gpu "gpu-check.example/gpu=$2"
  local status=$?
  rm -f /etc/cdi/gpu-check-test.yaml
  return $status
}
recorded=tests/fixtures/cdi/nvidia-h200.yaml
recorded_spec() {
  grep -q "libcuda.so.$version" "$recorded" && [ -e "$driver_libraries/libcuda.so.$version" ] && grep -q "$driver_libraries/libcuda.so" "$recorded" ||
    { skip "the recorded spec is of another driver than $version in $driver_libraries"; return; }
  cdi_run "$recorded" all "GPU 0"
}
check "the recorded spec of nvidia-ctk: its devices, mounts and hooks" recorded_spec
generated() { # MODE-OPTION...
  "$gpurun" gpu cdi generate --help >/dev/null 2>&1 || { skip "this gpurun has no gpu cdi generate"; return; }
  "$gpurun" gpu cdi generate "$@" >"$work/generated.yaml" || return 1
  cdi_run "$work/generated.yaml" 0 "GPU 0"
}
check "gpurun gpu cdi generate: its spec gives the GPU" generated
if command -v nvidia-ctk >/dev/null; then
  fresh() { nvidia-ctk cdi generate >"$work/ctk.yaml" 2>/dev/null && cdi_run "$work/ctk.yaml" all "GPU 0"; }
  check "nvidia-ctk cdi generate: its spec gives the GPU, its hooks done natively" fresh
fi
gpu_list() {
  "$gpurun" gpu list --help >/dev/null 2>&1 || { skip "this gpurun has no gpu list"; return; }
  "$gpurun" gpu list >"$work/list" || return 1
  cat "$work/list"
  for ((each = 0; each < gpus; ++each)); do grep -q "$(uuid_of $each)" "$work/list" || return 1; done
}
check "gpurun gpu list shows every GPU" gpu_list
