# The driver's own interfaces as the container sees them; sourced by scripts/gpu-check.

check "params: the container's driver makes no nodes" in_container debian $all "" 'grep -q "ModifyDeviceFiles: 0" /proc/driver/nvidia/params'
check "params: covered with hide-procfs only" with_settings $'[gpu]\nhide-procfs = false' in_container debian $all "" '! grep -q "/proc/driver/nvidia" /proc/self/mounts'
check "version and the chosen GPUs' information are readable" in_container debian $all "" "test \$(cat /proc/driver/nvidia/gpus/*/information | grep -c Model) = $gpus && grep -q $version /proc/driver/nvidia/version"
check "nvidia-smi's queries work" says MiB in_container debian $all "" "nvidia-smi --query-gpu=name,memory.total,driver_version,pci.bus_id --format=csv"
for socket in /run/nvidia-persistenced /run/nvidia-fabricmanager; do
  [ -e "$socket" ] && check "$socket is there" in_container debian $all "" "test -e $socket"
done
if [ -d /dev/dri ] && ls -d /sys/bus/pci/drivers/nvidia/*/drm >/dev/null 2>&1; then
  check "DRM nodes and their links come with graphics" in_container debian "$all;NVIDIA_DRIVER_CAPABILITIES=graphics" "" 'ls /dev/dri/render* && ls /dev/dri/by-path'
fi
mps() {
  command -v nvidia-cuda-mps-control >/dev/null || [ -x /usr/local/nvidia/bin/nvidia-cuda-mps-control ] || { skip "no MPS on this machine"; return; }
  local control status
  control=$(command -v nvidia-cuda-mps-control || echo /usr/local/nvidia/bin/nvidia-cuda-mps-control)
  [ ! -e /tmp/nvidia-mps/control ] || { skip "an MPS daemon runs already"; return; }
  CUDA_MPS_LOG_DIRECTORY=$work/mps "$control" -d || return 1
  says "$right_sum" in_container debian $all 'config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] not in ("ipc", "pid")]
for m in config["mounts"]:
    if m["destination"] == "/dev/shm": m.update(type="bind", source="/dev/shm", options=["rbind"])' 'cuda-check && echo get_server_list | nvidia-cuda-mps-control | grep "^[0-9]"'
  status=$?
  echo quit | "$control"
  return $status
}
check "MPS: a container's CUDA program goes through the host's daemon" with_cuda mps
