# Podman of a user without privileges; sourced by run. The user and its id maps are in this engine's own /etc.

rootless_uid=6420
rootless=(setpriv --reuid $rootless_uid --regid $rootless_uid --clear-groups env -i HOME="$work/home" PATH=/usr/bin:/bin:/usr/sbin:/sbin
  XDG_RUNTIME_DIR="$work/home/run" CONTAINERS_CONF="$work/rootless.conf" podman --root "$work/home/pod" --runroot "$work/home/r"
  --cgroup-manager cgroupfs --events-backend file --storage-driver vfs --runtime "$runtime")
r() { inside "${rootless[@]}" "$@"; }
r_run=(r run --rm --net none localhost/bb)
r_with() { local options=(); while [ "$1" != -- ]; do options+=("$1"); shift; done; shift; r run --rm --net none "${options[@]}" localhost/bb "$@"; }

start_podman_rootless() {
  inside sh -c "echo engines:x:$rootless_uid:$rootless_uid::/nonexistent:/bin/false >>/etc/passwd; echo engines:x:$rootless_uid: >>/etc/group
    echo engines:1000000:65536 >>/etc/subuid; echo engines:1000000:65536 >>/etc/subgid"
  mkdir -p "$work/home/run"
  cp "$work/bb.tar" "$work/home/bb.tar"
  chown -R "$rootless_uid:$rootless_uid" "$work/home"
  chmod 700 "$work/home/run"
  cat >"$work/rootless.conf" <<EOF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=2048:2048"]
default_sysctls = []
[engine]
runtime_supports_json = ["crun", "runc", "gpurun"]
EOF
  r import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' "$work/home/bb.tar" localhost/bb
}

stop_podman_rootless() {
  r rm -fa -t 0 >/dev/null 2>&1
  r system migrate >/dev/null 2>&1
}

with_container() {
  local name=$1 options=() status
  shift
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  r run -d --name "$name" --net none "${options[@]}" localhost/bb sleep 1000 && "$@"
  status=$?
  r rm -f -t 0 "$name"
  return $status
}

scenario_exec() { with_container q1 -- exec_steps q1; }
exec_steps() {
  expect 3 in r exec "$1" sh -c 'echo in; exit 3' && expect 127 'not found' r exec "$1" nosuch && expect 126 'denied' r exec "$1" /etc/passwd &&
    expect 0 '^1000$' r exec -u 1000 "$1" id -u && expect 0 '/dev/pts/0' r exec -t "$1" tty
}
scenario_top() { with_container q2 -- expect 0 sleep r top q2; }
scenario_stop() { with_container q3 -- stop_steps q3; }
stop_steps() { r stop -t 1 "$1" && expect 0 '^exited 137$' r inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1" && r start "$1" && expect 0 '' r exec "$1" true; }
scenario_kill() { with_container q4 -- kill_steps q4; }
kill_steps() { r kill -s KILL "$1" && expect 0 '^137$' r wait "$1"; }
scenario_logs() { r run -d --name q5 --net none localhost/bb echo told && r wait q5 && expect 0 '^told$' r logs q5 && r rm q5; }
scenario_shared_namespaces() { with_container q6 -- expect 0 'sleep 1000' r run --rm --pid container:q6 --network container:q6 localhost/bb ps; }
scenario_exec_keep_id() { with_container q7 --userns keep-id -- expect 0 "^$rootless_uid\$" r exec q7 id -u; }

scenarios_podman_rootless() {
  check run 0 '^hello$' "${r_run[@]}" echo hello
  check exit_code 7 '' "${r_run[@]}" sh -c 'exit 7'
  check missing_command 127 'not found' "${r_run[@]}" nosuch
  check not_executable 126 'permission denied' "${r_run[@]}" /etc/passwd
  check bad_workdir '!0' '' r_with -w /etc/passwd -- true
  check root_inside 0 '^0$' "${r_run[@]}" id -u
  check mapped 0 "$rootless_uid" "${r_run[@]}" cat /proc/self/uid_map
  check user 0 '^1000$' r_with -u 1000 -- id -u
  check keep_id 0 "^$rootless_uid\$" r_with --userns keep-id -- id -u
  check own_maps 0 '0 +1 +1000' r_with --uidmap 0:1:1000 -- cat /proc/self/uid_map
  check tty 0 '/dev/' r run --rm -t --net none localhost/bb tty
  check read_only 1 'Read-only file system' r_with --read-only -- touch /x
  check tmpfs 0 'size=1024k' r_with --tmpfs /t:size=1m -- grep ' /t ' /proc/mounts
  check volume 0 '^data$' r_with -v "$work/home/run:/v" -- sh -c 'echo data >/v/f; cat /v/f'
  check host_network 0 'lo' r run --rm --net host localhost/bb ip link
  check host_pid 0 'sleep infinity' r_with --pid host -- ps
  check privileged 0 'CapEff' r_with --privileged -- grep CapEff /proc/self/status
  check caps 0 '0000000000001000' r_with --cap-drop all --cap-add NET_ADMIN -- grep CapEff /proc/self/status
  check seccomp 0 '2$' "${r_run[@]}" grep Seccomp: /proc/self/status
  check device 0 '^c' r_with --device /dev/zero:/dev/zero2 -- ls -l /dev/zero2
  check ulimit 0 '^100$' r_with --ulimit nofile=100:200 --ulimit nproc=2048:2048 -- sh -c 'ulimit -n'
  check sysctl 0 '^1$' r_with --sysctl net.ipv4.ip_forward=1 -- cat /proc/sys/net/ipv4/ip_forward
  check shm_size 0 'size=1024k' r_with --shm-size 1m -- grep shm /proc/mounts
  local name
  for name in exec top stop kill logs shared_namespaces exec_keep_id; do scenario $name; done
}
