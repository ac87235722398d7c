# Namespaces for one engine, so that engines run at the same time and leave nothing on the machine; sourced. Needs $work, $cgroups.

# enter_namespaces: makes them; inside COMMAND... runs in them. Their /run and /dev/shm are empty, and what is written to /etc and /usr/local
# stays there.
enter_namespaces() {
  # The pid namespace's init reaps what the daemons' deaths orphan, and nothing outlives it.
  unshare --mount --net --ipc --pid --fork --kill-child --mount-proc tini -s -- sh -c 'exec sleep infinity' 2>/dev/null &
  holder=$!
  until init=$(pgrep -P $holder); do sleep 0.05; done
  echo "$init" >"$work/init"
  enter=(nsenter -t "$init" -m -n -i -p)
  mkdir -p "$work/etc" "$work/etc-work" "$work/local" "$work/local-work"
  inside sh -ec "
    mount --make-rshared /
    ip link set lo up
    mount -t tmpfs -o mode=755 tmpfs /run
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mkdir -p /run/lock /run/netns
    mount -t overlay -o lowerdir=/etc,upperdir=$work/etc,workdir=$work/etc-work overlay /etc
    mount -t overlay -o lowerdir=/usr/local,upperdir=$work/local,workdir=$work/local-work overlay /usr/local
    rm -rf /etc/docker /etc/containerd /etc/cdi /etc/gpurun /etc/nvidia-container-runtime"
}

inside() { "${enter[@]}" "$@"; }

# leave_namespaces: the end of a pid namespace's first process is the end of all.
leave_namespaces() {
  kill -9 "$init" 2>/dev/null
  wait "$holder" 2>/dev/null
  find /sys/fs/cgroup -depth -type d -path "*/$cgroups*" -exec rmdir {} + 2>/dev/null
}
