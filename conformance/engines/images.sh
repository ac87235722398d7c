# Images made from busybox-static, offline; sourced. make_images DIRECTORY: writes bb.tar (a root file system) there.

make_images() {
  local rootfs=$1/rootfs
  mkdir -p "$rootfs"/{bin,etc,root,tmp,proc,sys,dev,data}
  cp /bin/busybox "$rootfs/bin/busybox"
  local applet
  for applet in $(/bin/busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$rootfs/bin/$applet"; done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$rootfs/etc/passwd"
  echo 'user:x:1000:1000:user:/:/bin/sh' >>"$rootfs/etc/passwd"
  printf 'root:x:0:\nuser:x:1000:\n' >"$rootfs/etc/group"
  echo 'not a program' >"$rootfs/bin/garbage"
  chmod 755 "$rootfs/bin/garbage"
  chmod 1777 "$rootfs/tmp"
  tar -C "$rootfs" -cf "$1/bb.tar" .
}
