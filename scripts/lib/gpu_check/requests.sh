# Forms of requests: which GPUs a container gets; sourced by scripts/gpu-check.

count="nvidia-smi -L | grep -c ^GPU"
first=$(uuid_of 0)
check "request all: every GPU" says "^$gpus$" in_container debian $all "" "$count"
for form in 0 "$first" "$(echo "$first" | tr A-Z a-z)" "$(bus_id_of 0)" "0000$(bus_id_of 0)" nvidia.com/gpu=0 runtime.nvidia.com/gpu=0 " 0 , 0,"; do
  check "request '$form': the first GPU alone" says "GPU 0: .*$first" in_container debian "NVIDIA_VISIBLE_DEVICES=$form" "" "test \$($count) = 1 && nvidia-smi -L"
done
for ((each = 0; each < gpus; ++each)); do
  check "index $each is the GPU that nvidia-smi calls so" says "$(uuid_of $each)" in_container debian NVIDIA_VISIBLE_DEVICES=$each "" "nvidia-smi -L"
done
check "request 0,all: every GPU" says "^$gpus$" in_container debian NVIDIA_VISIBLE_DEVICES=0,all "" "$count"
check "the last of several variables counts" in_container debian "$all;NVIDIA_VISIBLE_DEVICES=none" "" '! ls /dev/nvidia[0-9]*'
check "none: the driver without a GPU node" in_container debian NVIDIA_VISIBLE_DEVICES=none "" 'test -c /dev/nvidiactl && test -x /usr/bin/nvidia-smi && ! ls /dev/nvidia[0-9]*'
untouched='! ls /dev/nvidia* 2>/dev/null && ! find / -xdev -name "*nvidia*" -not -path "/proc/*" -not -path "/sys/*" | grep -q . && ! grep -q nvidia /proc/self/mounts'
for word in "" NVIDIA_VISIBLE_DEVICES=void NVIDIA_VISIBLE_DEVICES= NVIDIA_VISIBLE_DEVICES=0,void NVIDIA_VISIBLE_DEVICES=/var/run/nvidia-container-devices; do
  check "no request (${word:-variable absent}): no node, library, mount" in_container debian "$word" "" "$untouched"
done
check "an old CUDA image asks for every GPU" says "^$gpus$" in_container debian CUDA_VERSION=11.0.3 "" "$count"
check "CUDA_VERSION with NVIDIA_REQUIRE_CUDA is no request" in_container debian "CUDA_VERSION=12.4.1;NVIDIA_REQUIRE_CUDA=cuda>=12.4" "" "$untouched"
check "an unknown index is refused by name" fails_with '"99"' in_container debian NVIDIA_VISIBLE_DEVICES=99 "" true
check "an unknown UUID is refused by name" fails_with "GPU-00000000" in_container debian NVIDIA_VISIBLE_DEVICES=GPU-00000000-1111-2222-3333-444444444444 "" true
check "a MIG name is refused where there is no MIG" fails_with "MIG-00000000\|0:0" in_container debian NVIDIA_VISIBLE_DEVICES=MIG-00000000-1111-2222-3333-444444444444 "" true
check "--gpu on the command line" says "GPU 0: .*$first" in_container debian "" "" "nvidia-smi -L" --gpu 0
check "--gpu beside NVIDIA_VISIBLE_DEVICES: both" two_gpus says "^2$" in_container debian NVIDIA_VISIBLE_DEVICES=0 "" "$count" --gpu 1
check "Docker's --gpus: the prestart hook is done natively" says "^$gpus$" in_container debian $all 'config["hooks"] = {"prestart": [{"path": "/nonexistent/nvidia-container-runtime-hook", "args": ["nvidia-container-runtime-hook", "prestart"]}]}' "$count"
check "gpurun's marker hook: live injection" says "^1$" in_container debian "" 'config["hooks"] = {"createContainer": [{"path": "/nonexistent/gpurun", "args": ["gpurun", "cdi-hook", "inject", "nvidia.com/gpu=0"]}]}' "$count"
check "the request survives: the user's variable is kept" says "^all$" in_container debian $all "" 'echo $NVIDIA_VISIBLE_DEVICES'
check "CUDA_VISIBLE_DEVICES is left alone" in_container debian $all "" 'test -z "${CUDA_VISIBLE_DEVICES+set}"'

