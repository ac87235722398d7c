# Docker with userns-remap: every container in a user namespace; sourced by run.

start_docker_remap() {
  inside sh -c 'echo dockremap:200000:65536 >>/etc/subuid; echo dockremap:200000:65536 >>/etc/subgid
    grep -q ^dockremap: /etc/passwd || { echo dockremap:x:499:499::/:/bin/false >>/etc/passwd; echo dockremap:x:499: >>/etc/group; }'
  start_docker --userns-remap default
}
stop_docker_remap() { stop_docker; }

scenario_exec() { with_container u1 -- expect 0 '^0$' d exec u1 id -u; }
scenario_pause() { with_container u2 -- pause_resume u2; }
pause_resume() { d pause "$1" && d unpause "$1" && expect 0 '' d exec "$1" true; }

scenarios_docker_remap() {
  check run 0 '^0 *200000 *65536$' "${run[@]}" sh -c 'tr -s " " </proc/self/uid_map | sed "s/^ //"'
  check tty 0 '^/dev/(pts/0|console)' run_with -t -- tty
  check read_only 1 'Read-only file system' run_with --read-only -- touch /x
  check device 0 '^c' run_with --device /dev/fuse -- ls -l /dev/fuse
  check tmpfs 0 '' run_with --tmpfs /t -- touch /t/x
  check user 0 '^1000$' run_with -u 1000 -- id -u
  check sysctl 0 '^1$' run_with --sysctl net.ipv4.ip_forward=1 -- cat /proc/sys/net/ipv4/ip_forward
  check memory_limit 0 '^67108864$' run_with -m 64m -- cat /sys/fs/cgroup/memory/memory.limit_in_bytes
  check bridge_network 0 '172\.' d run --rm bb ip addr show eth0
  check host_userns 0 '4294967295' run_with --userns host -- cat /proc/self/uid_map
  check missing_command 127 'executable file not found' "${run[@]}" nosuch
  scenario exec
  scenario pause
}
