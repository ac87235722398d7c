# Which GPUs can be reached; sourced by scripts/gpu-check.

can_mknod='process["capabilities"] = {s: ["CAP_MKNOD"] for s in ("bounding", "effective", "permitted")}'
check "no request: made nodes 195:0 and 195:255 are refused by the device cgroup" in_container debian "" "$can_mknod" 'mknod /tmp/gpu c 195 0 && mknod /tmp/ctl c 195 255 && ! head -c1 /tmp/gpu 2>/tmp/why && grep -qi "not permitted" /tmp/why && ! head -c1 /tmp/ctl'
one_of_two() {
  local mine=$1 other=$((1 - $1)) minor
  minor=$(sed -n 's/^Device Minor:[^0-9]*//p' "/proc/driver/nvidia/gpus/$(bus_id_of "$other")/information")
  says "$(uuid_of "$mine")" in_container debian NVIDIA_VISIBLE_DEVICES="$mine" "$can_mknod" "set -e; test \$(ls /dev | grep -c '^nvidia[0-9]') = 1; mknod /tmp/gpu c 195 $minor; ! head -c1 /tmp/gpu 2>/tmp/why; grep -qi 'not permitted' /tmp/why; nvidia-smi -L; test \$(nvidia-smi -L | grep -c ^GPU) = 1; ls /proc/driver/nvidia/gpus; test \$(ls /proc/driver/nvidia/gpus | wc -l) = 1"
}
for each in 0 1; do
  check "two GPUs, $each chosen: the other one's node is refused even when made, procfs hides it" two_gpus one_of_two $each
done
check "two GPUs, one chosen: CUDA sees one" two_gpus with_cuda says "devices=1 $right_sum" in_container debian NVIDIA_VISIBLE_DEVICES=1 "" cuda-check
check "two GPUs: CUDA sees both and copies between them" two_gpus with_cuda says "copy=right" in_container debian $all "" "cuda-check peer"
check "capability nodes are not there unasked" in_container debian $all "" '! ls /dev/nvidia-caps'
check "driver files are read-only" in_container debian $all "" 'f=$(readlink -f /usr/lib/x86_64-linux-gnu/libcuda.so.1); test -s $f && ! echo x >>$f'
check "driver files are mounted nosuid and nodev" in_container debian $all "" 'grep nvidia /proc/self/mounts | grep -v "^proc\|^tmpfs\|devtmpfs" | grep -v nosuid && exit 1; exit 0'
hostile="LD_PRELOAD=/proc/self/cwd/owned.so;LD_LIBRARY_PATH=/proc/self/cwd"
prepare_root() { cp "$work/programs/probe" "$1/owned.so" 2>/dev/null; printf '#!/bin/sh\ntouch /owned' >"$1/usr/bin/ldconfig"; mkdir -p "$1/sbin"; printf '#!/bin/sh\ntouch /owned' >"$1/sbin/ldconfig"; chmod 755 "$1/sbin/ldconfig" "$1/usr/bin/ldconfig"; }
check "CVE-2025-23266: nothing of the image runs while the container is made" in_container debian "$all;$hostile" "" 'test ! -e /owned'
unset -f prepare_root
