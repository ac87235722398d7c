# Docker: dockerd with its own containerd; what one `docker run` shows. Sourced by run, also for the other engines that use Docker.

docker=(/usr/bin/docker -H "unix://$work/docker.sock")
d() { inside "${docker[@]}" "$@"; }

# start_daemon OPTION...
start_daemon() {
  inside dockerd --config-file "$work/daemon.json" --data-root "$work/docker" --exec-root "$work/dexec" -p "$work/dockerd.pid" \
    -H "unix://$work/docker.sock" --storage-driver overlay2 --experimental "$@" >>"$work/dockerd.log" 2>&1 &
  docker_job=$!
  eventually 60 d version || { tail -n 5 "$work/dockerd.log"; return 1; }
}

load_images() {
  d import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' "$work/bb.tar" bb >/dev/null && d import -c 'ENV PATH=/bin' "$work/bad.tar" bad >/dev/null
}

# start_docker OPTION...: dockerd's own options.
start_docker() {
  # "runc" is a reserved name for dockerd's own, so both go by the name rt.
  echo '{"runtimes":{"rt":{"path":"'"$runtime"'"}},"default-runtime":"rt","live-restore":true,"cgroup-parent":"/'"$cgroups"'"}' >"$work/daemon.json"
  start_daemon "$@" && load_images
}

stop_docker() {
  d ps -aq | xargs -r "${enter[@]}" "${docker[@]}" rm -f >/dev/null
  inside kill "$(cat "$work/dockerd.pid")"
  wait "$docker_job"
}

# with_container NAME OPTION... -- COMMAND...: runs COMMAND while a container of that name sleeps; \a OPTION goes to docker run.
with_container() {
  local name=$1 options=() status
  shift
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  d run -d --name "$name" --net none "${options[@]}" bb sleep 1000 && "$@"
  status=$?
  d rm -f "$name"
  return $status
}

run=(d run --rm --net none bb)
run_with() { local options=(); while [ "$1" != -- ]; do options+=("$1"); shift; done; shift; d run --rm --net none "${options[@]}" bb "$@"; }

docker_refusals() {
  check missing_command 127 'executable file not found' "${run[@]}" nosuchcommand
  check missing_path 127 'no such file or directory' "${run[@]}" /no/such
  check not_executable 126 'permission denied' "${run[@]}" /etc/passwd
  check directory_as_command 126 'permission denied' "${run[@]}" /etc
  check exec_format '!0' 'exec format error' "${run[@]}" /bin/garbage
  check foreign_program '!0' 'exec format error' "${run[@]}" /bin/foreign
  check missing_loader '!0' 'no such file' "${run[@]}" /bin/no-loader
  check bad_workdir '!0' 'not a directory' run_with -w /etc/passwd -- true
  check bad_sysctl '!0' 'sysctl|no such file' run_with --sysctl net.no.such=1 -- true
  check bad_device '!0' 'no such file' run_with --device /dev/nosuch -- true
  check bad_ulimit '!0' 'rlimit|operation not permitted' run_with --ulimit nofile=99999999:99999999 -- true
  check bad_cpuset '!0' '' run_with --cpuset-cpus 99 -- true
  check file_over_directory '!0' 'not a directory' run_with -v "$work/bb.tar:/etc" -- true
  check image_with_links 0 '' d run --rm --net none bad true
  check image_without_shell 127 'executable file not found' run_with --entrypoint nosuch -- x
}

docker_security() {
  check privileged 0 'CapEff:.00000(03|1f)ff[ef]ffffff' run_with --privileged -- grep CapEff /proc/self/status
  check cap_drop 0 'CapBnd:.0000000000000000' run_with --cap-drop ALL -- grep CapBnd /proc/self/status
  check cap_add 0 '0000000000001000' run_with --cap-drop ALL --cap-add NET_ADMIN -- grep CapEff /proc/self/status
  check seccomp_default 1 'not permitted' "${run[@]}" unshare -U true
  check seccomp_unconfined 0 '' run_with --security-opt seccomp=unconfined -- unshare -U true
  check seccomp_profile 0 '^Operation not permitted|not permitted' run_with --security-opt "seccomp=$work/no-chmod.json" -- sh -c 'chmod 700 /tmp || true'
  check no_new_privileges 0 'NoNewPrivs:.1' run_with --security-opt no-new-privileges -- grep NoNewPrivs /proc/self/status
  check masked 0 '^0$' "${run[@]}" sh -c 'cat /proc/kcore | wc -c'
  check unmasked 0 '' run_with --security-opt systempaths=unconfined --privileged -- sh -c 'test ! -c /proc/keys'
  check readonly_paths '!0' 'Read-only file system' "${run[@]}" sh -c 'echo 1 >/proc/sys/kernel/domainname'
  check user 0 '^1000$' run_with -u user -- id -u
  check user_group 0 '^uid=1000.*gid=77' run_with -u 1000:77 -- id
  check group_add 0 '^0 .*77' run_with --group-add 77 -- id -G
}

