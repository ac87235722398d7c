# The programs that run in the containers, and what this machine has; sourced by scripts/gpu-check.

mkdir -p "$work/programs"
cuda=
if nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null); then
  if "$nvcc" -Wno-deprecated-gpu-targets -cudart static -o "$work/programs/cuda-check" "$lib/cuda.cu" >"$work/nvcc.log" 2>&1; then
    cuda=yes
  else
    echo "# nvcc failed: $(tail -2 "$work/nvcc.log")"
  fi
else
  echo "# no nvcc: the CUDA program cannot be built here"
fi
compiler=$(command -v cc || command -v gcc || command -v clang) || compiler=
probe=
if [ -n "$compiler" ] && "$compiler" -O1 -o "$work/programs/probe" "$lib/probe.c" -ldl >"$work/cc.log" 2>&1; then
  probe=yes
else
  echo "# no C compiler, or it failed: $(tail -2 "$work/cc.log" 2>/dev/null)"
fi

smi=$(command -v nvidia-smi || ls /usr/local/nvidia/bin/nvidia-smi)
gpus=$("$smi" -L 2>/dev/null | grep -c '^GPU')
version=$(grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' /proc/driver/nvidia/version | head -1)
driver_libraries=$(ldconfig -p | sed -n 's/.*libnvidia-ml\.so\.1 (libc6,x86-64.*=> //p' | head -1)
driver_libraries=$(dirname "$(readlink -f "${driver_libraries:-/usr/local/nvidia/lib64/libnvidia-ml.so.1}")")
uuid_of() { "$smi" -L | sed -n 's/.*UUID: \(GPU-[^)]*\)).*/\1/p' | sed -n "$(($1 + 1))p"; }
bus_id_of() { ls /proc/driver/nvidia/gpus | sort | sed -n "$(($1 + 1))p"; }
echo "# driver $version in $driver_libraries, $gpus GPU(s), $("$smi" --query-gpu=name --format=csv,noheader | head -1), Linux $(uname -r), $("$gpurun" --version | head -1)"

all=NVIDIA_VISIBLE_DEVICES=all
right_sum="sum=333332833333500000"
with_cuda() { [ -n "$cuda" ] || { skip "no nvcc here"; return; }; "$@"; }
with_probe() { [ -n "$probe" ] || { skip "no C compiler here"; return; }; "$@"; }
two_gpus() { [ "$gpus" -ge 2 ] || { skip "one GPU only"; return; }; "$@"; }
