# Root file systems, bundles and containers for scripts/gpu-check; sourced by it.

# check NAME COMMAND...: one line; a failing check shows the end of what the command printed. Exit status 77: skipped, the last line says why.
check() {
  local name=$1 status
  shift
  case $name in *"$only"*) ;; *) return ;; esac
  number=$((number + 1))
  "$@" >"$work/out" 2>&1 </dev/null
  status=$?
  case $status in
    0) passed=$((passed + 1)); echo "ok $number - $name" ;;
    77) skipped=$((skipped + 1)); echo "ok $number - $name # SKIP $(tail -1 "$work/out")" ;;
    *) failed=$((failed + 1)); echo "not ok $number - $name"; tail -8 "$work/out" | cut -c1-400 | sed 's/^/#   /' ;;
  esac
}
skip() { echo "$*"; return 77; }

# make_root DIRECTORY LAYOUT: busybox, and this host's glibc where the layout's loader looks. empty: busybox alone.
make_root() {
  local to=$1/rootfs libraries library applet found loader
  mkdir -p "$to"/{bin,dev,etc,proc,sys,tmp,root,usr/bin,run}
  chmod 1777 "$to/tmp"
  cp "$busybox" "$to/bin/busybox"
  for applet in sh ls cat grep mknod head echo id mount sleep true test find wc env rm sort readlink cut stat; do ln -s busybox "$to/bin/$applet"; done
  case $2 in
    debian) libraries=$to/usr/lib/$(uname -m)-linux-gnu; echo 12.0 >"$to/etc/debian_version"; ln -s usr/lib "$to/lib" ;;
    fedora) libraries=$to/usr/lib64; echo Fedora >"$to/etc/fedora-release" ;;
    empty) return ;;
  esac
  mkdir -p "$libraries" "$to/usr/lib64"
  ln -s usr/lib64 "$to/lib64"
  loader=$(readlink -f /lib64/ld-linux-x86-64.so.2)
  cp "$loader" "$to/usr/lib64/ld-linux-x86-64.so.2"
  for library in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libstdc++.so.6 libgcc_s.so.1; do
    found=$(ldconfig -p | grep -m1 "^\s*$library (libc6,x86-64" | sed 's/.*=> //')
    [ -z "$found" ] || cp -L "$found" "$libraries/$library"
  done
  # A loader of another layout than the root's finds these by the cache, as an image's own would be.
  echo "${libraries#"$to"}" >"$to/etc/ld.so.conf"
  ldconfig -r "$to" -X 2>/dev/null
  return 0
}

# bundle NAME LAYOUT ENVIRONMENT(;-separated NAME=value) PYTHON-EDIT -- ARGUMENT...: a bundle $work/NAME with our programs in /bin.
# prepare_root, where a check defines it, gets the root's path.
bundle() {
  local name=$1 layout=$2 environment=$3 edit=$4
  shift 5
  rm -rf "${work:?}/$name"
  mkdir -p "$work/$name"
  make_root "$work/$name" "$layout"
  [ "$layout" = empty ] || cp "$work"/programs/* "$work/$name/rootfs/bin/" 2>/dev/null
  if declare -F prepare_root >/dev/null; then prepare_root "$work/$name/rootfs"; fi
  "$gpurun" spec --bundle "$work/$name"
  ENVIRONMENT=$environment EDIT=$edit python3 - "$work/$name/config.json" "$@" <<'PYTHON'
import json, os, sys
path, *arguments = sys.argv[1:]
config = json.load(open(path))
process = config["process"]
process.update(args=arguments, terminal=False)
process["env"] = ["PATH=/usr/bin:/bin:/usr/local/bin"] + [e for e in os.environ["ENVIRONMENT"].split(";") if e]
config["root"]["readonly"] = False
exec(os.environ["EDIT"])
json.dump(config, open(path, "w"))
PYTHON
}

# in_container LAYOUT ENVIRONMENT EDIT SHELL-TEXT [OPTION...]: runs it in a new container, with options for `run`.
in_container() {
  local layout=$1 environment=$2 edit=$3 text=$4
  shift 4
  bundle box "$layout" "$environment" "$edit" -- sh -c "$text" || return 1
  "$gpurun" --root "$root" run "$@" --bundle "$work/box" "gpu-check-$$-$RANDOM"
}

# in_background NAME LAYOUT ENVIRONMENT EDIT: a container that sleeps, for exec and update.
in_background() {
  bundle "$1" "$2" "$3" "$4" -- sleep 300 || return 1
  "$gpurun" --root "$root" run --detach --bundle "$work/$1" "gpu-check-$$-$1" </dev/null
}
in_it() { local name=$1; shift; "$gpurun" --root "$root" exec "gpu-check-$$-$name" "$@"; }
update_it() { local name=$1; shift; "$gpurun" --root "$root" update "$@" "gpu-check-$$-$name"; }
end_it() { "$gpurun" --root "$root" delete --force "gpu-check-$$-$1"; }

fails_with() { # TEXT COMMAND...: the command fails and says TEXT
  local text=$1
  shift
  if "$@" >"$work/said" 2>&1; then cat "$work/said"; echo "it succeeded"; return 1; fi
  cat "$work/said"
  grep -q -- "$text" "$work/said"
}
says() { # TEXT COMMAND...: the command succeeds and says TEXT
  local text=$1 status
  shift
  "$@" >"$work/said" 2>&1
  status=$?
  cat "$work/said"
  [ $status = 0 ] && grep -q -- "$text" "$work/said"
}

# with_settings TEXT COMMAND...: while TEXT is gpurun.toml
with_settings() {
  local text=$1 status
  shift
  [ ! -e "$settings" ] || [ -e "$work/settings-made" ] || { skip "$settings is there and stays as it is"; return; }
  mkdir -p "$(dirname "$settings")"
  touch "$work/settings-made"
  printf '%s\n' "$text" >"$settings"
  "$@"
  status=$?
  rm -f "$settings"
  return $status
}