docker_files() {
  check read_only 1 'Read-only file system' run_with --read-only -- touch /x
  check read_only_tmpfs 0 '' run_with --read-only --tmpfs /run -- touch /run/x
  check tmpfs 0 'tmpfs on /t .*size=1024k' run_with --tmpfs /t:size=1m -- mount
  check volume 0 '^root' run_with -v "$work/rootfs/etc:/data:ro" -- cat /data/passwd
  check volume_ro 1 'Read-only file system' run_with -v "$work/rootfs/etc:/data:ro" -- touch /data/x
  check volume_file 0 '^root' run_with -v "$work/rootfs/etc/passwd:/p/q/file:ro" -- cat /p/q/file
  check volume_named 0 '^kept$' sh -c "$(printf '%q ' "${enter[@]}" "${docker[@]}") run --rm --net none -v vv:/v bb sh -c 'echo kept >/v/f' && $(printf '%q ' "${enter[@]}" "${docker[@]}") run --rm --net none -v vv:/v bb cat /v/f"
  check anonymous_volume 0 '/anon' run_with -v /anon -- mount
  check mount_syntax 0 'ro' run_with --mount "type=bind,src=$work/rootfs/etc,dst=/m,readonly,bind-propagation=rslave" -- grep ' /m ' /proc/mounts
  check device 0 '^c' run_with --device /dev/fuse:/dev/fuse2 -- ls -l /dev/fuse2
  check device_read_only 1 'not permitted|denied' run_with --device /dev/fuse:/dev/f:r -- sh -c 'echo x >/dev/f'
  check device_denied 1 'not permitted' run_with --device-cgroup-rule 'c 1:11 m' -- sh -c 'mknod /k c 1 11 && cat /k'
  check device_directory 0 'fd0|fuse|net/tun|tun' run_with --device /dev/net -- ls /dev/net
  check shm_size 0 'size=1024k' run_with --shm-size 1m -- grep shm /proc/mounts
  check hosts_files 0 'localhost' "${run[@]}" cat /etc/hosts
}

docker_limits() {
  check ulimit 0 '^100$' run_with --ulimit nofile=100:200 -- sh -c 'ulimit -n'
  check sysctl 0 '^1$' run_with --sysctl net.ipv4.ip_forward=1 -- cat /proc/sys/net/ipv4/ip_forward
  check sysctl_ipc 0 '^64000$' run_with --sysctl kernel.msgmax=64000 -- cat /proc/sys/kernel/msgmax
  check memory_limit 0 '^67108864$' run_with -m 64m -- cat /sys/fs/cgroup/memory/memory.limit_in_bytes
  check memory_kill 137 '' run_with -m 16m --memory-swap 16m -- dd if=/dev/zero of=/dev/null bs=128M count=1
  check memory_reservation 0 '^33554432$' run_with --memory-reservation 32m -- cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes
  check cpus 0 '^50000$' run_with --cpus 0.5 -- cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us
  check cpu_shares 0 '^512$' run_with --cpu-shares 512 -- cat /sys/fs/cgroup/cpu/cpu.shares
  check cpuset 0 '^0$' run_with --cpuset-cpus 0 -- cat /sys/fs/cgroup/cpuset/cpuset.cpus
  check pids_limit 0 '^20$' run_with --pids-limit 20 -- cat /sys/fs/cgroup/pids/pids.max
  check oom_score 0 '^300$' run_with --oom-score-adj 300 -- cat /proc/self/oom_score_adj
  check cgroup_parent 0 "/$cgroups/sub/" run_with --cgroup-parent "/$cgroups/sub" --cgroupns host -- cat /proc/self/cgroup
  check cgroupns_private 0 ':/$' run_with --cgroupns private -- cat /proc/self/cgroup
  check cgroupns_host 0 "/$cgroups/" run_with --cgroupns host -- cat /proc/self/cgroup
}

scenarios_docker() {
  echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod","fchmodat"],"action":"SCMP_ACT_ERRNO"}]}' >"$work/no-chmod.json"
  check run 0 '^hello$' "${run[@]}" echo hello
  check exit_code 7 '' "${run[@]}" sh -c 'exit 7'
  check killed_by_itself 137 '' run_with --init -- sh -c 'kill -9 $$'
  check bridge_network 0 '172\.' d run --rm bb ip addr show eth0
  check host_network 0 '^lo|lo:' d run --rm --net host bb ip link show lo
  check tty 0 '^/dev/(pts/0|console)' d run --rm -t --net none bb tty
  check interactive_tty 0 'pts|console' inside script -qec "${docker[*]} run --rm -it --net none bb tty" /dev/null
  check stdin 0 '^typed$' sh -c "echo typed | $(printf '%q ' "${enter[@]}" "${docker[@]}") run --rm -i --net none bb cat"
  check env 0 '^y$' run_with -e X=y -- sh -c 'echo $X'
  check init 0 'docker-init' run_with --init -- ps
  check hostname 0 '^box$' run_with --hostname box -- hostname
  check domainname 0 '^dom$' run_with --domainname dom -- cat /proc/sys/kernel/domainname
  check pid_host 0 'dockerd' run_with --pid host -- ps
  check ipc_host 0 '' run_with --ipc host -- true
  check ipc_private 0 '' run_with --ipc private -- true
  check uts_host 0 "$(hostname)" run_with --uts host -- hostname
  docker_refusals
  docker_security
  docker_files
  docker_limits
  check gpus_without_driver '!0' 'could not select device driver|no NVIDIA' run_with --gpus all -- true
}

# Fifty containers started at the same time; how many gave their number back.
fifty_at_once() {
  local n
  for n in $(seq 50); do d run --rm --net none bb echo "number $n" & done | grep -c '^number'
}
