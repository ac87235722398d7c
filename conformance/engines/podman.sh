# Podman as root; sourced by run.

p() { inside env CONTAINERS_CONF="$work/containers.conf" podman --root "$work/pod" --runroot "$work/r" --cgroup-manager cgroupfs \
  --events-backend file --runtime "$runtime" "$@"; }
p_run=(p run --rm --net none localhost/bb)
p_with() { local options=(); while [ "$1" != -- ]; do options+=("$1"); shift; done; shift; p run --rm --net none "${options[@]}" localhost/bb "$@"; }

start_podman() {
  cat >"$work/containers.conf" <<EOF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=2048:2048"]
init_path = "/usr/bin/tini-static"
[engine]
runtime_supports_json = ["crun", "runc", "gpurun"]
runtime_supports_nocgroups = ["crun", "gpurun"]
EOF
  p import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' "$work/bb.tar" localhost/bb >/dev/null
}

stop_podman() { p rm -fa -t 0 >/dev/null 2>&1; }

with_pod_container() {
  local name=$1
  shift
  p run -d --name "$name" --net none localhost/bb sleep 100 || return
  "$@"
  local status=$?
  p rm -f -t 0 "$name"
  return $status
}
p_exec_steps() { expect 3 in p exec "$1" sh -c 'echo in; exit 3' && expect 127 'not found' p exec "$1" nosuch && expect 126 'denied' p exec "$1" /etc/passwd; }
p_pause_steps() { p pause "$1" && expect 0 paused p inspect -f '{{.State.Status}}' "$1" && p unpause "$1" && expect 0 '' p exec "$1" true; }
p_top_steps() { expect 0 sleep p top "$1"; }
p_stop_steps() { p stop -t 1 "$1" && expect 0 exited p inspect -f '{{.State.Status}}' "$1"; }
p_update_steps() { expect 0 '' p kill -s TERM "$1"; }
scenario_exec() { with_pod_container p1 p_exec_steps p1; }
scenario_pause() { with_pod_container p2 p_pause_steps p2; }
scenario_top() { with_pod_container p3 p_top_steps p3; }
scenario_stop() { with_pod_container p4 p_stop_steps p4; }
scenario_kill() { with_pod_container p5 p_update_steps p5; }
scenario_pod() {
  p pod create --name pp --infra=false && p run --pod pp --name pm --net none -d localhost/bb sleep 100 && expect 0 pm p ps --format '{{.Names}}'
  local status=$?
  p pod rm -f -t 0 pp
  return $status
}

scenarios_podman() {
  check run 0 '^hello$' "${p_run[@]}" echo hello
  check exit_code 7 '' "${p_run[@]}" sh -c 'exit 7'
  check missing_command 127 'not found' "${p_run[@]}" nosuch
  check not_executable 126 'permission denied' "${p_run[@]}" /etc/passwd
  check tty 0 '/dev/' p run --rm -t --net none localhost/bb tty
  check read_only 1 'Read-only file system' p_with --read-only -- touch /x
  check read_only_tmpfs 0 '' p_with --read-only -- touch /tmp/x
  check memory_limit 0 '^67108864$' p_with -m 64m --cgroupns host -v /sys/fs/cgroup:/cg:ro -- \
    sh -c 'cat /cg/memory$(grep memory /proc/self/cgroup | cut -d: -f3)/memory.limit_in_bytes'
  check user 0 '^1000$' p_with -u 1000 -- id -u
  check userns_auto 0 '100000' p_with --uidmap 0:100000:5000 --gidmap 0:100000:5000 -- cat /proc/self/uid_map
  check caps 0 '0000000000001000' p_with --cap-drop all --cap-add NET_ADMIN -- grep CapEff /proc/self/status
  check seccomp 0 '2$' "${p_run[@]}" grep Seccomp: /proc/self/status
  check overlay_volume 0 '' p_with -v "$work/rootfs/etc:/data:O" -- touch /data/x
  check volume_ro 1 'Read-only file system' p_with -v "$work/rootfs/etc:/data:ro" -- touch /data/x
  check device 0 '^c' p_with --device /dev/fuse:/dev/fuse2 -- ls -l /dev/fuse2
  check init 0 '' p_with --init -- true
  check sysctl 0 '^1$' p_with --sysctl net.ipv4.ip_forward=1 -- cat /proc/sys/net/ipv4/ip_forward
  scenario exec
  scenario pause
  scenario top
  scenario stop
  scenario kill
  scenario pod
}
