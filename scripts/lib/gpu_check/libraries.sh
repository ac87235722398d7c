# The loader's cache and the image's own CUDA libraries; sourced by scripts/gpu-check.

cache_lists() { # LAYOUT FOLDER: the host's ldconfig reads the container's cache
  in_container "$1" $all "" true || return 1
  ldconfig -p -C "$work/box/rootfs/etc/ld.so.cache" | grep -E 'libcuda.so.1 |libnvidia-ml.so.1 |libcuda.so '
  ldconfig -p -C "$work/box/rootfs/etc/ld.so.cache" | grep -q "libcuda.so.1 .*=> $2/libcuda.so.1"
}
check "debian root: the cache lists libcuda.so.1 in the multiarch directory" cache_lists debian /usr/lib/x86_64-linux-gnu
check "fedora root: the cache lists libcuda.so.1 in /usr/lib64" cache_lists fedora /usr/lib64
check "empty root: a cache of the driver's libraries alone" cache_lists empty /usr/lib64
# Ubuntu's ldconfig is a script around ldconfig.real.
prepare_root() { cp -L /sbin/ldconfig "$1/bin/ldconfig"; [ ! -e /sbin/ldconfig.real ] || cp -L /sbin/ldconfig.real "$1/bin/ldconfig"; }
check "an ldconfig in the container keeps the driver's libraries" with_cuda says "$right_sum" in_container debian $all "" "ldconfig && cuda-check"
unset -f prepare_root

# A libcuda of the image's own, newer or older by name: what it is does not matter, only which one the loader takes.
compat_root() { # VERSION
  echo 'int cuInit(unsigned f) { return (int)f; }' >"$work/compat.c"
  "$compiler" -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$work/libcompat.so" "$work/compat.c" || return 1
  eval "prepare_root() { mkdir -p \"\$1/usr/local/cuda-99.0/compat\" && ln -s cuda-99.0 \"\$1/usr/local/cuda\" && cp '$work/libcompat.so' \"\$1/usr/local/cuda-99.0/compat/libcuda.so.$1\" && ln -s libcuda.so.$1 \"\$1/usr/local/cuda-99.0/compat/libcuda.so.1\"; }"
}
compat() { # VERSION OWNER
  compat_root "$1" || return 1
  says "$2" in_container debian $all "" "probe owner libcuda.so.1"
  local status=$?
  unset -f prepare_root
  return $status
}
geforce=$("$smi" --query-gpu=name --format=csv,noheader | grep -cE 'GeForce|TITAN')
if [ "$geforce" = 0 ]; then
  check "compat: the image's newer libcuda is taken" with_probe compat 999.99.99 "/usr/local/cuda.*/compat/libcuda.so.1"
else
  check "compat: the image's newer libcuda is not taken on a GeForce" with_probe compat 999.99.99 "x86_64-linux-gnu/libcuda.so.1"
fi
check "compat: the image's older libcuda is not" with_probe compat 100.1.1 "x86_64-linux-gnu/libcuda.so.1"
check "compat: switched off by cuda-compat = false" with_probe with_settings $'[gpu]\ncuda-compat = false' compat 999.99.99 "x86_64-linux-gnu/libcuda.so.1"
