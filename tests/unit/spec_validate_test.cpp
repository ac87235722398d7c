#include <gpurun/error.h>
#include <gpurun/spec.h>

#include <boost/test/unit_test.hpp>

#include "base/text.h"

using namespace gpurun;

namespace {

struct Rule {
    std::string_view fragment;  ///< Properties of config.json beside a valid version and root, which they may replace.
    std::string_view problem;
};

std::string problem(std::string_view fragment) {
    try {
        spec::validate(
            spec::parse(R"({"ociVersion": "1.0.2", "root": {"path": "rootfs"})" + std::string(fragment) + "}", "t"));
    } catch (const Error& error) {
        return error.text();
    }
    return "none";
}

constexpr Rule general[] = {
    {R"(, "ociVersion": "1.0")", "ociVersion: expected a semantic version such as \"1.3.0\", got \"1.0\""},
    {R"(, "ociVersion": "01.0.0")", "ociVersion: expected a semantic version such as \"1.3.0\", got \"01.0.0\""},
    {R"(, "ociVersion": "1.0.0-")", "ociVersion: expected a semantic version such as \"1.3.0\", got \"1.0.0-\""},
    {R"(, "ociVersion": "1.0.0-rc.01")",
     "ociVersion: expected a semantic version such as \"1.3.0\", got \"1.0.0-rc.01\""},
    {R"(, "ociVersion": "2.0.0")", "ociVersion: expected a version 1.x, got \"2.0.0\""},
    {R"(, "ociVersion": "1.0.2-dev+exp.sha.5114f85")", "none"},
    {R"(, "root": null)", "root: expected the root file system, got nothing"},
    {R"(, "root": {"path": ""})", "root.path: expected a path, got \"\""},
    {R"(, "hostname": "h")", "hostname: unable to set hostname without a private UTS namespace"},
    {R"(, "domainname": "d")", "domainname: unable to set domainname without a private UTS namespace"},
    {R"(, "hostname": "h", "linux": {"namespaces": [{"type": "uts"}]})", "none"},
    {R"(, "hostname": "0123456789012345678901234567890123456789012345678901234567890123x", "linux": {"namespaces": [{"type": "uts"}]})",
     "hostname: expected at most 64 bytes, got 65"},
    {R"(, "annotations": {"": "x"})", "annotations: expected keys that are not empty"},
    {R"(, "mounts": [{"destination": ""}])", "mounts[0].destination: expected a path, got \"\""},
    {R"(, "mounts": [{"destination": "relative", "type": "tmpfs"}])", "none"},
    {R"(, "mounts": [{"destination": "/a"}])",
     "mounts[0]: invalid mount: expected a type such as \"tmpfs\", or the option bind or rbind, got neither"},
    {R"(, "mounts": [{"destination": "/a", "options": ["remount", "ro"]}])", "none"},
    {R"(, "mounts": [{"destination": "/a", "options": ["rbind"]}])", "mounts[0]: expected a source to bind, got none"},
    {R"(, "mounts": [{"destination": "/a", "source": "s", "options": ["rbind"]}])", "none"},
    {R"(, "mounts": [{"destination": "/a", "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}])",
     "mounts[0]: invalid mount: expected uidMappings and gidMappings together, got one of them"},
    {R"(, "hooks": {"prestart": [{"path": "a"}]})", "hooks.prestart[0].path: expected an absolute path, got \"a\""},
    {R"(, "hooks": {"poststop": [{"path": "/a"}, {"path": "/a", "timeout": 0}]})",
     "hooks.poststop[1].timeout: expected a number of seconds greater than zero, got 0"},
    {R"(, "hooks": {"createRuntime": [{"path": ""}]})",
     "hooks.createRuntime[0].path: expected an absolute path, got \"\""},
};

