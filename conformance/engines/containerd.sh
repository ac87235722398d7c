# containerd through ctr; sourced by run.

image=docker.io/library/bb:latest
c() { inside ctr -a "$work/ctrd.sock" "$@"; }
# ctr_run OPTION... -- ID COMMAND...
ctr_run() {
  local options=()
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  c run --rm --cgroup "/$cgroups/$1" --runc-binary "$runtime" "${options[@]}" "$image" "$@"
}

kill_containerd() { inside pkill "-$1" -f '^containerd -c '; }

start_daemon() {
  inside containerd -c "$work/ctrd.toml" >>"$work/ctrd.log" 2>&1 &
  containerd_job=$!
  eventually 60 c version
}

start_containerd() {
  cat >"$work/ctrd.toml" <<EOF
version = 2
root = "$work/ctrd-root"
state = "$work/ctrd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$work/ctrd.sock"
[ttrpc]
  address = "$work/ctrd.sock.ttrpc"
EOF
  start_daemon && c image import "$work/bb-docker.tar"
}

stop_containerd() {
  c task ls -q | xargs -r -n 1 "${enter[@]}" ctr -a "$work/ctrd.sock" task rm -f >/dev/null
  kill_containerd TERM
  wait "$containerd_job"
}

# with_task ID COMMAND...: runs COMMAND while a task of that name sleeps.
with_task() {
  local id=$1 status
  shift
  c run -d --cgroup "/$cgroups/$id" --runc-binary "$runtime" "$image" "$id" sleep 1000 || return
  "$@"
  status=$?
  c task kill -s KILL "$id"
  eventually 5 c task rm "$id"
  c container rm "$id" || return
  return $status
}

scenario_exec() { with_task c1 exec_steps c1; }
exec_steps() {
  expect 3 in c task exec --exec-id e1 "$1" sh -c 'echo in; exit 3' && expect 0 'sleep' c task exec --exec-id e2 "$1" ps &&
    expect 0 '^/tmp$' c task exec --exec-id e3 --cwd /tmp "$1" sh -c 'pwd; sleep 0.3' && expect 0 '^1000$' c task exec --exec-id e4 --user 1000 "$1" sh -c 'id -u; sleep 0.3'
}
scenario_exec_tty() { with_task c2 expect 0 '/dev/pts/0' inside script -qec "ctr -a $work/ctrd.sock task exec -t --exec-id e1 c2 tty" /dev/null; }
scenario_pause() { with_task c3 pause_steps c3; }
pause_steps() { c task pause "$1" && expect 0 PAUSED c task ls && c task resume "$1" && expect 0 RUNNING c task ls; }
scenario_ps() { with_task c4 expect 0 '^[0-9]+' c task ps c4; }
scenario_metrics() { with_task c5 expect 0 'memory.usage_in_bytes|pids' c task metrics c5; }
scenario_kill() { with_task c6 kill_steps c6; }
kill_steps() { c task kill -s TERM "$1"; c task kill -s KILL "$1" && eventually 10 prints "$1.*STOPPED" c task ls && expect 1 'not found|already finished' c task kill "$1"; }
scenario_task_rm_force() { c run -d --cgroup "/$cgroups/c7" --runc-binary "$runtime" "$image" c7 sleep 1000 && c task rm -f c7 && c container rm c7; }
scenario_delete_running() { with_task c8 expect 1 'must be stopped' c task rm c8; }
scenario_daemon_killed() { with_task c9 daemon_killed_steps c9; }
daemon_killed_steps() {
  kill_containerd KILL
  wait "$containerd_job" 2>/dev/null
  start_daemon && expect 0 'c9.*RUNNING' c task ls && expect 0 in c task exec --exec-id e1 "$1" echo in
}
scenario_join_namespace() { with_task c10 join_steps c10; }
join_steps() {
  local pid
  pid=$(c task ls | awk -v id="$1" '$1 == id { print $2 }')
  expect 0 'sleep 1000' ctr_run --with-ns "pid:/proc/$pid/ns/pid" -- c11 ps
}
scenario_checkpoint() { with_task c12 c task checkpoint --image-path "$work/checkpoint" c12; }

