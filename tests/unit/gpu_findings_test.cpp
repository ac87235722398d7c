#include "gpu/findings.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "gpu/cdi_generate.h"
#include "gpu_hosts.h"
#include "temporary_directory.h"

using namespace gpurun;
using namespace gpurun::gpu;

namespace {

// A recorded host that a case changes.
struct ChangedHost {
    test::TemporaryDirectory root;

    explicit ChangedHost(const std::string& name) {
        const std::string command = "cp -a " GPURUN_HOSTS "/" + name + "/. " + root.path();
        if (std::system(command.c_str()) != 0) throw Error(command);
    }
    void remove(const std::string& path) const {
        const std::string command = "rm -r " + root.path() + path;
        if (std::system(command.c_str()) != 0) throw Error(command);
    }
    void pci(const std::string& bus_id, const std::string& kind, const std::string& driver) const {
        const std::string folder = "sys/bus/pci/devices/" + bus_id;
        root.write(folder + "/vendor", "0x10de\n");
        root.write(folder + "/class", kind + "\n");
        if (!driver.empty()) root.link(folder + "/driver", "../../../../bus/pci/drivers/" + driver);
    }
    std::vector<Finding> findings() const { return examine(survey(root.path(), false)); }
};

const Finding* find(const std::vector<Finding>& findings, const std::string& subject, Verdict verdict) {
    for (const auto& finding : findings)
        if (finding.subject == subject && finding.verdict == verdict) return &finding;
    return nullptr;
}

std::string text_of(const std::vector<Finding>& findings) {
    std::string text;
    for (const auto& finding : findings)
        text += finding.subject + ": " + std::to_string(static_cast<int>(finding.verdict)) + ": " + finding.fact + "\n";
    return text;
}

struct Case {
    const char* name;
    const char* host;
    void (*change)(const ChangedHost& host);
    const char* subject;
    Verdict verdict;
    const char* fact;    ///< A part of it.
    const char* remedy;  ///< A part of it.
};

void gpu_without_driver(const ChangedHost& host) { host.pci("0000:00:06.0", "0x030200", ""); }

constexpr const char* secure_boot_file = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

const Case cases[] = {
    {"no GPU at all", "no-driver", [](const ChangedHost&) {}, "hardware", Verdict::wrong, "no NVIDIA GPU", "lspci"},
    {"driver not loaded", "no-driver", gpu_without_driver, "driver", Verdict::wrong,
     "no NVIDIA kernel driver is loaded", "modprobe nvidia"},
    {"nouveau instead", "no-driver",
     [](const ChangedHost& host) {
         host.pci("0000:00:06.0", "0x030000", "nouveau");
         host.root.write("sys/module/nouveau/refcnt", "1\n");
     },
     "driver", Verdict::wrong, "nouveau holds the GPU", "blacklist nouveau"},
    {"kernel upgraded without the module", "no-driver",
     [](const ChangedHost& host) {
         gpu_without_driver(host);
         host.root.write("proc/sys/kernel/osrelease", "6.1.0-40-amd64\n");
         host.root.write("lib/modules/6.1.0-40-amd64/modules.dep", "kernel/fs/ext4/ext4.ko:\n");
     },
     "driver", Verdict::wrong, "built for the running kernel 6.1.0-40-amd64", "dkms autoinstall -k 6.1.0-40-amd64"},
    {"secure boot", "no-driver",
     [](const ChangedHost& host) {
         gpu_without_driver(host);
         host.root.write(secure_boot_file, std::string("\x06\0\0\0\x01", 5));
     },
     "driver", Verdict::wrong, "Secure Boot", "mokutil"},
    {"a version that can't be read", "h200",
     [](const ChangedHost& host) { host.root.write("proc/driver/nvidia/version", "nothing\n"); }, "driver",
     Verdict::wrong, "/proc/driver/nvidia/version", "reboot"},
    {"nouveau beside", "h200", [](const ChangedHost& host) { host.root.write("sys/module/nouveau/refcnt", "0\n"); },
     "nouveau", Verdict::warning, "is loaded too", "blacklist nouveau"},
    {"uvm missing", "h200",
     [](const ChangedHost& host) { host.root.write("proc/devices", "Character devices:\n195 nvidia\n"); }, "nvidia-uvm",
     Verdict::warning, "gpurun loads it", "modprobe nvidia-uvm"},
    {"uvm missing and not to be loaded", "h200",
     [](const ChangedHost& host) {
         host.root.write("proc/devices", "Character devices:\n195 nvidia\n");
         host.root.write("etc/gpurun/gpurun.toml", "[gpu]\nload-modules = false\n");
     },
     "nvidia-uvm", Verdict::wrong, "error 999", "modprobe nvidia-uvm"},
    {"upgraded without a reboot", "mismatch", [](const ChangedHost&) {}, "libraries", Verdict::wrong,
     "driver is 575.57.08 but the libraries in /usr/lib64 are 580.159.04", "modprobe -r"},
    {"libraries nowhere", "h200", [](const ChangedHost& host) { host.remove("/usr/local/nvidia/lib64"); }, "libraries",
     Verdict::wrong, "in no known directory", "library-paths"},
    {"no nvidia-smi", "h200", [](const ChangedHost& host) { host.remove("/usr/local/nvidia/bin/nvidia-smi"); },
     "nvidia-smi", Verdict::warning, "no nvidia-smi", ""},
    {"cache without the driver", "fedora",
     [](const ChangedHost& host) {
         host.root.write("etc/ld.so.cache", std::string("glibc-ld.so.cache1.1") + std::string(28, '\0'));
     },
     "ld.so.cache", Verdict::warning, "does not list libcuda.so.1", "ldconfig"},
    {"fallen off the bus", "h200", [](const ChangedHost& host) { host.pci("0000:00:09.0", "0x030200", ""); },
     "GPU 0000:00:09.0", Verdict::warning, "fell off the bus", "dmesg"},
    {"given to a virtual machine", "h200",
     [](const ChangedHost& host) { host.pci("0000:00:09.0", "0x030200", "vfio-pci"); }, "GPU 0000:00:09.0",
     Verdict::note, "vfio-pci", ""},
    {"excluded", "h200-x8", [](const ChangedHost&) {}, "GPU 0000:52:00.0", Verdict::note, "NVreg_ExcludedGpus", ""},
    {"never used", "debian", [](const ChangedHost&) {}, "GPU 0000:01:00.0", Verdict::note, "has not been used",
     "nvidia-persistenced"},
    {"no persistence", "h200", [](const ChangedHost&) {}, "persistence", Verdict::note, "does not run",
     "systemctl enable --now nvidia-persistenced"},
    {"no usable GPU", "h200", [](const ChangedHost& host) { host.remove("/proc/driver/nvidia/gpus/0000:00:06.0"); },
     "GPUs", Verdict::wrong, "no usable GPU", "dmesg"},
    {"switches without their manager", "h200",
     [](const ChangedHost& host) { host.pci("0000:10:00.0", "0x068000", "nvidia-nvswitch"); }, "fabric manager",
     Verdict::wrong, "error 802", "systemctl enable --now nvidia-fabricmanager"},
    {"IMEX without a channel", "h200",
     [](const ChangedHost& host) { host.root.write("etc/nvidia-imex/nodes_config.cfg", "10.0.0.1\n"); }, "IMEX",
     Verdict::warning, "no channel's node", "gpurun gpu create-nodes --imex 0"},
    {"IMEX without the driver's support", "h200",
     [](const ChangedHost& host) {
         host.root.write("etc/nvidia-imex/nodes_config.cfg", "10.0.0.1\n");
         host.root.write("proc/devices", "Character devices:\n195 nvidia\n238 nvidia-uvm\n");
     },
     "IMEX", Verdict::warning, "no IMEX channels", ""},
    {"nodes missing", "h200", [](const ChangedHost&) {}, "nodes", Verdict::warning, "/dev/nvidiactl, /dev/nvidia0",
     "gpurun gpu create-nodes"},
    {"instances' nodes missing", "mig", [](const ChangedHost&) {}, "nodes", Verdict::warning,
     "/dev/nvidia-caps/nvidia-cap12", "gpurun gpu create-nodes"},
    {"a file for a node", "h200", [](const ChangedHost& host) { host.root.write("dev/nvidia0", "x"); },
     "node /dev/nvidia0", Verdict::wrong, "a file and no device", "rm /dev/nvidia0"},
    {"SELinux", "h200",
     [](const ChangedHost& host) {
         host.root.write("sys/fs/selinux/enforce", "1");
         host.root.write("sys/fs/selinux/booleans/container_use_devices", "0 0");
     },
     "SELinux", Verdict::warning, "permission denied", "setsebool -P container_use_devices on"},
    {"SELinux that lets them", "h200",
     [](const ChangedHost& host) {
         host.root.write("sys/fs/selinux/enforce", "1");
         host.root.write("sys/fs/selinux/booleans/container_use_devices", "1 1");
     },
     "SELinux", Verdict::good, "lets containers use devices", ""},
    {"settings that are none", "h200",
     [](const ChangedHost& host) { host.root.write("etc/gpurun/gpurun.toml", "[gpu]\nload-modules = 3\n"); },
     "settings", Verdict::wrong, "/etc/gpurun/gpurun.toml:2: load-modules: expected true or false", "mend that line"},
    {"a driver root that is not there", "h200",
     [](const ChangedHost& host) { host.root.write("etc/gpurun/gpurun.toml", "[gpu]\ndriver-root = \"/none\"\n"); },
     "driver root", Verdict::wrong, "/etc/gpurun/gpurun.toml names /none", "ls -d /none"},
    {"environment not accepted", "h200",
     [](const ChangedHost& host) {
         host.root.write("etc/nvidia-container-runtime/config.toml",
                         "accept-nvidia-visible-devices-envvar-when-unprivileged = false\n");
     },
     "settings", Verdict::note, "privileged containers only", ""},
    {"a CDI file that is none", "h200", [](const ChangedHost& host) { host.root.write("etc/cdi/a.yaml", "x: [\n"); },
     "CDI", Verdict::warning, "/etc/cdi/a.yaml:", "mend or remove"},
    {"Docker without gpurun", "h200", [](const ChangedHost& host) { host.root.write("usr/bin/dockerd", ""); }, "docker",
     Verdict::note, "does not know gpurun", "gpurun setup docker"},
    {"Docker with gpurun", "h200",
     [](const ChangedHost& host) {
         host.root.write("usr/bin/dockerd", "");
         host.root.write("etc/docker/daemon.json", R"({"runtimes": {"gpurun": {"path": "/usr/sbin/gpurun"}}})");
     },
     "docker", Verdict::good, "knows gpurun", ""},
    {"Docker refuses --gpus", "h200", [](const ChangedHost& host) { host.root.write("usr/bin/dockerd", ""); },
     "docker --gpus", Verdict::note, "could not select device driver", "gpurun setup docker"},
    {"Docker's file is none", "h200",
     [](const ChangedHost& host) {
         host.root.write("usr/bin/dockerd", "");
         host.root.write("etc/docker/daemon.json", "{");
     },
     "docker", Verdict::warning, "/etc/docker/daemon.json:1:", "mend that line"},
    {"GPUs lost at daemon-reload", "h200",
     [](const ChangedHost& host) {
         host.root.write("usr/bin/dockerd", "");
         host.root.write("run/systemd/system/x", "");
         host.root.write(
             "etc/docker/daemon.json",
             R"({"default-runtime": "nvidia", "runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}})");
     },
     "docker runtime nvidia", Verdict::warning, "daemon-reload", "gpurun setup docker --default"},
    {"containerd without gpurun", "h200", [](const ChangedHost& host) { host.root.write("usr/bin/containerd", ""); },
     "containerd", Verdict::note, "does not know gpurun", "gpurun setup containerd"},
    {"containerd with gpurun", "h200",
     [](const ChangedHost& host) {
         host.root.write("usr/bin/containerd", "");
         host.root.write("etc/containerd/config.toml",
                         "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.gpurun.options]\n"
                         "BinaryName = \"/usr/sbin/gpurun\"\n");
     },
     "containerd", Verdict::good, "knows gpurun", ""},
    {"Podman with gpurun", "h200",
     [](const ChangedHost& host) {
         host.root.write("usr/bin/podman", "");
         host.root.write("etc/containers/containers.conf.d/99-gpurun.conf",
                         "[engine.runtimes]\ngpurun = [\"/usr/sbin/gpurun\"]\n");
     },
     "podman", Verdict::good, "knows gpurun", ""},
    {"a hook of NVIDIA's for every container", "h200",
     [](const ChangedHost& host) {
         host.root.write("usr/share/containers/oci/hooks.d/oci-nvidia-hook.json",
                         R"({"hook": {"path": "/usr/bin/nvidia-container-runtime-hook"}})");
     },
     "hook /usr/share/containers/oci/hooks.d/oci-nvidia-hook.json", Verdict::warning, "a second time",
     "rm /usr/share/containers/oci/hooks.d/oci-nvidia-hook.json"},
    {"no-cgroups", "h200",
     [](const ChangedHost& host) {
         host.root.write("etc/nvidia-container-runtime/config.toml", "[nvidia-container-cli]\nno-cgroups = true\n");
     },
     "no-cgroups", Verdict::warning, "config.toml:2: no-cgroups is true", "sed -i"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(gpu_findings)

BOOST_AUTO_TEST_CASE(each_failure_has_its_cause_and_what_mends_it) {
    for (const auto& row : cases) {
        const ChangedHost host(row.host);
        row.change(host);
        const auto findings = host.findings();
        const auto* finding = find(findings, row.subject, row.verdict);
        BOOST_TEST_CONTEXT(row.name << "\n" << text_of(findings)) {
            BOOST_TEST_REQUIRE(finding != nullptr);
            BOOST_TEST(finding->fact.find(row.fact) != std::string::npos);
            BOOST_TEST(finding->remedy.find(row.remedy) != std::string::npos);
            BOOST_TEST(finding->fact.find('\n') == std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_machine_in_order_has_nothing_wrong) {
    for (const char* name : {"h200", "h200-x2", "mig", "debian", "fedora", "gke", "wsl", "tegra", "driver-container"})
        for (const auto& finding : examine(survey(std::string(GPURUN_HOSTS "/") + name, false)))
            BOOST_TEST((finding.verdict != Verdict::wrong), name << ": " << finding.subject << ": " << finding.fact);
}

// The file of a machine on another machine: other driver files, another major, another GPU.
BOOST_AUTO_TEST_CASE(a_cdi_file_from_before_the_upgrade_is_told) {
    const ChangedHost host("h200");
    const Survey before = survey(host.root.path(), false);
    const auto file = cdi::full_file(cdi::discover_all(before), before.host, {});
    host.root.write("etc/cdi/nvidia.yaml", cdi::write_yaml(file));
    const std::string subject = "CDI file /etc/cdi/nvidia.yaml";
    auto findings = host.findings();
    BOOST_TEST_CONTEXT(text_of(findings)) BOOST_TEST(find(findings, subject, Verdict::good) != nullptr);

    const auto stale = [&] {
        findings = host.findings();
        const auto* finding = find(findings, subject, Verdict::warning);
        BOOST_TEST_REQUIRE(finding != nullptr);
        BOOST_TEST(finding->remedy == "gpurun gpu cdi generate --output /etc/cdi/nvidia.yaml");
        return finding->fact;
    };
    host.root.write("proc/devices", "Character devices:\n195 nvidia\n509 nvidia-uvm\n");
    BOOST_TEST(stale().find("/dev/nvidia-uvm 238:0 (now 509:0)") != std::string::npos);
    host.remove("/usr/local/nvidia/lib64/libcuda.so.580.159.04");
    BOOST_TEST(stale().find("files that are not there: /usr/local/nvidia/lib64/libcuda.so.580.159.04") !=
               std::string::npos);
    host.remove("/proc/driver/nvidia/gpus/0000:00:06.0");
    BOOST_TEST(stale().find("GPUs that are not there: GPU-cce09752") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(nodes_of_another_loading_and_another_mode_are_told) {
    if (::geteuid() != 0) {
        BOOST_TEST_MESSAGE("skipped: mknod needs root");
        return;
    }
    const ChangedHost host("h200");
    host.root.write("dev/x", "");
    const auto make = [&](const char* name, unsigned major, unsigned minor, unsigned mode) {
        const std::string path = host.root / name;
        return ::mknod(path.c_str(), S_IFCHR, makedev(major, minor)) == 0 && ::chmod(path.c_str(), mode) == 0;
    };
    if (!make("dev/nvidia-uvm", 510, 0, 0666)) {
        BOOST_TEST_MESSAGE("skipped: mknod is refused here");
        return;
    }
    make("dev/nvidia0", 195, 0, 0600);
    const auto findings = host.findings();
    BOOST_TEST_CONTEXT(text_of(findings)) {
        const auto* numbers = find(findings, "node /dev/nvidia-uvm", Verdict::wrong);
        BOOST_TEST_REQUIRE(numbers != nullptr);
        BOOST_TEST(numbers->fact.find("238:0") != std::string::npos);
        const auto* mode = find(findings, "node /dev/nvidia0", Verdict::warning);
        BOOST_TEST_REQUIRE(mode != nullptr);
        BOOST_TEST(mode->fact.find("0666, 0:0") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(json_has_the_verdicts_words) {
    const std::string text = to_json({{"driver", Verdict::wrong, "none", "modprobe nvidia"}});
    BOOST_TEST(text ==
               "[\n  {\n    \"subject\": \"driver\",\n    \"verdict\": \"wrong\",\n    \"fact\": \"none\",\n    "
               "\"remedy\": \"modprobe nvidia\"\n  }\n]\n");
}

BOOST_AUTO_TEST_SUITE_END()
