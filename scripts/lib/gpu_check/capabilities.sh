# NVIDIA_DRIVER_CAPABILITIES, and what each of them is for; sourced by scripts/gpu-check.

everything="$all;NVIDIA_DRIVER_CAPABILITIES=all"
graphics="$all;NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility"
check "capability compute alone is enough for CUDA" with_cuda says "$right_sum" in_container debian "$all;NVIDIA_DRIVER_CAPABILITIES=compute" "" cuda-check
check "capability compute alone brings no nvidia-smi" in_container debian "$all;NVIDIA_DRIVER_CAPABILITIES=compute" "" '! command -v nvidia-smi'
check "capability utility alone brings no libcuda" in_container debian "$all;NVIDIA_DRIVER_CAPABILITIES=utility" "" 'nvidia-smi -L && ! find /usr /lib /lib64 -name "libcuda.so*" | grep -q .'
check "no capability named: compute and utility, no graphics" in_container debian $all "" 'command -v nvidia-smi && find / -xdev -name "libcuda.so.1" | grep -q . && ! find / -xdev -name "libGLX_nvidia*" | grep -q .'
check "an unknown capability is refused" fails_with bogus in_container debian "$all;NVIDIA_DRIVER_CAPABILITIES=bogus" "" true
check "capability all: every library of the driver loads" with_probe says "^loaded" in_container debian "$everything" "" \
  'for l in libcuda.so.1 libnvidia-ml.so.1 libnvidia-ptxjitcompiler.so.1 libnvidia-opencl.so.1 libnvidia-nvvm.so.4; do find / -xdev -name "$l" | grep -q . && probe load $l || echo "no $l"; done'

# The loaders and what they need, beside the root's own libraries.
prepare_root() { [ -z "$loaders" ] || { mkdir -p "$1/usr/lib/x86_64-linux-gnu" && cp -a "$loaders"/*.so.* "$1/usr/lib/x86_64-linux-gnu/" && ldconfig -r "$1" -X; }; }
check "video: encoder and decoder libraries load and answer" with_probe says "cuvidGetDecoderCaps there" in_container debian "$all;NVIDIA_DRIVER_CAPABILITIES=video" "" "probe video"
check "OpenCL lists the GPU" with_probe says "opencl devices=$gpus" in_container debian $all "" "cat /etc/OpenCL/vendors/nvidia.icd; probe opencl"
check "Vulkan lists the GPU" with_probe says "vulkan devices=[1-9]" in_container debian "$graphics" "" "cat /etc/vulkan/icd.d/nvidia_icd.json; probe vulkan"
egl_devices() {
  [ -n "$loaders" ] || { skip "no libEGL.so.1 is carried (--libraries)"; return; }
  says "egl devices=[1-9].*usable=[1-9]" in_container debian "$graphics" "" "cat /usr/share/glvnd/egl_vendor.d/10_nvidia.json; probe egl"
}
check "EGL lists the GPU" with_probe egl_devices
unset -f prepare_root
check "graphics: the application profile names this container's GPUs" says EGLVisibleDGPUDevices in_container debian "NVIDIA_VISIBLE_DEVICES=0;NVIDIA_DRIVER_CAPABILITIES=graphics" "" "cat /etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf"