scenarios_containerd() {
  echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod","fchmodat"],"action":"SCMP_ACT_ERRNO"}]}' >"$work/no-chmod.json"
  check run 0 '^hello$' ctr_run -- r1 echo hello
  check exit_code 7 '' ctr_run -- r2 sh -c 'exit 7'
  check missing_command 1 'executable file not found' ctr_run -- r3 nosuch
  check missing_path 1 'no such file' ctr_run -- r4 /no/such
  check not_executable 1 'permission denied' ctr_run -- r5 /etc/passwd
  check exec_format '!0' 'exec format error' ctr_run -- r6 /bin/garbage
  check bad_workdir 1 'not a directory' ctr_run --cwd /etc/passwd -- r7 true
  check tty 0 '/dev/pts/0|/dev/console' inside script -qec "ctr -a $work/ctrd.sock run --rm -t --runc-binary $runtime $image r8 tty" /dev/null
  check read_only 1 'Read-only file system' ctr_run --read-only -- r9 touch /x
  check memory_limit 0 '^67108864$' ctr_run --memory-limit 67108864 --mount type=bind,src=/sys/fs/cgroup,dst=/cg,options=rbind:ro -- r10 \
    cat "/cg/memory/$cgroups/r10/memory.limit_in_bytes"
  check cpus 0 '^50000$' ctr_run --cpu-quota 50000 --cpu-period 100000 --mount type=bind,src=/sys/fs/cgroup,dst=/cg,options=rbind:ro -- r11 \
    cat "/cg/cpu/$cgroups/r11/cpu.cfs_quota_us"
  check privileged 0 'CapEff' ctr_run --privileged -- r12 grep CapEff /proc/self/status
  check cap_drop 0 'CapEff:.00000000a80425fa' ctr_run --cap-drop CAP_CHOWN -- r13 grep CapEff /proc/self/status
  check cap_add 0 'CapEff:.00000000a80435fb' ctr_run --cap-add CAP_NET_ADMIN -- r14 grep CapEff /proc/self/status
  check seccomp 0 '2$' ctr_run --seccomp -- r15 grep Seccomp: /proc/self/status
  check seccomp_profile 0 'not permitted' ctr_run --seccomp --seccomp-profile "$work/no-chmod.json" -- r16 sh -c 'chmod 700 /tmp || true'
  check new_privileges 0 'NoNewPrivs:.0' ctr_run --allow-new-privs -- r17 grep NoNewPrivs /proc/self/status
  check host_network 0 'lo' ctr_run --net-host -- r18 ip link
  check mount 0 '^root' ctr_run --mount "type=bind,src=$work/rootfs/etc,dst=/d,options=rbind:ro" -- r19 cat /d/passwd
  check device 0 '^c' ctr_run --device /dev/fuse -- r20 ls -l /dev/fuse
  check env 0 '^y$' ctr_run --env X=y -- r22 sh -c 'echo $X'
  check cgroup 0 "/$cgroups/r23" ctr_run -- r23 cat /proc/self/cgroup
  check rootfs 0 '^hello$' c run --rm --runc-binary "$runtime" --rootfs "$base/rootfs" r24 /bin/echo hello
  check id_maps 0 ' 0 +100000 +1000' c run --rm --runc-binary "$runtime" --uidmap 0:100000:1000 --gidmap 0:100000:1000 "$image" r25 cat /proc/self/uid_map
  local name
  for name in exec exec_tty pause ps metrics kill task_rm_force delete_running join_namespace checkpoint daemon_killed; do scenario $name; done
  c run -d --runc-binary "$runtime" "$image" e1 sleep 1000
  check exec_missing '!0' 'executable file not found' c task exec --exec-id x1 e1 nosuch
  check exec_not_executable '!0' 'permission denied' c task exec --exec-id x2 e1 /etc/passwd
}
