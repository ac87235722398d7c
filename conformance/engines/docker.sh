# Docker: dockerd with its own containerd; sourced by run. start_docker, scenarios_docker, stop_docker.

docker=(/usr/bin/docker -H "unix://$work/docker.sock")
d() { inside "${docker[@]}" "$@"; }

start_daemon() {
  inside dockerd --config-file "$work/daemon.json" --data-root "$work/docker" --exec-root "$work/dexec" -p "$work/dockerd.pid" \
    -H "unix://$work/docker.sock" --storage-driver overlay2 --experimental >>"$work/dockerd.log" 2>&1 &
  docker_job=$!
  eventually 30 d version || { tail -n 5 "$work/dockerd.log"; return 1; }
}

start_docker() {
  # "runc" is a reserved name for dockerd's own, so both go by the name rt.
  echo '{"runtimes":{"rt":{"path":"'"$runtime"'"}},"default-runtime":"rt","live-restore":true,"cgroup-parent":"/'"$cgroups"'"}' >"$work/daemon.json"
  start_daemon
  d import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' "$work/bb.tar" bb >/dev/null
}

stop_docker() {
  d ps -aq | xargs -r "${enter[@]}" "${docker[@]}" rm -f >/dev/null
  inside kill "$(cat "$work/dockerd.pid")"
  wait "$docker_job"
}

run=(d run --rm --net none bb)
run_with() { local options=(); while [ "$1" != -- ]; do options+=("$1"); shift; done; shift; d run --rm --net none "${options[@]}" bb "$@"; }
container_state() { d inspect -f "$1" "$2"; }

