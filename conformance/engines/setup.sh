# `gpurun setup`: the engines' own configuration files in /etc, and after it a container each; sourced by run.

gpurun_only=true
. "$here/podman.sh"
. "$here/cri.sh"
start_setup() { mkdir -p "$work/before"; }
stop_setup() { :; } # its daemons were started by scenarios and end with the namespace

s() { inside "$runtime" setup "$@"; }
# file_is FILE PATTERN: it matches, read as a whole.
file_is() { inside cat "$1" | tr '\n' ' ' | grep -qE -- "$2" || { echo "$1 is:"; inside cat "$1"; return 1; }; }
in_etc() { inside sh -c "mkdir -p /etc/$(dirname "$1"); cat >/etc/$1" ; }
same_after_again() {
  local before
  before=$(inside cat "$2" | sha256sum)
  expect 0 'as wanted already' s "$1" "${@:3}" && [ "$before" = "$(inside cat "$2" | sha256sum)" ]
}

scenario_docker_daemon() {
  # The daemon reads /etc/docker/daemon.json, which setup makes beside a setting of the administrator's.
  echo '{"log-driver": "json-file"}' | in_etc docker/daemon.json
  expect 0 'systemctl restart docker' s docker --default && same_after_again docker /etc/docker/daemon.json --default &&
    file_is /etc/docker/daemon.json '"log-driver": "json-file"' && inside test -e /usr/local/bin/nvidia-container-runtime-hook || return
  inside cp /etc/docker/daemon.json "$work/daemon.json"
  start_daemon && load_images && expect 0 '^gpurun$' d info -f '{{.DefaultRuntime}}' && expect 0 'hello' run_with -- echo hello &&
    expect 0 'hello' run_with --runtime runc -- echo hello
}
scenario_docker_default_after_restart() {
  d run -d --name old --net none --runtime runc bb sleep 1000 && s docker --remove && expect 1 '' inside test -e /usr/local/bin/nvidia-container-runtime-hook &&
    file_is /etc/docker/daemon.json '^\{"log-driver": "json-file"\} $' && d rm -f old
}
scenario_docker_bad_file() {
  printf '{\n  // a comment\n  "debug": true\n}\n' | in_etc docker/daemon.json
  local before
  before=$(inside sha256sum /etc/docker/daemon.json)
  expect 1 'daemon.json:2' s docker && [ "$before" = "$(inside sha256sum /etc/docker/daemon.json)" ]
}
scenario_docker_dry_run() {
  inside rm -f /etc/docker/daemon.json
  expect 0 '"default-runtime": "gpurun"' s docker --default --dry-run && expect 1 '' inside test -e /etc/docker/daemon.json
}
scenario_containerd_cri() {
  # The file that start_cri writes knows a runtime "rt"; setup adds gpurun and makes it the default.
  inside containerd config default | sed "s,/var/lib/containerd,$work/ctrd-root,; s,/run/containerd,$work/ctrd-state,; s,restrict_oom_score_adj = false,restrict_oom_score_adj = true,; s,sandbox_image = .*,sandbox_image = \"docker.io/library/bb:latest\",; s,$work/ctrd-state/containerd.sock,$work/ctrd.sock," | in_etc containerd/config.toml
  expect 0 'systemctl restart containerd' s containerd --default && same_after_again containerd /etc/containerd/config.toml --default || return
  inside containerd -c /etc/containerd/config.toml >>"$work/ctrd.log" 2>&1 &
  containerd_job=$!
  eventually 60 k version && inside ctr -a "$work/ctrd.sock" -n k8s.io image import "$work/bb-docker.tar" &&
    in_pod s1 --host-network -- finished 0 'ran' -- echo ran && in_pod s2 --host-network --handler gpurun -- finished 0 'ran' -- echo ran &&
    grep -q "starting.*gpurun\|BinaryName:$runtime" "$work/ctrd.log"
}
scenario_containerd_remove() {
  inside cp /etc/containerd/config.toml "$work/before/config.toml"
  s containerd --remove && expect 1 '' inside grep runtimes.gpurun /etc/containerd/config.toml && inside containerd -c /etc/containerd/config.toml config dump >/dev/null 2>&1
}
scenario_containerd_bad_file() {
  echo 'version = [' | in_etc containerd/config.toml
  expect 1 'config.toml:[12]: this is not TOML' s containerd && file_is /etc/containerd/config.toml '^version = \[ $'
}
scenario_podman_default() {
  s podman --default && same_after_again podman /etc/containers/containers.conf.d/99-gpurun.conf --default &&
    expect 0 'gpurun' inside podman --root "$work/pod" --runroot "$work/r" info -f '{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}' || return
  printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=2048:2048"]\n' | in_etc containers/containers.conf
  local podman=(inside podman --root "$work/pod" --runroot "$work/r" --cgroup-manager cgroupfs --events-backend file)
  "${podman[@]}" import "$work/bb.tar" localhost/bb && expect 0 '^hello$' "${podman[@]}" run --rm --net none localhost/bb /bin/echo hello &&
    expect 127 'not found' "${podman[@]}" run --rm --net none localhost/bb nosuch && s podman --remove &&
    expect 1 '' inside test -e /etc/containers/containers.conf.d/99-gpurun.conf
}
scenario_crio_file() {
  # CRI-O is not in Debian 12: the file is checked, not the daemon.
  s crio --default && file_is /etc/crio/crio.conf.d/99-gpurun.conf 'default_runtime = "gpurun".*runtime_path = "/' && same_after_again crio /etc/crio/crio.conf.d/99-gpurun.conf --default &&
    s crio --remove && expect 1 '' inside test -e /etc/crio/crio.conf.d/99-gpurun.conf
}
scenario_foreign_drop_in() {
  echo '[engine]' | in_etc containers/containers.conf.d/99-gpurun.conf
  expect 1 'not written by gpurun setup' s podman && file_is /etc/containers/containers.conf.d/99-gpurun.conf '^\[engine\] $'
}

scenarios_setup() {
  local name
  for name in docker_daemon docker_default_after_restart docker_bad_file docker_dry_run containerd_cri containerd_remove containerd_bad_file podman_default \
    crio_file foreign_drop_in; do scenario $name; done
}
