# Podman of a user without privileges; sourced by run. The user's id maps come from /etc/subuid, made if they are missing.

rootless_user=gpurun-engines
r() {
  inside setpriv --reuid "$rootless_uid" --regid "$rootless_gid" --clear-groups env -i HOME="$work/home" PATH=/usr/bin:/bin:/usr/sbin:/sbin \
    XDG_RUNTIME_DIR="$work/home/run" CONTAINERS_CONF="$work/rootless.conf" podman --root "$work/home/pod" --runroot "$work/home/r" \
    --cgroup-manager cgroupfs --events-backend file --storage-driver vfs --runtime "$runtime" "$@"
}
r_run=(r run --rm --net none localhost/bb)

start_podman_rootless() {
  id -u $rootless_user >/dev/null 2>&1 || useradd --system --user-group --no-create-home --home-dir /nonexistent $rootless_user
  rootless_uid=$(id -u $rootless_user)
  grep -q "^$rootless_user:" /etc/subuid || echo "$rootless_user:1000000:65536" >>/etc/subuid
  grep -q "^$rootless_user:" /etc/subgid || echo "$rootless_user:1000000:65536" >>/etc/subgid
  mkdir -p "$work/home/run"
  cp "$work/bb.tar" "$work/home/bb.tar"
  rootless_gid=$(id -g $rootless_user)
  chown -R "$rootless_uid:$rootless_gid" "$work/home"
  chmod 700 "$work/home/run"
  cat >"$work/rootless.conf" <<EOF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=2048:2048"]
default_sysctls = []
[engine]
runtime_supports_json = ["crun", "runc", "gpurun"]
EOF
  r import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' "$work/home/bb.tar" localhost/bb >/dev/null
}

stop_podman_rootless() {
  r rm -fa -t 0 >/dev/null 2>&1
  r system migrate >/dev/null 2>&1
  userdel $rootless_user 2>/dev/null
  sed -i "/^$rootless_user:/d" /etc/subuid /etc/subgid
}

scenario_exec() {
  r run -d --name q1 --net none localhost/bb sleep 100 && expect 3 in r exec q1 sh -c 'echo in; exit 3'
  local status=$?
  r rm -f -t 0 q1
  return $status
}

scenarios_podman_rootless() {
  check run 0 '^hello$' "${r_run[@]}" echo hello
  check exit_code 7 '' "${r_run[@]}" sh -c 'exit 7'
  check missing_command 127 'not found' "${r_run[@]}" nosuch
  check root_inside 0 '^0$' "${r_run[@]}" id -u
  check mapped 0 "$rootless_uid" "${r_run[@]}" cat /proc/self/uid_map
  check user 0 '^1000$' r run --rm --net none -u 1000 localhost/bb id -u
  check tty 0 '/dev/' r run --rm -t --net none localhost/bb tty
  check read_only 1 'Read-only file system' r run --rm --net none --read-only localhost/bb touch /x
  check host_network 0 'lo' r run --rm --net host localhost/bb ip link
  check keep_id 0 "^$rootless_uid\$" r run --rm --net none --userns keep-id localhost/bb id -u
  scenario exec
}