scenario_detached_logs_stop() {
  d run -d --name s1 --net none bb sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 0.1; done' &&
    eventually 5 sh -c "$(printf '%q ' "${enter[@]}" "${docker[@]}") logs s1 | grep up" && d stop -t 5 s1 &&
    expect 0 '^5$' d inspect -f '{{.State.ExitCode}}' s1 && d rm s1
}
scenario_kill_signal() {
  d run -d --name s2 --net none bb sleep 100 && d kill -s KILL s2 && expect 0 '^137$' d wait s2 && d rm s2
}
scenario_rm_force() { d run -d --name s3 --net none bb sleep 100 && d rm -f s3 && expect 1 'No such' d inspect s3; }
scenario_exec() {
  d run -d --name s4 --net none bb sleep 100 && expect 7 in d exec s4 sh -c 'echo in; exit 7' &&
    expect 0 '^1000$' d exec -u 1000 s4 id -u && expect 0 '^x /tmp$' d exec -e V=x -w /tmp s4 sh -c 'echo $V $PWD'
  local status=$?
  d rm -f s4
  return $status
}
scenario_exec_privileged() {
  d run -d --name s17 --net none bb sleep 100 && expect 0 'CapEff:.0000003ff[ef]ffffff' d exec --privileged s17 grep CapEff /proc/self/status
  local status=$?
  d rm -f s17
  return $status
}
scenario_exec_missing() {
  d run -d --name s5 --net none bb sleep 100 && expect 126 'executable file not found' d exec s5 nosuch &&
    expect 126 'permission denied' d exec s5 /etc/passwd
  local status=$?
  d rm -f s5
  return $status
}
scenario_exec_detached() {
  d run -d --name s6 --net none bb sleep 100 && d exec -d s6 touch /tmp/made && eventually 5 d exec s6 ls /tmp/made
  local status=$?
  d rm -f s6
  return $status
}
scenario_pause() {
  d run -d --name s7 --net none bb sleep 100 && d pause s7 && expect 0 paused d inspect -f '{{.State.Status}}' s7 &&
    expect 1 'is paused' d exec s7 true && d unpause s7 && expect 0 '' d exec s7 true
  local status=$?
  d rm -f s7
  return $status
}
scenario_update() {
  d run -d --name s8 --net none -m 64m bb sleep 100 && d update -m 96m --memory-swap 96m --pids-limit 50 s8 &&
    expect 0 '^100663296$' d exec s8 cat /sys/fs/cgroup/memory/memory.limit_in_bytes && expect 0 '^50$' d exec s8 cat /sys/fs/cgroup/pids/pids.max
  local status=$?
  d rm -f s8
  return $status
}
scenario_stats_top() {
  d run -d --name s9 --net none bb sleep 100 && expect 0 'sleep 100' d top s9 && expect 0 's9' d stats --no-stream s9
  local status=$?
  d rm -f s9
  return $status
}
scenario_restart_policy() {
  d run -d --name s10 --net none --restart on-failure:2 bb sh -c 'exit 3' &&
    eventually 20 sh -c "[ \$($(printf '%q ' "${enter[@]}" "${docker[@]}") inspect -f '{{.RestartCount}}' s10) = 2 ]"
  local status=$?
  d rm -f s10
  return $status
}
scenario_restart() {
  d run -d --name s11 --net none bb sleep 100 && d restart -t 0 s11 && expect 0 running d inspect -f '{{.State.Status}}' s11
  local status=$?
  d rm -f s11
  return $status
}
scenario_healthcheck() {
  d run -d --name s12 --net none --health-cmd 'test -e /bin/sh' --health-interval 1s bb sleep 100 &&
    eventually 10 sh -c "$(printf '%q ' "${enter[@]}" "${docker[@]}") inspect -f '{{.State.Health.Status}}' s12 | grep -x healthy"
  local status=$?
  d rm -f s12
  return $status
}
scenario_shared_namespaces() {
  d run -d --name s13 --net none --ipc shareable bb sleep 100 &&
    expect 0 'sleep 100' d run --rm --pid container:s13 --ipc container:s13 --net container:s13 bb ps
  local status=$?
  d rm -f s13
  return $status
}
scenario_volume_propagation() {
  mkdir -p "$work/vol"
  inside mount --bind "$work/vol" "$work/vol" && inside mount --make-rshared "$work/vol" &&
    d run -d --name s14 --net none -v "$work/vol:/v:rslave" bb sleep 100 && inside mkdir -p "$work/vol/sub" &&
    inside mount -t tmpfs tmpfs "$work/vol/sub" && expect 0 '/v/sub' d exec s14 mount
  local status=$?
  d rm -f s14
  inside umount -R "$work/vol"
  return $status
}
scenario_commit_cp() {
  d run -d --name s15 --net none bb sleep 100 && d exec s15 touch /mark && d commit s15 bb2 && expect 0 /mark d run --rm --net none bb2 ls /mark &&
    d cp s15:/etc/passwd "$work/copied" && grep -q root "$work/copied"
  local status=$?
  d rm -f s15
  d rmi bb2
  return $status
}
scenario_resize_tty() {
  expect 0 'pts|console' inside script -qec "${docker[*]} run --rm -it --net none bb tty" /dev/null
}
scenario_create_start() {
  d create --name s16 --net none bb echo started && expect 0 started d start -a s16 && d rm s16
}
scenario_gpu_none() { expect 125 'could not select device driver|cdi' d run --rm --gpus all bb true; }