constexpr Rule process[] = {
    {R"("cwd": "x", "args": ["a"])", "process.cwd: expected an absolute path, got \"x\""},
    {R"("cwd": "/")", "process.args: args must not be empty"},
    {R"("cwd": "/", "args": ["a"], "rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}])",
     "process.rlimits[0].type: invalid rlimit type: \"RLIMIT_X\""},
    {R"("cwd": "/", "args": ["a"], "rlimits": [{"type": "RLIMIT_AS", "soft": 2, "hard": 1}])",
     "process.rlimits[0].soft: expected at most RLIMIT_AS's hard limit 1, got 2"},
    {R"("cwd": "/", "args": ["a"], "rlimits": [{"type": "RLIMIT_AS", "soft": 1, "hard": 1}, {"type": "RLIMIT_AS", "soft": 1, "hard": 1}])",
     "process.rlimits[1].type: duplicate rlimit RLIMIT_AS"},
    {R"("cwd": "/", "args": ["a"], "rlimits": [{"type": "RLIMIT_AS", "soft": 1, "hard": 18446744073709551615}])",
     "none"},
    {R"("cwd": "/", "args": ["a"], "user": {"uid": 4294967295, "gid": 0})",
     "process.user.uid: expected 0 to 4294967294, got 4294967295"},
    {R"("cwd": "/", "args": ["a"], "user": {"uid": 0, "gid": 0, "additionalGids": [5, 4294967295]})",
     "process.user.additionalGids[1]: expected 0 to 4294967294, got 4294967295"},
    {R"("cwd": "/", "args": ["a"], "user": {"uid": 4294967294, "gid": 0, "umask": 511})", "none"},
    {R"("cwd": "/", "args": ["a"], "user": {"uid": 0, "gid": 0, "umask": 512})",
     "process.user.umask: expected 0 to 511 (0777), got 512"},
    {R"("cwd": "/", "args": ["a"], "env": ["A=1", "B="])", "none"},
    {R"("cwd": "/", "args": ["a"], "env": ["A=1", "B"])", "process.env[1]: expected NAME=value, got \"B\""},
    {R"("cwd": "/", "args": ["a"], "oomScoreAdj": 1001)", "process.oomScoreAdj: expected -1000 to 1000, got 1001"},
    {R"("cwd": "/", "args": ["a"], "scheduler": {"policy": "SCHED_X"})",
     "process.scheduler.policy: expected one of SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE, "
     "SCHED_DEADLINE, got "
     "\"SCHED_X\""},
    {R"("cwd": "/", "args": ["a"], "scheduler": {"policy": "SCHED_OTHER", "nice": 20})",
     "process.scheduler.nice: expected -20 to 19, got 20"},
    {R"("cwd": "/", "args": ["a"], "scheduler": {"policy": "SCHED_OTHER", "priority": 1})",
     "process.scheduler.priority: can only be specified for the SCHED_FIFO or SCHED_RR policy"},
    {R"("cwd": "/", "args": ["a"], "scheduler": {"policy": "SCHED_RR", "priority": 1, "period": 1})",
     "process.scheduler: runtime, deadline and period can only be specified for the SCHED_DEADLINE policy"},
    {R"("cwd": "/", "args": ["a"], "ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 8})",
     "process.ioPriority.priority: expected 0 to 7, got 8"},
    {R"("cwd": "/", "args": ["a"], "ioPriority": {"class": "RT", "priority": 1})",
     "process.ioPriority.class: expected one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, got \"RT\""},
    {R"("cwd": "/", "args": ["a"], "execCPUAffinity": {"initial": "3-0"})",
     "process.execCPUAffinity.initial: expected a list of CPUs such as \"0-3,7\", got \"3-0\""},
    {R"("cwd": "/", "args": ["a"], "execCPUAffinity": {"final": "0-3,7"})", "none"},
    {R"("cwd": "/", "args": ["a"], "apparmorProfile": "a\nb")", "process.apparmorProfile: expected a single line"},
};

