# Debian packages that the scripts need; sourced. Nothing is asked of apt while all are there, so a second run works offline.

build_packages=(build-essential meson ninja-build pkg-config git ccache musl-dev linux-libc-dev libseccomp-dev libsystemd-dev libcap-dev libyajl-dev
  libyaml-dev libmnl-dev libfmt-dev libtomlplusplus-dev criu libprotobuf-c-dev)
test_packages=(libboost-test-dev clang-format codespell mandoc python3 busybox-static iproute2 procps util-linux uidmap fuse-overlayfs)
# The conformance suite is a Go module; any go command will do.
command -v go >/dev/null || test_packages+=(golang-go ca-certificates)
engine_packages=(docker.io containerd podman buildah runc conmon iptables containernetworking-plugins uidmap tini busybox-static iproute2
  procps bsdutils docker-compose python3 python3-grpcio)

# missing_packages NAME...: prints those that are not installed.
missing_packages() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null)" = "ii " ] || printf '%s\n' "$name"
  done
}

# as_root COMMAND...: runs it as root, by sudo where that is needed and there.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    echo "needs root, and there is no sudo: run as root: $*" >&2
    return 1
  fi
}

# install_packages NAME...: installs what is missing.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [ ${#missing[@]} = 0 ]; then return 0; fi
  echo "installing: ${missing[*]}"
  as_root apt-get update -qq || echo "apt-get update failed; trying with the lists that are there"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}
