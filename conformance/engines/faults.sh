# What must survive: daemons killed, a state directory that can't be written, a full disk. Runs with Docker; sourced by run.

start_faults() { start_docker; }
stop_faults() { stop_docker; }

runtime_state() { echo "$work/dexec/runtime-runc"; }

# Nothing of the containers is left: no cgroup, no state, no process of the runtime.
nothing_left() {
  local left
  left=$(find /sys/fs/cgroup -type d -path "*/$cgroups/*" 2>/dev/null | head -n 3; ls "$(runtime_state)/moby" 2>/dev/null; inside pgrep "$(basename "$runtime")"
    inside grep -c "$work/dexec/.*/rootfs" /proc/mounts | grep -v '^0$')
  if [ -n "$left" ]; then
    echo "left: $left"
    return 1
  fi
}

scenario_dockerd_killed() {
  d run -d --name f1 --net none bb sleep 100 || return
  inside kill -9 "$(cat "$work/dockerd.pid")"
  wait "$docker_job" 2>/dev/null
  rm -f "$work/dockerd.pid"
  start_daemon && expect 0 '^true$' d inspect -f '{{.State.Running}}' f1 && expect 0 in d exec f1 echo in && d stop -t 0 f1 && d rm f1 &&
    eventually 5 nothing_left
}

scenario_containerd_killed() {
  d run -d --name f2 --net none bb sleep 100 || return
  inside kill -9 "$(cat "$work/dexec/containerd/containerd.pid")"
  eventually 30 d exec f2 true && d rm -f f2 && expect 0 '^fine$' d run --rm --net none bb echo fine && eventually 5 nothing_left
}

scenario_shim_killed() {
  d run -d --name f3 --net none bb sleep 100 || return
  inside pkill -9 -f "containerd-shim.*$(d inspect -f '{{.Id}}' f3)"
  eventually 20 sh -c "$(printf '%q ' "${enter[@]}" "${docker[@]}") inspect -f '{{.State.Running}}' f3 | grep -x false" && d rm -f f3 &&
    eventually 10 nothing_left
}

# with_state_directory OPTIONS: a run while the runtime's state directory is a file system with these options.
with_state_directory() {
  mkdir -p "$(runtime_state)"
  inside mount -t tmpfs -o "$1" tmpfs "$(runtime_state)" || return
  if [ -n "${2:-}" ]; then inside dd if=/dev/zero of="$(runtime_state)/fill" bs=4k count=100 2>/dev/null; fi
  expect 125 "$3" d run --rm --net none bb true
  local status=$?
  inside umount "$(runtime_state)"
  [ $status = 0 ] && expect 0 '^fine$' d run --rm --net none bb echo fine && eventually 5 nothing_left
}
scenario_state_read_only() { with_state_directory ro '' 'read-only file system'; }
scenario_state_full() { with_state_directory size=16k fill 'no space left'; }

scenarios_faults() {
  scenario dockerd_killed
  scenario containerd_killed
  scenario shim_killed
  scenario state_read_only
  scenario state_full
  check many_at_once_leave_nothing 0 '' fifty_then_nothing
}
fifty_then_nothing() { expect 0 '^50$' fifty_at_once && eventually 10 nothing_left; }
