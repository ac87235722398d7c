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
runtime_supports_nocgroup = ["crun", "gpurun"]
EOF
  p import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' "$work/bb.tar" localhost/bb && p import -c 'ENV PATH=/bin' "$work/bad.tar" localhost/bad
}

stop_podman() { p rm -fa -t 0 >/dev/null 2>&1; }

# with_container NAME OPTION... -- COMMAND...
with_container() {
  local name=$1 options=() status
  shift
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  p run -d --name "$name" --net none "${options[@]}" localhost/bb sleep 1000 && "$@"
  status=$?
  p rm -f -t 0 "$name"
  return $status
}

scenario_exec() { with_container p1 -- exec_steps p1; }
exec_steps() {
  expect 3 in p exec "$1" sh -c 'echo in; exit 3' && expect 127 'not found' p exec "$1" nosuch && expect 126 'denied' p exec "$1" /etc/passwd &&
    expect 0 '^1000$' p exec -u 1000 "$1" id -u && expect 0 '^/tmp$' p exec -w /tmp "$1" pwd && expect 0 '/dev/pts/0' p exec -t "$1" tty
}
scenario_pause() { with_container p2 -- pause_steps p2; }
pause_steps() { p pause "$1" && expect 0 paused p inspect -f '{{.State.Status}}' "$1" && p unpause "$1" && expect 0 '' p exec "$1" true; }
scenario_top() { with_container p3 -- expect 0 sleep p top p3; }
scenario_stop() { with_container p4 -- stop_steps p4; }
stop_steps() { p stop -t 1 "$1" && expect 0 '^exited 137$' p inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1" && p start "$1" && expect 0 '' p exec "$1" true; }
scenario_kill() { with_container p5 -- kill_steps p5; }
kill_steps() { p kill -s KILL "$1" && expect 0 '^137$' p wait "$1"; }
scenario_rm_force() { p run -d --name p6 --net none localhost/bb sleep 100 && p rm -f -t 0 p6 && expect 1 '' p container exists p6; }
scenario_logs() { p run -d --name p7 --net none localhost/bb echo told && p wait p7 && expect 0 '^told$' p logs p7 && p rm p7; }
scenario_stats() { with_container p8 -m 64m -- expect 0 '67.*MB' p stats --no-stream --no-reset p8; }
scenario_update() { with_container p9 -m 64m --cgroupns host -v /sys/fs/cgroup:/cg:ro -- update_steps p9; }
update_steps() {
  p update -m 96m "$1" && expect 0 '^100663296$' p exec "$1" sh -c 'cat /cg/memory$(grep memory /proc/self/cgroup | cut -d: -f3)/memory.limit_in_bytes'
}
scenario_restart_policy() {
  p run -d --name p10 --net none --restart on-failure:2 localhost/bb sh -c 'exit 3' && eventually 20 prints '^2$' p inspect -f '{{.RestartCount}}' p10 && p rm -f p10
}
scenario_healthcheck() { with_container p11 --health-cmd 'test -e /bin/sh' --health-interval disable -- expect 0 '' p healthcheck run p11; }
scenario_shared_namespaces() { with_container p12 -- shared_steps p12; }
shared_steps() { expect 0 'sleep 1000' p run --rm --pid container:"$1" --ipc container:"$1" --network container:"$1" localhost/bb ps; }
scenario_pod() {
  p pod create --name pp --infra=false && p run --pod pp --name pm --net none -d localhost/bb sleep 100 && expect 0 pm p ps --format '{{.Names}}'
  local status=$?
  p pod rm -f -t 0 pp
  return $status
}
scenario_commit_cp() { with_container p13 -- commit_steps p13; }
commit_steps() { p exec "$1" touch /mark && p commit -q "$1" bb2 && expect 0 /mark p run --rm --net none bb2 ls /mark && p cp "$1":/etc/passwd "$work/copied" && grep -q root "$work/copied"; }
scenario_build() {
  mkdir -p "$work/build"
  printf 'FROM localhost/bb\nRUN echo built >/made\nCMD ["cat","/made"]\n' >"$work/build/Containerfile"
  p build -q -t made --network none --isolation oci "$work/build" && expect 0 '^built$' p run --rm --net none made
}
scenario_volume_propagation() {
  mkdir -p "$work/vol/sub"
  inside mount --bind "$work/vol" "$work/vol" && inside mount --make-rshared "$work/vol" && with_container p14 -v "$work/vol:/v:rslave" -- propagation_steps p14
  local status=$?
  inside umount -R "$work/vol"
  return $status
}
propagation_steps() { inside mount -t tmpfs tmpfs "$work/vol/sub" && expect 0 '/v/sub' p exec "$1" mount; }
scenario_checkpoint() { with_container p15 -- p container checkpoint --leave-running p15; }

scenarios_podman() {
  check run 0 '^hello$' "${p_run[@]}" echo hello
  check exit_code 7 '' "${p_run[@]}" sh -c 'exit 7'
  check missing_command 127 'not found' "${p_run[@]}" nosuch
  check missing_path 127 'no such file' "${p_run[@]}" /no/such
  check not_executable 126 'permission denied' "${p_run[@]}" /etc/passwd
  check exec_format '!0' 'exec format error' "${p_run[@]}" /bin/garbage
  check bad_workdir '!0' '' p_with -w /etc/passwd -- true
  check image_with_links 126 'symbolic links' p run --rm --net none localhost/bad true
  check tty 0 '/dev/' p run --rm -t --net none localhost/bb tty
  check stdin 0 '^typed$' sh -c "echo typed | $(printf '%q ' "${enter[@]}" env CONTAINERS_CONF="$work/containers.conf" podman --root "$work/pod" --runroot "$work/r" --cgroup-manager cgroupfs --events-backend file --runtime "$runtime") run --rm -i --net none localhost/bb cat"
  check read_only 1 'Read-only file system' p_with --read-only -- touch /x
  check read_only_tmpfs 0 '' p_with --read-only -- touch /tmp/x
  check memory_limit 0 '^67108864$' p_with -m 64m --cgroupns host -v /sys/fs/cgroup:/cg:ro -- \
    sh -c 'cat /cg/memory$(grep memory /proc/self/cgroup | cut -d: -f3)/memory.limit_in_bytes'
  check memory_kill 137 '' p_with -m 16m --memory-swap 16m -- dd if=/dev/zero of=/dev/null bs=128M count=1
  check pids_limit 0 '^20$' p_with --pids-limit 20 --cgroupns host -v /sys/fs/cgroup:/cg:ro -- sh -c 'cat /cg/pids$(grep pids /proc/self/cgroup | cut -d: -f3)/pids.max'
  check cgroup_parent 0 "/$cgroups/" p_with --cgroup-parent "/$cgroups" --cgroupns host -- cat /proc/self/cgroup
  check cgroupns_private 0 ':/$' p_with --cgroupns private -- cat /proc/self/cgroup
  check cgroups_disabled 0 '' p_with --cgroups disabled -- true
  check user 0 '^1000$' p_with -u 1000 -- id -u
  check id_maps 0 '100000' p_with --uidmap 0:100000:5000 --gidmap 0:100000:5000 -- cat /proc/self/uid_map
  check privileged 0 'CapEff' p_with --privileged -- grep CapEff /proc/self/status
  check caps 0 '0000000000001000' p_with --cap-drop all --cap-add NET_ADMIN -- grep CapEff /proc/self/status
  check seccomp 0 '2$' "${p_run[@]}" grep Seccomp: /proc/self/status
  check seccomp_unconfined 0 '0$' p_with --security-opt seccomp=unconfined -- grep Seccomp: /proc/self/status
  check no_new_privileges 0 'NoNewPrivs:.1' p_with --security-opt no-new-privileges -- grep NoNewPrivs /proc/self/status
  check overlay_volume 0 '' p_with -v "$work/rootfs/etc:/data:O" -- touch /data/x
  check volume_ro 1 'Read-only file system' p_with -v "$work/rootfs/etc:/data:ro" -- touch /data/x
  check volume_named 0 '/v' p_with -v vv:/v -- grep ' /v ' /proc/mounts
  check tmpfs 0 'size=1024k' p_with --tmpfs /t:size=1m -- grep ' /t ' /proc/mounts
  check shm_size 0 'size=1024k' p_with --shm-size 1m -- grep shm /proc/mounts
  check device 0 '^c' p_with --device /dev/fuse:/dev/fuse2 -- ls -l /dev/fuse2
  check init 0 '' p_with --init -- true
  check hostname 0 '^box$' p_with --hostname box -- hostname
  check ulimit 0 '^100$' p_with --ulimit nofile=100:200 --ulimit nproc=2048:2048 -- sh -c 'ulimit -n'
  check sysctl 0 '^1$' p_with --sysctl net.ipv4.ip_forward=1 -- cat /proc/sys/net/ipv4/ip_forward
  check pid_host 0 'sleep infinity' p_with --pid host -- ps
  check umask 0 '^0027$' p_with --umask 0027 -- sh -c umask
  local name
  for name in exec pause top stop kill rm_force logs stats update restart_policy healthcheck shared_namespaces pod commit_cp build volume_propagation checkpoint; do
    scenario $name
  done
}