constexpr Rule linux_rules[] = {
    {R"("namespaces": [{"type": "pid"}, {"type": "uts"}, {"type": "pid"}])",
     "linux.namespaces[2]: duplicate namespace \"pid\""},
    {R"("namespaces": [{"type": "pid", "path": "x"}])",
     "linux.namespaces[0].path: expected an absolute path, got \"x\""},
    {R"("uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])",
     "linux.uidMappings: user namespace mappings specified, but user namespace isn't enabled in the config"},
    {R"("namespaces": [{"type": "user"}], "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])",
     "linux: expected uidMappings and gidMappings together, got one of them"},
    {R"("namespaces": [{"type": "user"}])", "none"},
    {R"("namespaces": [{"type": "user", "path": "/proc/1/ns/user"}])", "none"},
    {R"("namespaces": [{"type": "user"}], "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
        "uidMappings": [{"containerID": 0, "hostID": 0, "size": 0}])",
     "linux.uidMappings[0].size: expected at least 1, got 0"},
    {R"("namespaces": [{"type": "user"}], "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
        "uidMappings": [{"containerID": 0, "hostID": 10, "size": 5}, {"containerID": 5, "hostID": 14, "size": 1}])",
     "linux.uidMappings[1]: overlaps with linux.uidMappings[0]"},
    {R"("namespaces": [{"type": "user"}], "gidMappings": [{"containerID": 0, "hostID": 4294967295, "size": 2}],
        "uidMappings": [{"containerID": 0, "hostID": 10, "size": 5}])",
     "linux.gidMappings[0]: expected ids below 4294967296, got 4294967295 + 2"},
    {R"("timeOffsets": {"boottime": {"secs": 1}})",
     "linux.timeOffsets: time namespace offsets specified, but time namespace isn't enabled in the config"},
    {R"("timeOffsets": {"boottime": {"secs": 1}}, "namespaces": [{"type": "time", "path": "/x"}])",
     "linux.timeOffsets: offsets can only be set for a new time namespace, not for one that is joined"},
    {R"("timeOffsets": {"realtime": {"secs": 1}}, "namespaces": [{"type": "time"}])",
     "linux.timeOffsets[realtime]: expected the clock monotonic or boottime"},
    {R"("timeOffsets": {"boottime": {"nanosecs": 1000000000}}, "namespaces": [{"type": "time"}])",
     "linux.timeOffsets[boottime].nanosecs: expected less than 1000000000, got 1000000000"},
    {R"("devices": [{"path": "/dev/a", "type": "x"}])", "linux.devices[0].type: expected one of b, c, u, p, got \"x\""},
    {R"("devices": [{"path": "dev/a", "type": "c"}])",
     "linux.devices[0].path: expected an absolute path, got \"dev/a\""},
    {R"("devices": [{"path": "/dev/a", "type": "c", "major": -1}])",
     "linux.devices[0]: expected device numbers from 0, got -1:0"},
    {R"("devices": [{"path": "/dev/a", "type": "p", "major": -1}])", "none"},
    {R"("netDevices": {"eth0": {}})", "linux.netDevices: unable to move network devices without a NET namespace"},
    {R"("netDevices": {"a b": {}}, "namespaces": [{"type": "network"}])",
     "linux.netDevices: invalid network device name \"a b\""},
    {R"("netDevices": {"eth0": {"name": "eth%d%d"}}, "namespaces": [{"type": "network"}])",
     "linux.netDevices[eth0].name: invalid network device name \"eth%d%d\""},
    {R"("netDevices": {"eth0": {"name": "eth%d"}}, "namespaces": [{"type": "network"}])", "none"},
    {R"("rootfsPropagation": "rw")", "linux.rootfsPropagation: rootfsPropagation=rw is not supported"},
    {R"("rootfsPropagation": "rslave")", "none"},
    {R"("namespaces": [{"type": "mount"}], "maskedPaths": ["/a", "b"])",
     "linux.maskedPaths[1]: expected an absolute path, got \"b\""},
    {R"("namespaces": [{"type": "mount"}], "readonlyPaths": [""])",
     "linux.readonlyPaths[0]: expected an absolute path, got \"\""},
    {R"("personality": {"domain": "BSD"})", "linux.personality.domain: expected one of LINUX, LINUX32, got \"BSD\""},
    {R"("intelRdt": {"closID": "a/b"})", "linux.intelRdt.closID: expected a directory name or \"/\", got \"a/b\""},
    {R"("intelRdt": {"closID": "/", "schemata": ["L3:0=f", "L3:0=f\nMB:0=1"]})",
     "linux.intelRdt.schemata[1]: expected a single line"},
    {R"("memoryPolicy": {"mode": "MPOL_X", "nodes": "0"})",
     "linux.memoryPolicy.mode: invalid memory policy mode \"MPOL_X\""},
    {R"("memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]})",
     "linux.memoryPolicy.flags[0]: invalid memory policy flag \"X\""},
    {R"("memoryPolicy": {"nodes": "0-7"})", "linux.memoryPolicy.mode: invalid memory policy mode \"\""},
    {R"("memoryPolicy": {"mode": "MPOL_BIND", "nodes": "x"})",
     "linux.memoryPolicy.nodes: invalid memory policy nodes \"x\", expected a list such as \"0-3,7\""},
    {R"("memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-9876543210"})",
     "linux.memoryPolicy.nodes: invalid memory policy nodes \"0-9876543210\", expected a list such as \"0-3,7\""},
    {R"("memoryPolicy": {})", "none"},
    {R"("memoryPolicy": {"mode": "MPOL_DEFAULT", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]})",
     "none"},
    {R"("maskedPaths": ["/a"])", "linux.maskedPaths: unable to restrict sys entries without a private MNT namespace"},
    {R"("readonlyPaths": ["/a"])",
     "linux.readonlyPaths: unable to restrict sys entries without a private MNT namespace"},
};

