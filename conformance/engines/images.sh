# Images made from busybox-static, offline; sourced.

# make_rootfs DIRECTORY: busybox with its applets, two users and programs that can't run.
make_rootfs() {
  local applet
  mkdir -p "$1"/{bin,etc,root,tmp,proc,sys,dev,data}
  cp /bin/busybox "$1/bin/busybox"
  for applet in $(/bin/busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"; done
  printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n' >"$1/etc/passwd"
  printf 'root:x:0:\nuser:x:1000:\n' >"$1/etc/group"
  echo 'not a program' >"$1/bin/garbage"
  printf '#!/no/such/loader\n' >"$1/bin/no-loader"
  # A program of another processor: 183 is AArch64, 62 x86-64.
  printf '\177ELF\002\001\001\0\0\0\0\0\0\0\0\0\002\0\267\0\001\0\0\0' >"$1/bin/foreign"
  head -c 200 /dev/zero >>"$1/bin/foreign"
  chmod 755 "$1/bin/garbage" "$1/bin/no-loader" "$1/bin/foreign"
  chmod 1777 "$1/tmp"
}

# docker_archive DIRECTORY: a Docker archive for ctr of bb.tar there: one layer, a config and a manifest.
docker_archive() {
  local archive=$1/archive layer
  mkdir -p "$archive"
  cp "$1/bb.tar" "$archive/layer.tar"
  layer=$(sha256sum "$archive/layer.tar" | cut -d' ' -f1)
  echo '{"architecture":"'"$(dpkg --print-architecture)"'","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sleep","100000"]},"rootfs":{"type":"layers","diff_ids":["sha256:'"$layer"'"]}}' >"$archive/config.json"
  echo '[{"Config":"config.json","RepoTags":["docker.io/library/bb:latest"],"Layers":["layer.tar"]}]' >"$archive/manifest.json"
  tar -C "$archive" -cf "$1/bb-docker.tar" .
}

# make_images DIRECTORY: bb.tar, a root file system; bad.tar, one where links are in the way; bb-docker.tar, for ctr.
make_images() {
  make_rootfs "$1/rootfs"
  tar -C "$1/rootfs" -cf "$1/bb.tar" .
  docker_archive "$1"
  mkdir "$1/bad"
  cp -r "$1/rootfs/bin" "$1/bad/"
  mkdir "$1/bad/elsewhere"
  ln -s elsewhere "$1/bad/proc"
  ln -s /etc/nowhere "$1/bad/dev"
  ln -s ../../../../../../etc "$1/bad/etc"
  tar -C "$1/bad" -cf "$1/bad.tar" .
}