scenarios_docker() {
  check run 0 '^hello$' "${run[@]}" echo hello
  check exit_code 7 '' "${run[@]}" sh -c 'exit 7'
  check bridge_network 0 '172\.' d run --rm bb ip addr show eth0
  check host_network 0 '^lo|lo:' d run --rm --net host bb ip link show lo
  check tty 0 '^/dev/(pts/0|console)' d run --rm -t --net none bb tty
  check missing_command 127 'executable file not found' "${run[@]}" nosuchcommand
  check missing_path 127 'no such file or directory' "${run[@]}" /no/such
  check not_executable 126 'permission denied' "${run[@]}" /etc/passwd
  check directory_as_command 126 'permission denied' "${run[@]}" /etc
  check exec_format '!0' 'exec format error' "${run[@]}" /bin/garbage
  check bad_workdir 125 'not a directory' run_with -w /etc/passwd -- true
  check bad_sysctl '!0' 'sysctl|no such file' run_with --sysctl net.no.such=1 -- true
  scenario detached_logs_stop
  scenario kill_signal
  scenario rm_force
  scenario exec
  scenario exec_privileged
  scenario exec_missing
  scenario exec_detached
  scenario pause
  scenario update
  scenario stats_top
  scenario restart_policy
  scenario restart
  scenario healthcheck
  scenario create_start
  scenario shared_namespaces
  scenario volume_propagation
  scenario commit_cp
  scenario resize_tty
  check init 0 'docker-init' run_with --init -- ps
  check privileged 0 'CapEff:.0000003ff[ef]ffffff' run_with --privileged -- grep CapEff /proc/self/status
  check cap_drop 0 'CapBnd' run_with --cap-drop ALL -- grep CapBnd /proc/self/status
  check cap_add 0 '0000000000001000' run_with --cap-drop ALL --cap-add NET_ADMIN -- grep CapEff /proc/self/status
  check seccomp_default 1 'not permitted' "${run[@]}" unshare -U true
  check seccomp_unconfined 0 '' run_with --security-opt seccomp=unconfined -- unshare -U true
  check no_new_privileges 0 'NoNewPrivs:.1' run_with --security-opt no-new-privileges -- grep NoNewPrivs /proc/self/status
  check read_only 1 'Read-only file system' run_with --read-only -- touch /x
  check tmpfs 0 'tmpfs on /t .*size=1024k' run_with --tmpfs /t:size=1m -- mount
  check volume 0 '^root' run_with -v "$work/rootfs/etc:/data:ro" -- cat /data/passwd
  check volume_ro 1 'Read-only file system' run_with -v "$work/rootfs/etc:/data:ro" -- touch /data/x
  check anonymous_volume 0 '/anon' run_with -v /anon -- mount
  check device 0 '^c' run_with --device /dev/fuse:/dev/fuse2 -- ls -l /dev/fuse2
  check device_denied 1 'not permitted' run_with --device-cgroup-rule 'c 1:11 m' -- sh -c 'mknod /k c 1 11 && cat /k'
  check user 0 '^1000$' run_with -u user -- id -u
  check group_add 0 '^0 .*77' run_with --group-add 77 -- id -G
  check hostname 0 '^box$' run_with --hostname box -- hostname
  check domainname 0 '^dom$' run_with --domainname dom -- cat /proc/sys/kernel/domainname
  check ulimit 0 '^100$' run_with --ulimit nofile=100:200 -- sh -c 'ulimit -n'
  check sysctl 0 '^1$' run_with --sysctl net.ipv4.ip_forward=1 -- cat /proc/sys/net/ipv4/ip_forward
  check shm_size 0 'size=1024k' run_with --shm-size 1m -- grep shm /proc/mounts
  check memory_limit 0 '^67108864$' run_with -m 64m -- cat /sys/fs/cgroup/memory/memory.limit_in_bytes
  check memory_kill 137 '' run_with -m 16m --memory-swap 16m -- dd if=/dev/zero of=/dev/null bs=128M count=1
  check cpus 0 '^50000$' run_with --cpus 0.5 -- cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us
  check cpuset 0 '^0$' run_with --cpuset-cpus 0 -- cat /sys/fs/cgroup/cpuset/cpuset.cpus
  check pids_limit 0 '^20$' run_with --pids-limit 20 -- cat /sys/fs/cgroup/pids/pids.max
  check oom_score 0 '^300$' run_with --oom-score-adj 300 -- cat /proc/self/oom_score_adj
  check cgroup_parent 0 '/mygrp/' run_with --cgroup-parent /mygrp --cgroupns host -- cat /proc/self/cgroup
  check cgroupns_private 0 ':/$' run_with --cgroupns private -- cat /proc/self/cgroup
  check pid_host 0 'dockerd' run_with --pid host -- ps
  check ipc_host 0 '' run_with --ipc host -- true
  check uts_host 0 "$(hostname)" run_with --uts host -- hostname
  check env 0 '^y$' run_with -e X=y -- sh -c 'echo $X'
  check stdin 0 '^typed$' sh -c "echo typed | $(printf '%q ' "${enter[@]}" "${docker[@]}") run --rm -i --net none bb cat"
  check masked 0 '^0$' "${run[@]}" sh -c 'cat /proc/kcore | wc -c'
  check gpus_without_driver 125 'could not select device driver' d run --rm --gpus all bb true
}

# Fifty containers started at the same time; how many gave their number back.
fifty_at_once() {
  local n
  for n in $(seq 50); do d run --rm --net none bb echo "number $n" & done | grep -c '^number'
}
