# containerd's CRI plugin, as a kubelet uses it, through cri.py; sourced by run.

k() { inside /usr/bin/python3 "$here/cri.py" "$work/ctrd.sock" "$@"; }

# kill_containerd SIGNAL: the daemon; Docker has one of its own.
kill_containerd() { inside pkill "-$1" -f '^containerd -c '; }

start_cri() {
  cat >"$work/ctrd.toml" <<EOF
version = 2
root = "$work/ctrd-root"
state = "$work/ctrd-state"
[grpc]
  address = "$work/ctrd.sock"
[ttrpc]
  address = "$work/ctrd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/bb:latest"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$work/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "rt"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.rt]
      runtime_type = "io.containerd.runc.v2"
      container_annotations = ["cdi.k8s.io/*"]
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.rt.options]
        BinaryName = "$runtime"
EOF
  mkdir -p "$work/cni" "$work/pods"
  cat >"$work/cni/10-bridge.conflist" <<'EOF'
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]], "dataDir": "/run/cni-ips"}}]}
EOF
  inside containerd -c "$work/ctrd.toml" >>"$work/ctrd.log" 2>&1 &
  containerd_job=$!
  eventually 60 k version && inside ctr -a "$work/ctrd.sock" -n k8s.io image import "$work/bb-docker.tar" && k version
}

stop_cri() {
  kill_containerd TERM
  wait "$containerd_job"
}

# in_pod NAME OPTION... -- COMMAND...: runs COMMAND with $pod the id of a pod, which goes afterwards.
in_pod() {
  pod_options=(--pod-name "$1" --logs "$work/pods" --cgroup-parent "/$cgroups")
  shift
  while [ "$1" != -- ]; do pod_options+=("$1"); shift; done
  shift
  pod=$(k run-pod "${pod_options[@]}") || { echo "run-pod: $pod"; return 1; }
  "$@"
  local status=$?
  k stop-pod "$pod" && k rm-pod "$pod" || return
  return $status
}

# started OPTION... -- COMMAND...: a running container in the pod; $container is its id.
started() { container=$(k create "$pod" "${pod_options[@]}" "$@") && k start "$container"; }
is_now() { prints "^$1" k status "$container"; }

# finished CODE PATTERN OPTION... -- COMMAND...: the container ends so and logs that.
finished() {
  local code=$1 pattern=$2
  shift 2
  rm -f "$work/pods"/*.log
  started "$@" && eventually 15 is_now exited && expect 0 "^exited $code " k status "$container" && expect 0 "$pattern" sh -c "cat $work/pods/*.log" &&
    k rm "$container"
}
# refused PATTERN OPTION... -- COMMAND...: it is not started, and the status says why.
refused() {
  local pattern=$1
  shift
  container=$(k create "$pod" "${pod_options[@]}" "$@") || return
  expect 1 "$pattern" k start "$container" && expect 0 '^exited 128 StartError' k status "$container" && k rm "$container"
}

life_steps() {
  started -- sh -c 'trap "exit 4" TERM; while :; do sleep 0.1; done' && is_now running && expect 0 in k exec "$container" -- echo in &&
    expect 3 '' k exec "$container" -- sh -c 'exit 3' && expect 1 'executable file not found' k exec "$container" -- nosuch &&
    k stop "$container" && expect 0 '^exited 4 ' k status "$container" && k rm "$container"
}
update_steps() {
  started --memory 67108864 --cpu-quota 50000 -- sleep 1000 && k update "$container" --memory 134217728 --cpu-quota 20000 &&
    expect 0 '^134217728$' k exec "$container" -- cat /sys/fs/cgroup/memory/memory.limit_in_bytes &&
    expect 0 '^20000$' k exec "$container" -- cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us && expect 0 'memory [1-9]' k stats "$container"
}
shared_steps() { started -- sleep 555 && finished 0 'sleep 555' -- ps; }
pod_steps() { finished 0 'kept-name' -- hostname && finished 0 '10\.88\.' -- ip addr show eth0 && finished 0 '^.* 1$' -- cat /proc/sys/net/ipv4/ip_forward; }
reconnect_steps() {
  started -- sleep 1000 || return
  kill_containerd KILL
  wait "$containerd_job" 2>/dev/null
  inside containerd -c "$work/ctrd.toml" >>"$work/ctrd.log" 2>&1 &
  containerd_job=$!
  eventually 30 k version && is_now running && expect 0 in k exec "$container" -- echo in && k stop "$container" && is_now exited
}

scenario_run() { in_pod p1 -- finished 7 'out' -- sh -c 'echo out; exit 7'; }
scenario_life_cycle() { in_pod p2 -- life_steps; }
scenario_update_stats() { in_pod p3 -- update_steps; }
scenario_missing_command() { in_pod p4 -- refused 'executable file not found in \$PATH' -- nosuch; }
scenario_not_executable() { in_pod p5 -- refused 'permission denied' -- /etc/passwd; }
scenario_tty() { in_pod p6 -- finished 0 '/dev/(pts/0|console)' --tty -- tty; }
scenario_pod_network() { in_pod kept-name --sysctl net.ipv4.ip_forward=1 -- pod_steps; }
scenario_host_network() { in_pod p7 --host-network -- finished 0 ' lo' -- ip link; }
scenario_shared_pids() { in_pod p8 --share-pid -- shared_steps; }
scenario_privileged() { in_pod p9 --privileged -- finished 0 'CapEff' -- grep CapEff /proc/self/status; }
scenario_capabilities() { in_pod p10 -- finished 0 'CapEff:.0000000000001000' --cap-drop ALL --cap-add NET_ADMIN -- grep CapEff /proc/self/status; }
scenario_read_only() { in_pod p11 -- finished 1 'Read-only' --read-only -- touch /x; }
scenario_user() { in_pod p12 -- finished 0 ' 1000$' --user 1000 -- id -u; }
scenario_mount() { in_pod p13 -- finished 0 'root' --mount "$work/rootfs/etc:/m" -- cat /m/passwd; }
scenario_device() { in_pod p14 -- finished 0 ' c' --device /dev/fuse -- ls -l /dev/fuse; }
scenario_seccomp() { in_pod p15 -- finished 1 'not permitted' -- unshare -U true; }
scenario_seccomp_unconfined() { in_pod p16 -- finished 0 '' --unconfined -- unshare -U true; }
scenario_no_new_privileges() { in_pod p17 -- finished 0 'NoNewPrivs:.1' --no-new-privs -- grep NoNewPrivs /proc/self/status; }
scenario_oom_killed() { in_pod p18 -- finished 137 '' --memory 16777216 -- dd if=/dev/zero of=/dev/null bs=128M count=1; }
scenario_containerd_killed() { in_pod p19 -- reconnect_steps; }

scenarios_cri() {
  local name
  for name in run life_cycle update_stats missing_command not_executable tty pod_network host_network shared_pids privileged capabilities read_only \
    user mount device seccomp seccomp_unconfined no_new_privileges oom_killed containerd_killed; do
    scenario $name
  done
}