# ---- policy
volume='config["mounts"].append({"destination": "/var/run/nvidia-container-devices/all", "type": "bind", "source": "/dev/null", "options": ["bind"]})'
marker=NVIDIA_VISIBLE_DEVICES=/var/run/nvidia-container-devices
check "policy: volume-mount requests count where accepted" with_settings $'[gpu]\naccept-volume-mounts = true' says "^$gpus$" in_container debian $marker "$volume" "$count"
check "policy: volume-mount requests do not count by default" in_container debian $marker "$volume" '! ls /dev/nvidia*'
check "policy: the variable does not count in unprivileged containers" with_settings $'[gpu]\naccept-environment = false' in_container debian $all "" '! ls /dev/nvidia*'
check "policy: it does in privileged ones" with_settings $'[gpu]\naccept-environment = false' says "^$gpus$" in_container debian $all 'process["capabilities"]["bounding"].append("CAP_SYS_ADMIN")' "$count"
check "policy: swarm's variable replaces NVIDIA_VISIBLE_DEVICES" with_settings $'[gpu]\nswarm-resources = ["DOCKER_RESOURCE_GPU"]' says "^1$" in_container debian "$all;DOCKER_RESOURCE_GPU=$first" "" "$count"

# ---- requirements
real="cuda>=12.4 brand=tesla,driver>=470,driver<471 brand=unknown,driver>=470,driver<471 brand=nvidia,driver>=470,driver<471"
check "requirement of real CUDA images holds" in_container debian "$all;NVIDIA_REQUIRE_CUDA=$real" "" true
check "requirement cuda>=99.0 does not" fails_with "unsatisfied condition: cuda>=99.0" in_container debian "$all;NVIDIA_REQUIRE_CUDA=cuda>=99.0" "" true
check "requirement: one of several alternatives is enough" in_container debian "$all;NVIDIA_REQUIRE_CUDA=cuda>=99.0 driver>=1.0,driver<9999" "" true
check "requirement of another variable counts too" fails_with "driver<2" in_container debian "$all;NVIDIA_REQUIRE_CUDA=cuda>=1;NVIDIA_REQUIRE_OTHER=driver<2" "" true
check "requirement on arch: this GPU's is known" in_container debian "$all;NVIDIA_REQUIRE_A=arch>=$("$smi" --query-gpu=compute_cap --format=csv,noheader | head -1)" "" true
check "requirement that is none is refused" fails_with "cuda>>1" in_container debian "$all;NVIDIA_REQUIRE_CUDA=cuda>>1" "" true
check "NVIDIA_DISABLE_REQUIRE=true" in_container debian "$all;NVIDIA_REQUIRE_CUDA=cuda>=99.0;NVIDIA_DISABLE_REQUIRE=true" "" true
check "NVIDIA_MIG_CONFIG_DEVICES is refused without privileges" fails_with CAP_SYS_ADMIN in_container debian "$all;NVIDIA_MIG_CONFIG_DEVICES=all" "" true
check "NVIDIA_MIG_CONFIG_DEVICES with privileges: the capability's node" says nvidia-cap in_container debian "$all;NVIDIA_MIG_CONFIG_DEVICES=all;NVIDIA_MIG_MONITOR_DEVICES=all" 'process["capabilities"]["bounding"].append("CAP_SYS_ADMIN")' "ls /dev/nvidia-caps"
if grep -q nvidia-caps-imex-channels /proc/devices; then
  check "NVIDIA_IMEX_CHANNELS=0: the channel's node" in_container debian "$all;NVIDIA_IMEX_CHANNELS=0" "" "test -c /dev/nvidia-caps-imex-channels/channel0"
else
  check "NVIDIA_IMEX_CHANNELS is refused where the driver has none" fails_with IMEX in_container debian "$all;NVIDIA_IMEX_CHANNELS=0" "" true
fi
