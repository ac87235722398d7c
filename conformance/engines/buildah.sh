# Buildah: run and bud; sourced by run.

b() { inside env CONTAINERS_CONF="$work/containers.conf" BUILDAH_RUNTIME="$runtime" buildah --root "$work/bld" --runroot "$work/bldrun" "$@"; }

start_buildah() {
  printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=2048:2048"]\n' >"$work/containers.conf"
  mkdir -p "$work/context"
  cp "$work/bb.tar" "$work/context/"
  printf 'FROM scratch\nADD bb.tar /\nENV PATH=/bin\nRUN echo built > /made && id -u\nUSER 1000\nRUN cat /made; id -u\n' >"$work/context/Containerfile"
  printf 'FROM scratch\nADD bb.tar /\nENV PATH=/bin\nRUN exit 9\n' >"$work/context/Failing"
  buildah_container=$(b from scratch)
  b add -q "$buildah_container" "$work/bb.tar" / && b config --env PATH=/bin "$buildah_container"
}

stop_buildah() { b rm -a >/dev/null 2>&1; }

b_run() { local options=(); while [ "$1" != -- ]; do options+=("$1"); shift; done; shift; b run --runtime "$runtime" --network none "${options[@]}" "$buildah_container" -- "$@"; }

scenarios_buildah() {
  check run 0 '^hello' b_run -- echo hello
  check exit_code 7 '' b_run -- sh -c 'exit 7'
  check missing_command '!0' 'not found' b_run -- nosuch
  check not_executable '!0' 'permission denied' b_run -- /etc/passwd
  check tty 0 '/dev/' b_run -t -- tty
  check user 0 '^1000$' b_run --user 1000 -- id -u
  check workdir 0 '^/tmp$' b_run --workingdir /tmp -- pwd
  check cap_drop 0 'CapEff' b_run --cap-drop CAP_CHOWN -- grep CapEff /proc/self/status
  check hostname 0 '^box$' b_run --hostname box -- hostname
  check host_pid 0 'sleep infinity' b_run --pid host -- ps
  check volume 0 '^root' b_run -v "$work/rootfs/etc:/d:ro" -- cat /d/passwd
  check kept_files 0 '^kept$' sh -c "$(printf '%q ' "${enter[@]}" env CONTAINERS_CONF="$work/containers.conf" buildah --root "$work/bld" --runroot "$work/bldrun" run --runtime "$runtime" --network none "$buildah_container" --) sh -c 'echo kept >/f; cat /f'"
  check build 0 'built' b bud --runtime "$runtime" --network none -t localhost/made "$work/context"
  check build_fails '!0' 'exit status 9' b bud --runtime "$runtime" --network none -f "$work/context/Failing" "$work/context"
}
