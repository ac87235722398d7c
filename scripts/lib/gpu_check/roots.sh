# Kinds of root file systems and of containers; sourced by scripts/gpu-check.

for layout in debian fedora; do
  check "$layout root: nvidia-smi works without LD_LIBRARY_PATH" says "GPU $((gpus - 1)): .*UUID: GPU-" in_container $layout $all "" 'test -z "$LD_LIBRARY_PATH" && nvidia-smi -L'
  check "$layout root: CUDA computes the right sum on every GPU, PTX compiled by the driver" with_cuda says "devices=$gpus $right_sum" in_container $layout $all "" cuda-check
done
check "empty root: nodes, libraries and links are there" in_container empty $all "" 'test -c /dev/nvidia0 && test -c /dev/nvidiactl && test -s /usr/lib64/libcuda.so.1 && test -s /usr/lib64/libnvidia-ml.so.1'
check "read-only root: CUDA works" with_cuda says "$right_sum" in_container debian $all 'config["root"]["readonly"] = True' cuda-check

# What images carry at the places where the driver's files go.
folder=usr/lib/x86_64-linux-gnu
prepare_root() { echo old >"$1/$folder/libcuda.so.1"; echo old >"$1/$folder/libnvidia-ml.so.1"; echo old >"$1/usr/bin/nvidia-smi"; }
check "image with files at the driver's places: the driver's win" with_cuda says "$right_sum" in_container debian $all "" "nvidia-smi -L && cuda-check"
prepare_root() { echo old >"$1/$folder/libcuda.so.470.1"; ln -s libcuda.so.470.1 "$1/$folder/libcuda.so.1"; ln -s nowhere "$1/$folder/libnvidia-ml.so.1"; ln -s ../../nowhere "$1/$folder/libcuda.so"; }
check "image with links of another driver, some dangling: the driver's win" with_cuda says "$right_sum" in_container debian $all "" "nvidia-smi -L && cuda-check"
prepare_root() { : >"$1/$folder/libcuda.so.$version"; : >"$1/$folder/libnvidia-ml.so.$version"; }
check "image committed from a GPU container, with its empty files" with_cuda says "$right_sum" in_container debian $all "" "nvidia-smi -L && cuda-check"
prepare_root() { rm -f "$1/etc/ld.so.cache"; mkfifo "$1/etc/ld.so.cache"; }
check "image whose loader cache is a fifo" with_cuda says "$right_sum" in_container debian $all "" cuda-check
prepare_root() { head -c 100000 /dev/urandom >"$1/etc/ld.so.cache"; }
check "image whose loader cache is garbage" with_cuda says "$right_sum" in_container debian $all "" cuda-check
unset -f prepare_root

nobody='process["user"] = {"uid": 4242, "gid": 4242}; process["capabilities"] = {}'
check "another user than root: CUDA works" with_cuda says "$right_sum" in_container debian $all "$nobody" cuda-check
check "host network and host pid namespace: CUDA works" with_cuda says "$right_sum" in_container debian $all 'config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] not in ("pid", "network")]' cuda-check
check "no-new-privileges: CUDA works" with_cuda says "$right_sum" in_container debian $all 'process["noNewPrivileges"] = True' cuda-check

mapped='config["linux"]["namespaces"].append({"type": "user"}); config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]'
prepare_root() { chown -R 100000:100000 "$1"; }
check "user namespace: CUDA works" with_cuda says "$right_sum" in_container debian $all "$mapped" cuda-check
unset -f prepare_root
rootless() {
  bundle rootless debian "$all" 'config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"] + [{"type": "user"}]
config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 1234, "size": 1}]
config["linux"].pop("cgroupsPath", None); config["linux"]["resources"] = {}; config["mounts"] = [m for m in config["mounts"] if m["destination"] not in ("/sys", "/sys/fs/cgroup", "/dev/pts")]' -- cuda-check || return 1
  chown -R 1234:1234 "$work/rootless"
  mkdir -p "$work/rootless-run" && chown 1234:1234 "$work/rootless-run"
  setpriv --reuid 1234 --regid 1234 --clear-groups env -i PATH="$PATH" HOME="$work/rootless" XDG_RUNTIME_DIR="$work/rootless-run" \
    "$gpurun" --root "$work/rootless-run/gpurun" run --bundle "$work/rootless" rootless
}
check "rootless: CUDA works" with_cuda says "$right_sum" rootless
