# containerd through ctr; sourced by run.

c() { inside ctr -a "$work/ctrd.sock" "$@"; }
ctr_run() { local id=$1; shift; c run --rm --runc-binary "$runtime" docker.io/library/bb:latest "$id" "$@"; }

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
  inside containerd -c "$work/ctrd.toml" >>"$work/ctrd.log" 2>&1 &
  containerd_job=$!
  eventually 30 c version
  c image import "$work/bb-docker.tar" >/dev/null
}

stop_containerd() {
  c task ls -q | xargs -r -n 1 "${enter[@]}" ctr -a "$work/ctrd.sock" task rm -f >/dev/null
  c container ls -q | xargs -r "${enter[@]}" ctr -a "$work/ctrd.sock" container rm >/dev/null
  inside pkill -x containerd
  wait "$containerd_job"
}

with_task() {
  local id=$1
  shift
  c run -d --runc-binary "$runtime" docker.io/library/bb:latest "$id" sleep 100 || return
  "$@"
  local status=$?
  c task kill -s KILL "$id"
  eventually 5 c task rm "$id"
  c container rm "$id"
  return $status
}

exec_steps() { expect 3 in c task exec --exec-id e1 "$1" sh -c 'echo in; exit 3' && expect 0 'sleep' c task exec --exec-id e2 "$1" ps; }
pause_steps() { c task pause "$1" && expect 0 PAUSED c task ls && c task resume "$1" && expect 0 RUNNING c task ls; }
ps_steps() { expect 0 '^[0-9]+' c task ps "$1"; }
metrics_steps() { expect 0 'pids|memory' c task metrics "$1"; }
missing_exec_steps() { expect 1 'executable file not found' c task exec --exec-id e3 "$1" nosuch; }
scenario_exec() { with_task c1 exec_steps c1; }
scenario_pause() { with_task c2 pause_steps c2; }
scenario_ps() { with_task c3 ps_steps c3; }
scenario_metrics() { with_task c4 metrics_steps c4; }
scenario_exec_missing() { with_task c5 missing_exec_steps c5; }

scenarios_containerd() {
  check run 0 '^hello$' ctr_run r1 echo hello
  check exit_code 7 '' ctr_run r2 sh -c 'exit 7'
  check missing_command 1 'executable file not found' ctr_run r3 nosuch
  check not_executable 1 'permission denied' ctr_run r4 /etc/passwd
  check tty 0 '/dev/pts/0|/dev/console' inside script -qec "ctr -a $work/ctrd.sock run --rm -t --runc-binary $runtime docker.io/library/bb:latest r5 tty" /dev/null
  check read_only 1 'Read-only file system' c run --rm --read-only --runc-binary "$runtime" docker.io/library/bb:latest r6 touch /x
  check memory_limit 0 '' c run --rm --memory-limit 67108864 --runc-binary "$runtime" docker.io/library/bb:latest r7 true
  check privileged 0 '' c run --rm --privileged --runc-binary "$runtime" docker.io/library/bb:latest r8 true
  check host_network 0 'lo' c run --rm --net-host --runc-binary "$runtime" docker.io/library/bb:latest r9 ip link
  check mount 0 '^root' c run --rm --mount "type=bind,src=$work/rootfs/etc,dst=/d,options=rbind:ro" --runc-binary "$runtime" docker.io/library/bb:latest r10 cat /d/passwd
  scenario exec
  scenario exec_missing
  scenario pause
  scenario ps
  scenario metrics
}
