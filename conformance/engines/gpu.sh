# GPUs through the engines, on a machine that has no NVIDIA software: a recorded driver stands for the real one; sourced by run.
# The recorded machine has two GPUs. What is checked is what the container sees: nodes and the driver's libraries.

gpurun_only=true
. "$here/podman.sh"

compose() { inside env DOCKER_HOST="unix://$work/docker.sock" docker-compose -p "$1" -f "$work/$1.yml" "${@:2}"; }

recorded_driver() {
  python3 "$root/tests/fixtures/hosts/make_host.py" h200-x2 "$work/host" || return
  inside sh -ec "
    mount -t tmpfs -o mode=755 tmpfs /proc/driver
    mkdir /proc/driver/nvidia
    mount --bind $work/host/proc/driver/nvidia /proc/driver/nvidia
    mount --bind $work/host/proc/devices /proc/devices
    mkdir -p /etc/gpurun /etc/cdi"
  mapfile -t uuids < <(grep -h 'GPU UUID' "$work"/host/proc/driver/nvidia/gpus/*/information | awk '{ print $NF }')
  printf '[gpu]\ndriver-root = "%s"\nload-modules = false\nhide-procfs = false\nswarm-resources = ["DOCKER_RESOURCE_NVIDIA-GPU"]\n' "$work/host" | inside tee /etc/gpurun/gpurun.toml
  # A vendor nobody has heard of, and NVIDIA's kind by the marker that gpurun carries out itself.
  echo '{"cdiVersion":"0.5.0","kind":"acme.com/thing","devices":[{"name":"one","containerEdits":{"deviceNodes":[{"path":"/dev/acme1","hostPath":"/dev/null","type":"c","major":1,"minor":3}],"env":["ACME=one"]}}]}' |
    inside tee /etc/cdi/acme.json
  echo '{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"1","containerEdits":{"hooks":[{"hookName":"createContainer","path":"/usr/sbin/gpurun","args":["gpurun","cdi-hook","inject","nvidia.com/gpu=1"]}]}}]}' |
    inside tee /etc/cdi/nvidia.json
}

start_gpu() {
  recorded_driver || return
  echo '{"cgroup-parent":"/'"$cgroups"'","node-generic-resources":["NVIDIA-GPU='"${uuids[0]}"'","NVIDIA-GPU='"${uuids[1]}"'"]}' >"$work/daemon.json"
  inside "$runtime" setup docker --default --file "$work/daemon.json" || return
  start_daemon && load_images && start_podman && start_task_engine
}

stop_gpu() {
  stop_podman
  d swarm leave --force
  stop_docker
  kill_containerd TERM
}

# containerd with the CRI plugin, for ctr and pods.
start_task_engine() {
  . "$here/cri.sh"
  start_cri
}

# What a container prints of its GPUs: the nodes, and whether the driver's library is there.
sees='ls /dev/nvidia? 2>/dev/null; grep -q libcuda.so /proc/mounts && echo cuda; true'
first='^/dev/nvidia0 cuda ?$'
second='^/dev/nvidia1 cuda ?$'
both='^/dev/nvidia0 /dev/nvidia1 cuda ?$'
# seen COMMAND...: its output as one line.
seen() { "$@" 2>&1 | tr '\n' ' '; return "${PIPESTATUS[0]}"; }

service_steps() {
  d service create -q --detach --name "$1" --network host --restart-condition none --generic-resource "$2" bb sh -c "$sees; sleep 30" &&
    eventually 30 prints cuda d service logs --raw "$1" && expect 0 "$3" seen d service logs --raw "$1"
  local status=$?
  d service rm "$1"
  return $status
}
scenario_swarm_generic_resource() {
  d swarm init --advertise-addr 127.0.0.1 && service_steps g1 NVIDIA-GPU=1 '^/dev/nvidia[01] cuda ?$' && service_steps g2 NVIDIA-GPU=2 "$both"
}
scenario_compose_runtime() {
  printf 'version: "2.3"\nservices:\n  a:\n    image: bb\n    runtime: gpurun\n    network_mode: none\n    environment: [NVIDIA_VISIBLE_DEVICES=1]\n    command: ["sh","-c","%s"]\n' "${sees//\$/\$\$}" >"$work/runtime.yml"
  compose runtime up --no-color && expect 0 "$second" seen d logs "$(d ps -aq -l)" && compose runtime down
}
scenario_compose_devices() {
  printf 'version: "3.8"\nservices:\n  a:\n    image: bb\n    network_mode: none\n    command: ["sh","-c","%s"]\n    deploy:\n      resources:\n        reservations:\n          devices:\n            - driver: nvidia\n              device_ids: ["0"]\n              capabilities: [gpu]\n' "${sees//\$/\$\$}" >"$work/devices.yml"
  compose devices up --no-color && expect 0 "$first" seen d logs "$(d ps -aq -l)" && compose devices down
}
scenario_exec_and_update() { with_docker_gpu g3 gpu_kept_steps; }
with_docker_gpu() {
  local status
  d run -d --name "$1" --net none --gpus all bb sleep 1000 && "$2" "$1"
  status=$?
  d rm -f "$1"
  return $status
}
# The nodes open only where the device cgroup allows them: without a driver that is ENXIO, refused it would be EPERM.
gpu_kept_steps() {
  expect 0 "$both" seen d exec "$1" sh -c "$sees" && expect 1 'No such device' d exec "$1" sh -c 'cat /dev/nvidia0' && d update --cpu-shares 500 "$1" &&
    expect 1 'No such device' d exec "$1" sh -c 'cat /dev/nvidia0' && d restart -t 0 "$1" && expect 0 "$both" seen d exec "$1" sh -c "$sees"
}
scenario_cri_environment() { in_pod g4 -- finished 0 'stdout. . cuda|cuda' --env NVIDIA_VISIBLE_DEVICES=0 -- sh -c "$sees"; }
scenario_cri_annotation() { in_pod g5 -- finished 0 'acme1' --annotation cdi.k8s.io/claim=acme.com/thing=one -- ls /dev/acme1; }

scenarios_gpu() {
  check docker_gpus_all 0 "$both" seen d run --rm --net none --gpus all bb sh -c "$sees"
  check docker_gpus_device 0 "$second" seen d run --rm --net none --gpus device=1 bb sh -c "$sees"
  check docker_gpus_uuid 0 "$first" seen d run --rm --net none --gpus "device=${uuids[0]}" bb sh -c "$sees"
  check docker_gpus_devices 0 "$both" seen d run --rm --net none --gpus '"device=0,1"' bb sh -c "$sees"
  check docker_gpus_count 0 "$first" seen d run --rm --net none --gpus 1 bb sh -c "$sees"
  check docker_gpus_capabilities 0 'nvidia-smi' d run --rm --net none --gpus 'all,capabilities=utility' bb grep -o 'nvidia-smi' /proc/mounts
  check docker_gpus_unknown '!0' 'GPU|device' d run --rm --net none --gpus device=7 bb true
  check docker_runtime_environment 0 "$second" seen d run --rm --net none --runtime gpurun -e NVIDIA_VISIBLE_DEVICES=1 bb sh -c "$sees"
  check docker_environment_void 0 '^ ?$' seen d run --rm --net none -e NVIDIA_VISIBLE_DEVICES=void bb sh -c "$sees"
  check docker_no_request 0 '^ ?$' seen d run --rm --net none bb sh -c "$sees"
  check docker_read_only 0 "$both" seen d run --rm --net none --read-only --gpus all bb sh -c "$sees"
  check docker_user 0 "$both" seen d run --rm --net none -u 1000 --gpus all bb sh -c "$sees"
  check docker_other_runtime '!0' 'use --runtime=gpurun' d run --rm --net none --runtime runc --gpus all bb true
  scenario exec_and_update
  scenario compose_runtime
  scenario compose_devices
  check podman_environment 0 "$second" seen p_with -e NVIDIA_VISIBLE_DEVICES=1 -- sh -c "$sees"
  check podman_cdi_device 0 'acme1' p_with --device acme.com/thing=one -- sh -c 'ls /dev/acme1 && test $ACME = one'
  check podman_cdi_gpu 0 "$second" seen p_with --device nvidia.com/gpu=1 -- sh -c "$sees"
  check podman_cdi_unknown '!0' 'unresolvable|nosuch' p_with --device acme.com/thing=nosuch -- true
  check ctr_environment 0 "$first" seen inside ctr -a "$work/ctrd.sock" -n k8s.io run --rm --runc-binary "$runtime" --env NVIDIA_VISIBLE_DEVICES=0 \
    docker.io/library/bb:latest g6 sh -c "$sees"
  check ctr_annotation 0 '^c' inside ctr -a "$work/ctrd.sock" -n k8s.io run --rm --runc-binary "$runtime" \
    --annotation cdi.k8s.io/claim=acme.com/thing=one docker.io/library/bb:latest g7 ls -l /dev/acme1
  scenario cri_environment
  scenario cri_annotation
  scenario swarm_generic_resource
}
