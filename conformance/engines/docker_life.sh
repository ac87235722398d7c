# Docker: containers that live longer than one command, and what is done to them; sourced by run.

start_docker_life() { start_docker; }
stop_docker_life() { stop_docker; }

# text COMMAND...: as words for another shell.
text() { printf '%q ' "$@"; }
is() { prints "^$3\$" d inspect -f "{{$2}}" "$1"; }

scenario_detached_logs_stop() {
  d run -d --name s1 --net none bb sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 0.1; done' && eventually 10 prints up d logs s1 &&
    d stop -t 5 s1 && expect 0 '^5$' d inspect -f '{{.State.ExitCode}}' s1 && d rm s1
}
scenario_stop_signal() {
  d run -d --name s2 --net none --stop-signal USR1 bb sh -c 'trap "exit 6" USR1; echo up; while :; do sleep 0.1; done' &&
    eventually 10 prints up d logs s2 && d stop -t 5 s2 && expect 0 '^6$' d inspect -f '{{.State.ExitCode}}' s2 && d rm s2
}
scenario_stop_times_out() { with_container s3 -- d stop -t 1 s3 && expect 1 'No such' d inspect s3; }
scenario_kill_signal() { d run -d --name s4 --net none bb sleep 100 && d kill -s KILL s4 && expect 0 '^137$' d wait s4 && d rm s4; }
scenario_kill_stopped() { d run --name s5 --net none bb true && expect 1 'is not running' d kill s5 && d rm s5; }
scenario_rm_force() { d run -d --name s6 --net none bb sleep 100 && d rm -f s6 && expect 1 'No such' d inspect s6; }
exec_steps() {
  expect 7 in d exec s7 sh -c 'echo in; exit 7' && expect 0 '^1000$' d exec -u 1000 s7 id -u &&
    expect 0 '^x /tmp$' d exec -e V=x -w /tmp s7 sh -c 'echo $V $PWD' && expect 0 '/dev/pts/0' d exec -t s7 tty &&
    expect 0 '^typed$' sh -c "echo typed | $(text "${enter[@]}" "${docker[@]}" exec -i s7 cat)"
}
scenario_exec() { with_container s7 -- exec_steps; }
scenario_exec_privileged() { with_container s8 -- expect 0 'CapEff:.00000(03|1f)ff[ef]ffffff' d exec --privileged s8 grep CapEff /proc/self/status; }
scenario_exec_seccomp() { with_container s9 -- expect 1 'not permitted' d exec s9 unshare -U true; }
scenario_exec_detached() { with_container s10 -- exec_detached_steps; }
exec_detached_steps() { d exec -d s10 touch /tmp/made && eventually 10 d exec s10 ls /tmp/made; }
pause_steps() {
  d pause s11 && is s11 .State.Status paused && expect 1 'is paused' d exec s11 true && d unpause s11 && expect 0 '' d exec s11 true
}
scenario_pause() { with_container s11 -- pause_steps; }
scenario_stop_paused() { with_container s12 -- sh -c "$(text "${enter[@]}" "${docker[@]}" pause s12) && $(text "${enter[@]}" "${docker[@]}" kill s12)"; }
update_steps() {
  d update -m 96m --memory-swap 96m --pids-limit 50 --cpus 0.5 --cpu-shares 300 --cpuset-cpus 0 s13 &&
    expect 0 '^100663296$' d exec s13 cat /sys/fs/cgroup/memory/memory.limit_in_bytes && expect 0 '^50$' d exec s13 cat /sys/fs/cgroup/pids/pids.max &&
    expect 0 '^50000$' d exec s13 cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us && expect 0 '^300$' d exec s13 cat /sys/fs/cgroup/cpu/cpu.shares &&
    expect 0 '^0$' d exec s13 cat /sys/fs/cgroup/cpuset/cpuset.cpus && expect 0 '' d exec s13 sh -c 'echo >/dev/null'
}
scenario_update() { with_container s13 -m 64m -- update_steps; }
scenario_stats() { with_container s14 -m 64m -- expect 0 's14.*64MiB' d stats --no-stream s14; }
top_steps() { d exec -d s15 sleep 77 && expect 0 'sleep 1000' d top s15 && eventually 5 prints 'sleep 77' d top s15 -o pid,args; }
scenario_top() { with_container s15 -- top_steps; }
scenario_restart_on_failure() { d run -d --name s16 --net none --restart on-failure:2 bb sh -c 'exit 3' && eventually 20 is s16 .RestartCount 2 && d rm -f s16; }
always_steps() { inside kill -9 "$(d inspect -f '{{.State.Pid}}' s17)" && eventually 20 is s17 .RestartCount 1 && eventually 10 is s17 .State.Running true; }
scenario_restart_always() { with_container s17 --restart always -- always_steps; }
scenario_restart() { with_container s18 -- sh -c "$(text "${enter[@]}" "${docker[@]}" restart -t 0 s18) && $(text "${enter[@]}" "${docker[@]}" exec s18 true)"; }
scenario_restart_missing_command() {
  # A command that isn't there must not be started again and again.
  expect 127 'not found' d run --name s19 --net none --restart always bb nosuch && is s19 .RestartCount 0 && d rm -f s19
}
scenario_healthcheck() { with_container s20 --health-cmd 'test -e /bin/sh' --health-interval 1s -- eventually 20 is s20 .State.Health.Status healthy; }
scenario_healthcheck_fails() { with_container s21 --health-cmd 'exit 1' --health-interval 1s --health-retries 2 -- eventually 20 is s21 .State.Health.Status unhealthy; }
scenario_create_start() { d create --name s22 --net none bb echo started && expect 0 started d start -a s22 && expect 0 started d start -a s22 && d rm s22; }
scenario_oom_is_told() { expect 137 '' d run --name s23 --net none -m 16m --memory-swap 16m bb dd if=/dev/zero of=/dev/null bs=128M count=1 && is s23 .State.OOMKilled true && d rm s23; }
shared_steps() {
  expect 0 'sleep 1000' run_with --pid container:s24 --ipc container:s24 -- ps &&
    expect 0 "$(d exec s24 readlink /proc/self/ns/net | tr -d 'net:[]')" d run --rm --net container:s24 bb readlink /proc/self/ns/net &&
    expect 0 '^v1$' run_with --volumes-from s24 -- cat /shared/f
}
scenario_shared_namespaces() { with_container s24 --ipc shareable -v "$work/shared:/shared" -- shared_steps; }
scenario_network() {
  d network create n1 && d run -d --name s25 --net n1 bb sh -c 'while :; do echo served | nc -l -p 80; done' &&
    eventually 15 prints '^served$' d run --rm --net n1 bb nc -w 2 s25 80
  local status=$?
  d rm -f s25
  d network rm n1
  return $status
}
propagation_steps() {
  inside mkdir -p "$work/vol/sub" && inside mount -t tmpfs tmpfs "$work/vol/sub" && expect 0 '/v/sub' d exec s26 mount
}
scenario_volume_slave() {
  mkdir -p "$work/vol"
  inside mount --bind "$work/vol" "$work/vol" && inside mount --make-rshared "$work/vol" && with_container s26 -v "$work/vol:/v:rslave" -- propagation_steps
  local status=$?
  inside umount -R "$work/vol"
  return $status
}
scenario_volume_shared() {
  mkdir -p "$work/vol2/sub"
  inside mount --bind "$work/vol2" "$work/vol2" && inside mount --make-rshared "$work/vol2" &&
    d run --rm --net none --privileged -v "$work/vol2:/v:rshared" bb mount -t tmpfs tmpfs /v/sub && inside mountpoint -q "$work/vol2/sub"
  local status=$?
  inside umount -R "$work/vol2"
  return $status
}
commit_steps() {
  d exec s27 touch /mark && d commit s27 bb2 && expect 0 /mark d run --rm --net none bb2 ls /mark && d cp s27:/etc/passwd "$work/copied" &&
    grep -q root "$work/copied" && d cp "$work/copied" s27:/tmp/back && expect 0 root d exec s27 cat /tmp/back && expect 0 'A /mark' d diff s27
}
scenario_commit_cp_diff() { with_container s27 -- commit_steps; }
scenario_build() {
  mkdir -p "$work/build"
  printf 'FROM bb\nRUN echo built >/made\nUSER 1000\nRUN id -u >/tmp/id\nCMD cat /made /tmp/id\n' >"$work/build/Dockerfile"
  d build -q -t made --network none "$work/build" && expect 0 'built' d run --rm --net none made
}
scenario_events() { with_container s29 -- true && expect 0 'container die' d events --since 1m --until 0s --filter event=die; }
scenario_checkpoint() { with_container s30 -- checkpoint_steps; }
checkpoint_steps() { d checkpoint create --leave-running s30 c1 && is s30 .State.Running true; }

scenarios_docker_life() {
  mkdir -p "$work/shared"
  echo v1 >"$work/shared/f"
  local name
  for name in detached_logs_stop stop_signal stop_times_out kill_signal kill_stopped rm_force exec exec_privileged exec_seccomp exec_detached \
    pause stop_paused update stats top restart_on_failure restart_always restart restart_missing_command healthcheck healthcheck_fails \
    create_start oom_is_told shared_namespaces network volume_slave volume_shared commit_cp_diff build events checkpoint; do
    scenario $name
  done
  d run -d --name e1 --net none bb sleep 1000 >/dev/null
  check exec_missing '!0' 'executable file not found' d exec e1 nosuch
  check exec_missing_path '!0' 'no such file' d exec e1 /no/such
  check exec_not_executable 126 'permission denied' d exec e1 /etc/passwd
  check exec_bad_workdir '!0' 'no such file' d exec -w /no/such e1 true
  check exec_bad_user '!0' 'unable to find user' d exec -u nosuch e1 true
  d rm -f e1 >/dev/null
}