constexpr Rule sysctl_rules[] = {
    {R"("sysctl": {"vm.swappiness": "1"})",
     "linux.sysctl[vm.swappiness]: sysctl \"vm.swappiness\" is not in a separate kernel namespace"},
    {R"("sysctl": {"net.ipv4.ip_forward": "1"})",
     "linux.sysctl[net.ipv4.ip_forward]: sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace"},
    {R"("sysctl": {"net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.1/forwarding": "1"}, "namespaces": [{"type": "network"}])",
     "none"},
    {R"("sysctl": {"fs.mqueue.msg_max": "1"}, "namespaces": [{"type": "network"}])",
     "linux.sysctl[fs.mqueue.msg_max]: sysctl \"fs.mqueue.msg_max\" is not allowed in the hosts ipc namespace"},
    {R"("sysctl": {"kernel.shm_rmid_forced": "1", "fs/mqueue/msg_max": "1"}, "namespaces": [{"type": "ipc"}])", "none"},
    {R"("sysctl": {"kernel.shm_rmid_forced2": "1"}, "namespaces": [{"type": "ipc"}])",
     "linux.sysctl[kernel.shm_rmid_forced2]: sysctl \"kernel.shm_rmid_forced2\" is not in a separate kernel namespace"},
    {R"("sysctl": {"kernel.hostname": "1"}, "namespaces": [{"type": "uts"}])",
     "linux.sysctl[kernel.hostname]: sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI "
     "\"hostname\" field"},
    {R"("sysctl": {"net.a": "1\n2"}, "namespaces": [{"type": "network"}])",
     "linux.sysctl[net.a]: expected a single line"},
    {R"("sysctl": {"net/../kernel/core_pattern": "1"}, "namespaces": [{"type": "network"}])",
     "linux.sysctl[net/../kernel/core_pattern]: expected the name of a sysctl, got \"net/../kernel/core_pattern\""},
    {R"("sysctl": {"net...kernel.core_pattern": "1"}, "namespaces": [{"type": "network"}])",
     "linux.sysctl[net...kernel.core_pattern]: expected the name of a sysctl, got \"net...kernel.core_pattern\""},
    {R"("sysctl": {"net.//.core_pattern": "1"}, "namespaces": [{"type": "network"}])",
     "linux.sysctl[net.//.core_pattern]: expected the name of a sysctl, got \"net.//.core_pattern\""},
};

constexpr Rule seccomp[] = {
    {R"("defaultAction": "SCMP_ACT_X")",
     "linux.seccomp.defaultAction: expected one of SCMP_ACT_KILL, SCMP_ACT_KILL_PROCESS, SCMP_ACT_KILL_THREAD, "
     "SCMP_ACT_TRAP, SCMP_ACT_ERRNO, "
     "SCMP_ACT_TRACE, SCMP_ACT_ALLOW, SCMP_ACT_LOG, SCMP_ACT_NOTIFY, got \"SCMP_ACT_X\""},
    {R"("defaultAction": "SCMP_ACT_NOTIFY")",
     "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action"},
    {R"("defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1)",
     "linux.seccomp.defaultErrnoRet: expected nothing, as SCMP_ACT_ALLOW has no errno, got 1"},
    {R"("defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38)", "none"},
    {R"("defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}])",
     "linux.seccomp.syscalls[0].names: expected at least one system call, got none"},
    {R"("defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}])",
     "linux.seccomp.syscalls[0].errnoRet: expected nothing, as SCMP_ACT_ALLOW has no errno, got 1"},
    {R"("defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a", "write"], "action": "SCMP_ACT_NOTIFY"}])",
     "linux.seccomp.syscalls[0]: SCMP_ACT_NOTIFY cannot be used for the write syscall"},
    {R"("defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}])",
     "linux.seccomp.syscalls[0].args[0].index: expected 0 to 5, got 6"},
    {R"("defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 5, "value": 18446744073709551615, "op": "EQ"}]}])",
     "linux.seccomp.syscalls[0].args[0].op: expected one of SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, "
     "SCMP_CMP_GE, SCMP_CMP_GT, "
     "SCMP_CMP_MASKED_EQ, got \"EQ\""},
    {R"("defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x")",
     "linux.seccomp.listenerMetadata: expected nothing without listenerPath"},
    {R"("defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_X"])",
     "linux.seccomp.flags[0]: expected one of SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG, "
     "SECCOMP_FILTER_FLAG_SPEC_ALLOW, "
     "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, got \"SECCOMP_FILTER_FLAG_X\""},
};

