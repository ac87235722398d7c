# Containers that run already: exec, GPUs that come and go, statistics; sourced by scripts/gpu-check.

executed() {
  in_background live debian $all "" && says "GPU 0" in_it live nvidia-smi -L
  local status=$?
  end_it live
  return $status
}
check "exec sees the GPUs" executed

visible() { in_it "$1" sh -c "nvidia-smi -L | grep -c ^GPU"; }
added() { # FIRST-REQUEST GPU-TO-ADD BEFORE AFTER
  local status=1
  in_background hot debian "NVIDIA_VISIBLE_DEVICES=$1" "" &&
    { in_it hot sh -c 'ls /dev/nvidia[0-9]*'; update_it hot --gpu-add "$2"; } && says "^$4$" visible hot &&
    { [ -z "$cuda" ] || says "devices=$4 $right_sum" in_it hot cuda-check; } &&
    update_it hot --gpu-remove "$2" && in_it hot sh -c "test \$(ls /dev | grep -c '^nvidia[0-9]') = $3" &&
    { [ -z "$cuda" ] || ! in_it hot cuda-check | grep "devices=$4 "; } &&
    update_it hot --gpu-add "$(uuid_of "$2")" && says "^$4$" visible hot
  status=$?
  end_it hot
  return $status
}
check "a GPU is added to a container that has none, taken away and added again" added none 0 0 1
check "a second GPU is added, taken away and added again" two_gpus added 0 1 1 2
exchanged() {
  local status=1
  in_background swap debian NVIDIA_VISIBLE_DEVICES=0 "" && update_it swap --gpu-add 1 --gpu-remove 0 && says "$(uuid_of 1)" in_it swap nvidia-smi -L && says "^1$" visible swap
  status=$?
  end_it swap
  return $status
}
check "two GPUs: one is exchanged for the other in one update" two_gpus exchanged
unknown() {
  local status=1
  in_background live debian $all "" && fails_with '"99"' update_it live --gpu-add 99
  status=$?
  end_it live
  return $status
}
check "adding an unknown GPU is refused by name" unknown
if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then
  reloaded() {
    local status=1
    in_background live debian $all "" && systemctl daemon-reload && says "GPU 0" in_it live nvidia-smi -L
    status=$?
    end_it live
    return $status
  }
  check "daemon-reload leaves the GPUs" reloaded
fi
limits_changed() {
  local status=1
  in_background live debian $all "" && update_it live --pids-limit 500 && says "GPU 0" in_it live nvidia-smi -L
  status=$?
  end_it live
  return $status
}
check "an update of limits leaves the GPUs" limits_changed

held() {
  bundle held debian "$all" "" -- cuda-check hold 512 || return 1
  "$gpurun" --root "$root" run --detach --bundle "$work/held" "gpu-check-$$-held" </dev/null >"$work/held.log" 2>&1 || return 1
  local status=1 tries
  for tries in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    grep -q holding "$work/held.log" && break
    sleep 0.5
  done
  cat "$work/held.log"
  "$gpurun" --root "$root" events --stats "gpu-check-$$-held" >"$work/stats.json" && python3 - "$work/stats.json" "$gpus" <<'PYTHON'
import json, sys
gpus = json.load(open(sys.argv[1]))["data"]["gpus"]
print(gpus)
assert len(gpus) == int(sys.argv[2]), "not every GPU"
used = sum(process["memory"] for gpu in gpus for process in gpu["processes"])
assert used >= 512 << 20, f"{used} bytes"
PYTHON
  status=$?
  end_it held
  return $status
}
check "events --stats tells the memory that the container's processes hold" with_cuda held
