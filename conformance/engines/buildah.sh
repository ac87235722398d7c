# Buildah: run and bud; sourced by run.

b() { inside env CONTAINERS_CONF="$work/containers.conf" BUILDAH_RUNTIME="$runtime" buildah --root "$work/bld" --runroot "$work/bldrun" "$@"; }

start_buildah() {
  printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=2048:2048"]\n' >"$work/containers.conf"
  mkdir -p "$work/context"
  cp "$work/bb.tar" "$work/context/"
  printf 'FROM scratch\nADD bb.tar /\nENV PATH=/bin\nRUN echo built > /made && id -u\nRUN cat /made\n' >"$work/context/Containerfile"
  buildah_container=$(b from scratch)
  b add -q "$buildah_container" "$work/bb.tar" / >/dev/null
  b config --env PATH=/bin "$buildah_container"
}

stop_buildah() { b rm -a >/dev/null 2>&1; }

b_run() { b run --runtime "$runtime" --network none "$buildah_container" -- "$@"; }

scenarios_buildah() {
  check run 0 '^hello' b_run echo hello
  check exit_code 7 '' b_run sh -c 'exit 7'
  check missing_command '!0' 'not found' b_run nosuch
  check not_executable '!0' 'permission denied' b_run /etc/passwd
  check volume 0 '^root' b run --runtime "$runtime" --network none -v "$work/rootfs/etc:/d:ro" "$buildah_container" -- cat /d/passwd
  check build 0 'built' b bud --runtime "$runtime" --network none -t localhost/made "$work/context"
}