constexpr Rule resources[] = {
    {R"("devices": [{"allow": false, "access": "rwm"}])", "none"},
    {R"("devices": [{"allow": true, "type": "p"}])",
     "linux.resources.devices[0].type: expected one of a, b, c, got \"p\""},
    {R"("devices": [{"allow": true, "access": "rx"}])",
     "linux.resources.devices[0].access: expected some of rwm, got \"rx\""},
    {R"("devices": [{"allow": false, "type": "c", "access": "rwa"}])", "none"},
    {R"("devices": [{"allow": true, "major": -2}])",
     "linux.resources.devices[0]: expected device numbers from 0, or -1 for all"},
    {R"("memory": {"limit": 0, "swap": -1, "swappiness": 100, "kernel": 0}, "cpu": {"shares": 0}, "blockIO": {"weight": 0},
        "pids": {"limit": -1}, "network": null)",
     "none"},
    {R"("memory": {"swap": -2})",
     "linux.resources.memory.swap: expected a number of bytes, or -1 for no limit, got -2"},
    {R"("memory": {"swappiness": 101})", "linux.resources.memory.swappiness: expected 0 to 100, got 101"},
    {R"("memory": {"swappiness": 18446744073709551615})", "none"},
    {R"("cpu": {"cpus": "0\n1"})", "linux.resources.cpu.cpus: expected a single line"},
    {R"("cpu": {"idle": 2})", "linux.resources.cpu.idle: expected 0 or 1, got 2"},
    {R"("blockIO": {"weight": 9})", "linux.resources.blockIO.weight: expected 10 to 1000, got 9"},
    {R"("blockIO": {"weightDevice": [{"major": 8, "minor": 0}]})",
     "linux.resources.blockIO.weightDevice[0]: expected weight or leafWeight, got neither"},
    {R"("hugepageLimits": [{"pageSize": "2M", "limit": 1}])",
     "linux.resources.hugepageLimits[0].pageSize: expected a size such as \"2MB\" or \"1GB\", got \"2M\""},
    {R"("hugepageLimits": [{"pageSize": "64KB", "limit": 1}])", "none"},
    {R"("network": {"priorities": [{"name": "eth0 5", "priority": 1}]})",
     "linux.resources.network.priorities[0].name: expected the name of a network interface, got \"eth0 5\""},
    {R"("rdma": {"mlx5_1": {}})", "linux.resources.rdma[mlx5_1]: expected hcaHandles or hcaObjects, got neither"},
    {R"("unified": {"a/b": "x"})",
     "linux.resources.unified: unified resource \"a/b\" must be a file name (no slashes)"},
    {R"("unified": {"memory": "x"})",
     "linux.resources.unified: the specified key has not the form CONTROLLER.VALUE `memory`"},
    {R"("unified": {"io.max": "8:0 rbps=1\n8:16 rbps=1"})", "none"},
};

template <std::size_t Size>
void check(const Rule (&rules)[Size], std::string_view before, std::string_view after) {
    for (const auto& [fragment, expected] : rules) {
        BOOST_TEST_CONTEXT(fragment)
        BOOST_TEST(problem(std::string(before).append(fragment).append(after)) == expected);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(spec_validate)

BOOST_AUTO_TEST_CASE(what_is_no_valid_config_is_named) { check(general, "", ""); }
BOOST_AUTO_TEST_CASE(what_is_no_valid_process_is_named) { check(process, ", \"process\": {", "}"); }
BOOST_AUTO_TEST_CASE(what_is_no_valid_linux_part_is_named) { check(linux_rules, ", \"linux\": {", "}"); }
BOOST_AUTO_TEST_CASE(sysctls_that_are_not_the_containers_are_refused) { check(sysctl_rules, ", \"linux\": {", "}"); }
BOOST_AUTO_TEST_CASE(what_is_no_valid_seccomp_profile_is_named) {
    check(seccomp, ", \"linux\": {\"seccomp\": {", "}}");
}
BOOST_AUTO_TEST_CASE(what_is_no_valid_resource_is_named) { check(resources, ", \"linux\": {\"resources\": {", "}}"); }

BOOST_AUTO_TEST_CASE(a_config_without_process_or_linux_is_valid) { BOOST_TEST(problem("") == "none"); }

BOOST_AUTO_TEST_CASE(the_first_separator_decides_how_a_sysctl_is_read) {
    BOOST_TEST(spec::sysctl_path("net.ipv4.conf.eth0/100.forwarding") == "net/ipv4/conf/eth0.100/forwarding");
    BOOST_TEST(spec::sysctl_path("net/ipv4/conf/eth0.100/forwarding") == "net/ipv4/conf/eth0.100/forwarding");
    BOOST_TEST(spec::sysctl_path("kernel.sem") == "kernel/sem");
}

BOOST_AUTO_TEST_SUITE_END()
