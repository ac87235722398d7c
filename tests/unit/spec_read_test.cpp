#include <gpurun/error.h>
#include <gpurun/spec.h>
#include <sched.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "base/text.h"

using namespace gpurun;

namespace {

/// A config.json for one test.
class ConfigFile {
 public:
    explicit ConfigFile(const std::string& text) {
        const int file = ::mkstemp(path_.data());
        BOOST_REQUIRE(file >= 0);
        BOOST_REQUIRE(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        ::close(file);
    }
    ~ConfigFile() { ::unlink(path_.c_str()); }
    const std::string& path() const { return path_; }

 private:
    std::string path_ = "/tmp/gpurun-config-XXXXXX";
};

std::string problem_of_reading(const std::string& text) {
    const ConfigFile file(text);
    try {
        spec::read(file.path());
    } catch (const Error& error) {
        const std::string message = error.text();
        return message.starts_with(file.path()) ? message.substr(file.path().size()) : message;
    }
    return "none";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(spec_read)

BOOST_AUTO_TEST_CASE(an_invalid_value_is_found_in_the_text) {
    BOOST_TEST(problem_of_reading(
                   "{\"ociVersion\": \"1.0.0\",\n \"root\": {\"path\": \"r\"},\n \"process\": {\n  \"cwd\": \"x\"}}") ==
               ":4:10: process.cwd: expected an absolute path, got \"x\"");
    BOOST_TEST(problem_of_reading("{\"ociVersion\": \"1.0.0\",\n \"root\": {\"path\": \"r\"}, \"linux\": {\"sysctl\": "
                                  "{\"net.a\":\n\"1\"}}}") ==
               ":3:1: linux.sysctl[net.a]: sysctl \"net.a\" not allowed in host network namespace");
}

BOOST_AUTO_TEST_CASE(a_sysctl_is_refused_when_the_network_namespace_that_is_joined_is_the_hosts) {
    BOOST_TEST(
        problem_of_reading(
            "{\"ociVersion\": \"1.0.0\", \"root\": {\"path\": \"r\"}, \"linux\": {\"sysctl\": {\"net/a\": \"1\"},\n"
            "\"namespaces\": [{\"type\": \"network\", \"path\": \"/proc/self/ns/net\"}]}}") ==
        ":1:78: linux.sysctl[net/a]: sysctl \"net/a\" not allowed in host network namespace");
}

BOOST_AUTO_TEST_CASE(a_wrong_type_is_found_in_the_text) {
    BOOST_TEST(
        problem_of_reading("{\"ociVersion\": \"1.0.0\",\n\"root\": {\"path\": \"r\", \"readonly\": \"true\"}}") ==
        ":2:35: root.readonly: expected boolean, got string \"true\"");
    BOOST_TEST(
        problem_of_reading("{\"ociVersion\": \"1.0.0\", \"linux\": {\"namespaces\": [{\"type\": \"netwrk\"}]}}") ==
        ":1:59: linux.namespaces[0].type: expected one of pid, network, mount, ipc, uts, user, cgroup, time, got "
        "\"netwrk\"");
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_named) {
    BOOST_CHECK_EXCEPTION(spec::read("/nonexistent/config.json"), Error, [](const Error& error) {
        return error.code == ENOENT && error.message.find("/nonexistent/config.json") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(all_properties_survive_writing_and_reading) {
    const std::string text =
        R"({"ociVersion":"1.3.0","process":{"terminal":true,"consoleSize":{"height":25,"width":80},"user":{"uid":1,"gid":2,"umask":18,)"
        R"("additionalGids":[3]},"args":["sh"],"commandLine":"c","env":["A=b"],"cwd":"/","capabilities":{"bounding":["CAP_KILL"],)"
        R"("effective":["CAP_KILL"],"inheritable":["CAP_KILL"],"permitted":["CAP_KILL"],"ambient":["CAP_KILL"]},)"
        R"("rlimits":[{"type":"RLIMIT_AS","hard":18446744073709551615,"soft":0}],"noNewPrivileges":true,"apparmorProfile":"p",)"
        R"("oomScoreAdj":0,"scheduler":{"policy":"SCHED_DEADLINE","nice":1,"flags":["SCHED_FLAG_RECLAIM"],"runtime":1,)"
        R"("deadline":2,"period":3},"selinuxLabel":"l","ioPriority":{"class":"IOPRIO_CLASS_BE","priority":0},)"
        R"("execCPUAffinity":{"initial":"0","final":"1"}},"root":{"path":"rootfs","readonly":true},"hostname":"h","domainname":"d",)"
        R"("mounts":[{"destination":"/a","type":"bind","source":"/b","options":["rbind"],)"
        R"("uidMappings":[{"containerID":0,"hostID":1,"size":2}],"gidMappings":[{"containerID":0,"hostID":1,"size":2}]}],)"
        R"("hooks":{"prestart":[{"path":"/h","args":["h"],"env":[],"timeout":5}],"createRuntime":[{"path":"/h"}],)"
        R"("createContainer":[{"path":"/h"}],"startContainer":[{"path":"/h"}],"poststart":[{"path":"/h"}],"poststop":[{"path":"/h"}]},)"
        R"("annotations":{"a/b":"c"},"linux":{"uidMappings":[{"containerID":0,"hostID":1,"size":2}],)"
        R"("gidMappings":[{"containerID":0,"hostID":1,"size":2}],"sysctl":{"net.a":"1"},"resources":{)"
        R"("devices":[{"allow":false,"type":"c","major":1,"minor":-1,"access":"rwm"}],"memory":{"limit":1,"reservation":2,"swap":-1,)"
        R"("kernel":3,"kernelTCP":4,"swappiness":0,"disableOOMKiller":false,"useHierarchy":true,"checkBeforeUpdate":true},)"
        R"("cpu":{"shares":1,"quota":-1,"burst":2,"period":3,"realtimeRuntime":4,"realtimePeriod":5,"cpus":"0-1","mems":"0","idle":1},)"
        R"("pids":{"limit":0},"blockIO":{"weight":10,"leafWeight":11,"weightDevice":[{"major":8,"minor":0,"weight":10,"leafWeight":12}],)"
        R"("throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}],"throttleWriteBpsDevice":[{"major":8,"minor":0,"rate":2}],)"
        R"("throttleReadIOPSDevice":[{"major":8,"minor":0,"rate":3}],"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":4}]},)"
        R"("hugepageLimits":[{"pageSize":"2MB","limit":9}],"network":{"classID":1,"priorities":[{"name":"eth0","priority":5}]},)"
        R"("rdma":{"mlx":{"hcaHandles":1,"hcaObjects":2}},"unified":{"io.max":"x"}},"cgroupsPath":"/c",)"
        R"("namespaces":[{"type":"pid"},{"type":"network","path":"/n"},{"type":"mount"},{"type":"ipc"},{"type":"uts"},{"type":"user"},)"
        R"({"type":"cgroup"},{"type":"time"}],"devices":[{"path":"/dev/a","type":"c","major":1,"minor":2,"fileMode":438,"uid":0,"gid":1}],)"
        R"("netDevices":{"eth0":{"name":"eth1"}},"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,)"
        R"("architectures":["SCMP_ARCH_X86"],"flags":[],"listenerPath":"/l","listenerMetadata":"m","syscalls":[{"names":["a"],)"
        R"("action":"SCMP_ACT_ERRNO","errnoRet":0,"args":[{"index":0,"value":18446744073709551615,"valueTwo":1,"op":"SCMP_CMP_MASKED_EQ"}]}]},)"
        R"("rootfsPropagation":"slave","maskedPaths":["/m"],"readonlyPaths":["/r"],"mountLabel":"ml",)"
        R"("intelRdt":{"closID":"c","schemata":["L3:0=f"],"l3CacheSchema":"L3:1","memBwSchema":"MB:1","enableMonitoring":true},)"
        R"("memoryPolicy":{"mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_STATIC_NODES"]},"personality":{"domain":"LINUX","flags":["x"]},)"
        R"("timeOffsets":{"boottime":{"secs":-1,"nanosecs":2}}}})";
    const spec::Spec value = spec::parse(text, "t");
    BOOST_TEST(spec::to_json(value) == text);
    BOOST_CHECK_NO_THROW(spec::validate(value));
}

BOOST_AUTO_TEST_CASE(an_absent_hook_environment_is_not_an_empty_one) {
    const auto hooks =
        spec::parse(R"({"ociVersion":"1.0.0","hooks":{"poststop":[{"path":"/a"},{"path":"/a","env":[]}]}})", "t").hooks;
    BOOST_TEST(!hooks->poststop.at(0).env.has_value());
    BOOST_TEST(hooks->poststop.at(1).env.has_value());
}

BOOST_AUTO_TEST_CASE(the_state_is_one_line_as_hooks_expect_it) {
    const spec::State state{.oci_version = "1.3.0",
                            .id = "a",
                            .status = spec::Status::stopped,
                            .bundle = "/b",
                            .annotations = {{"k/l", "v"}}};
    BOOST_TEST(spec::to_json(state) ==
               R"({"ociVersion":"1.3.0","id":"a","status":"stopped","pid":0,"bundle":"/b","annotations":{"k/l":"v"}})");
}

BOOST_AUTO_TEST_CASE(resources_are_read_with_their_errors) {
    BOOST_TEST(spec::read_resources(R"({"memory":{"limit":5},"cpu":null})", "r").memory->limit.value() == 5);
    BOOST_CHECK_EXCEPTION(
        spec::read_resources("{\"memory\":{\n\"limit\":-2}}", "r.json"), Error, [](const Error& error) {
            return error.text() == "r.json:2:9: memory.limit: expected a number of bytes, or -1 for no limit, got -2";
        });
}

BOOST_AUTO_TEST_CASE(a_pids_limit_of_zero_is_no_limit_before_1_3) {
    const auto limit = [](const std::string& version, int given) {
        spec::Resources resources{.pids = spec::Pids{.limit = given}};
        spec::settle_pids(resources, version);
        return resources.pids->limit.value();
    };
    for (const char* version : {"1.0.0", "1.0.2-dev", "1.2.1"}) BOOST_TEST(limit(version, 0) == -1, version);
    for (const char* version : {"1.3.0", "1.3.0-rc.1", "1.10.0", "2.0.0", "", "1.x"})
        BOOST_TEST(limit(version, 0) == 0, version);
    BOOST_TEST(limit("1.0.0", 5) == 5);
    BOOST_TEST(*spec::parse(R"({"ociVersion":"1.0.2","linux":{"resources":{"pids":{"limit":0}}}})", "c")
                    .linux->resources->pids->limit == -1);
}

BOOST_AUTO_TEST_CASE(namespaces_have_the_specs_and_the_kernels_names) {
    using spec::NamespaceType;
    BOOST_TEST(spec::spec_name(NamespaceType::mount) == std::string("mount"));
    BOOST_TEST(spec::proc_name(NamespaceType::mount) == std::string("mnt"));
    BOOST_TEST(spec::proc_name(NamespaceType::network) == std::string("net"));
    BOOST_TEST(spec::clone_flag(NamespaceType::user) == std::uint64_t{CLONE_NEWUSER});
    BOOST_TEST(spec::name(spec::Status::paused) == std::string("paused"));
}

BOOST_AUTO_TEST_SUITE_END()
