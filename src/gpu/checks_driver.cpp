// Hardware, kernel driver, libraries, GPUs: what decides whether there is a GPU at all.
#include <algorithm>

#include "base/text.h"
#include "gpu/findings.h"
#include "gpu/libraries.h"
#include "gpu/loader_cache.h"
#include "gpu/pci.h"
#include "gpu/tegra.h"
#include "gpu/wsl.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

std::vector<PciDevice> pci_gpus(const Host& host) {
    auto devices = nvidia_pci_devices(host);
    std::erase_if(devices, [](const PciDevice& device) { return device.is_switch; });
    return devices;
}

std::string kernel_release(const Host& host) {
    return std::string(trim(read_fact(host, "/proc/sys/kernel/osrelease").value_or("")));
}

// The module is built for the running kernel; "nothing": the list of modules can't be read.
std::optional<bool> has_module_file(const Host& host) {
    const auto list = sys::try_read_file_at(host.root, format("/lib/modules/{}/modules.dep", kernel_release(host)),
                                            Resolve::in_root, 16u << 20);
    if (!list) return std::nullopt;
    return list->find("/nvidia.ko") != std::string::npos;
}

// An EFI variable: four bytes of attributes, then the value.
bool secure_boot(const Host& host) {
    const auto variable = read_fact(host, "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    return variable && variable->size() == 5 && variable->back() == 1;
}

// Why a machine with a GPU has no driver loaded.
Finding missing_driver(const Host& host) {
    if (has_module(host, "nouveau"))
        return {"driver", Verdict::wrong, "the kernel's own driver nouveau holds the GPU, so NVIDIA's can't be loaded",
                "echo 'blacklist nouveau' > /etc/modprobe.d/nouveau.conf && update-initramfs -u && reboot"};
    const auto built = has_module_file(host);
    if (built == false)
        return {"driver", Verdict::wrong,
                format("no NVIDIA kernel module is built for the running kernel {}: the kernel was upgraded, or the "
                       "driver was never installed",
                       kernel_release(host)),
                format("dkms autoinstall -k {} && modprobe nvidia", kernel_release(host))};
    if (secure_boot(host))
        return {"driver", Verdict::wrong,
                "no NVIDIA kernel driver is loaded and Secure Boot is on: the module must be signed with a key that "
                "the firmware knows",
                "mokutil --import /var/lib/dkms/mok.pub && reboot"};
    return {"driver", Verdict::wrong, "no NVIDIA kernel driver is loaded", "modprobe nvidia"};
}

void check_companion(const Survey& survey, std::vector<Finding>& findings) {
    if (survey.inventory->majors.uvm != 0) {
        findings.push_back({"nvidia-uvm", Verdict::good, "the kernel module nvidia-uvm is loaded", ""});
    } else if (survey.settings.load_modules) {
        findings.push_back({"nvidia-uvm", Verdict::warning,
                            "the kernel module nvidia-uvm is not loaded: gpurun loads it for the first container as "
                            "root, but CUDA outside and without root fails with error 999",
                            "modprobe nvidia-uvm"});
    } else {
        findings.push_back({"nvidia-uvm", Verdict::wrong,
                            "the kernel module nvidia-uvm is not loaded and load-modules is false: CUDA fails with "
                            "error 999 (unknown error)",
                            "modprobe nvidia-uvm"});
    }
}

// Programs on the host and ldconfig-based checks look there; gpurun itself does not need it.
void check_loader_cache(const Survey& survey, std::vector<Finding>& findings) {
    const auto* cuda = survey.files.find("libcuda");
    const auto text =
        sys::try_read_file_at(survey.host.driver_root, "/etc/ld.so.cache", Resolve::in_root, 8u << 20).value_or("");
    const auto cache = parse_loader_cache(text);
    if (cuda == nullptr || !cache) return;
    const auto* row = cache->find(cuda->soname, native_cache_flags);
    if (row == nullptr)
        findings.push_back({"ld.so.cache", Verdict::warning,
                            format("the host's /etc/ld.so.cache does not list {}, though {} is there: programs of the "
                                   "host don't find it; containers do",
                                   cuda->soname, cuda->path()),
                            format("echo {} > /etc/ld.so.conf.d/nvidia.conf && ldconfig", cuda->folder)});
    else
        findings.push_back({"ld.so.cache", Verdict::good, format("lists {}", row->path), ""});
}

}  // namespace

void check_hardware(const Survey& survey, std::vector<Finding>& findings) {
    const auto gpus = pci_gpus(survey.host);
    for (const auto& gpu : gpus)
        if (gpu.driver == "vfio-pci")
            findings.push_back({"GPU " + gpu.bus_id, Verdict::note,
                                "is given to virtual machines (vfio-pci), so containers don't get it", ""});
    if (!gpus.empty())
        findings.push_back({"hardware", Verdict::good, format("{} NVIDIA GPUs on the PCI bus", gpus.size()), ""});
    else if (is_wsl(survey.host))
        findings.push_back({"hardware", Verdict::good, "WSL: /dev/dxg stands for all GPUs of Windows", ""});
    else if (is_tegra(survey.host))
        findings.push_back({"hardware", Verdict::good, "Tegra: its GPU is listed in NVIDIA's CSV files", ""});
    else if (!survey.inventory)
        findings.push_back(
            {"hardware", Verdict::wrong, "this machine has no NVIDIA GPU that the PCI bus shows", "lspci -d 10de:"});
}

void check_driver(const Survey& survey, std::vector<Finding>& findings) {
    if (!survey.inventory_problem.empty()) {
        findings.push_back({"driver", Verdict::wrong, survey.inventory_problem, "reboot"});
        return;
    }
    if (!survey.inventory) {
        if (!pci_gpus(survey.host).empty()) findings.push_back(missing_driver(survey.host));
        return;
    }
    findings.push_back({"driver", Verdict::good,
                        format("{} is loaded ({} kernel modules)", survey.inventory->version,
                               survey.inventory->open_module ? "open" : "proprietary"),
                        ""});
    if (has_module(survey.host, "nouveau"))
        findings.push_back(
            {"nouveau", Verdict::warning,
             "the kernel's own driver nouveau is loaded too and takes GPUs that NVIDIA's doesn't hold",
             "echo 'blacklist nouveau' > /etc/modprobe.d/nouveau.conf && update-initramfs -u && reboot"});
    check_companion(survey, findings);
}

void check_libraries(const Survey& survey, std::vector<Finding>& findings) {
    if (!survey.inventory) return;
    if (!survey.files_problem.empty()) {
        const bool is_mismatch = survey.files_problem.find("but the libraries in") != std::string::npos;
        // Without the pointer to this very command.
        const auto fact = survey.files_problem.substr(0, survey.files_problem.find(" (`gpurun gpu doctor`"));
        findings.push_back({"libraries", Verdict::wrong, fact,
                            is_mismatch ? "reboot, or without users of the GPU: modprobe -r nvidia-uvm nvidia-drm "
                                          "nvidia-modeset nvidia && modprobe nvidia"
                                        : "printf '[gpu]\\nlibrary-paths = [\"/DIRECTORY\"]\\n' >> "
                                          "/etc/gpurun/gpurun.toml"});
        return;
    }
    findings.push_back({"libraries", Verdict::good,
                        format("{} of version {} in {}", survey.files.libraries.size(), survey.inventory->version,
                               gpurun::join(survey.files.folders, ", ")),
                        ""});
    const bool has_smi = std::any_of(survey.files.programs.begin(), survey.files.programs.end(),
                                     [](const BoundFile& file) { return file.container_path == "nvidia-smi"; });
    if (!has_smi)
        findings.push_back({"nvidia-smi", Verdict::warning,
                            "the host has no nvidia-smi, so containers get none, which health checks call", ""});
    check_loader_cache(survey, findings);
}

void check_gpus(const Survey& survey, std::vector<Finding>& findings) {
    if (!survey.inventory) return;
    const auto& inventory = *survey.inventory;
    for (const auto& gpu : inventory.excluded)
        findings.push_back({"GPU " + gpu.bus_id, Verdict::note,
                            format("{} is excluded by the driver's parameter NVreg_ExcludedGpus", gpu.model), ""});
    for (const auto& device : pci_gpus(survey.host)) {
        const auto is_known = [&](const std::vector<Gpu>& list) {
            return std::any_of(list.begin(), list.end(), [&](const Gpu& gpu) { return gpu.bus_id == device.bus_id; });
        };
        if (is_known(inventory.gpus) || is_known(inventory.excluded) || device.driver == "vfio-pci") continue;
        findings.push_back({"GPU " + device.bus_id, Verdict::warning,
                            "is on the PCI bus but the driver does not list it: it could not be initialised, or it "
                            "fell off the bus",
                            format("dmesg | grep -i -e nvrm -e {}", device.bus_id)});
    }
    if (inventory.gpus.empty())
        findings.push_back(
            {"GPUs", Verdict::wrong, "the driver is loaded but has no usable GPU", "dmesg | grep -i nvrm"});
    for (const auto& gpu : inventory.gpus) {
        if (gpu.uuid.empty())
            findings.push_back(
                {"GPU " + gpu.bus_id, Verdict::note,
                 format("GPU {} ({}) has not been used since the driver was loaded: its first user waits "
                        "a second or more, and it can't be chosen by UUID until then",
                        gpu.index, gpu.model),
                 "systemctl enable --now nvidia-persistenced"});
        else
            findings.push_back(
                {"GPU " + gpu.bus_id, Verdict::good, format("GPU {}: {}, {}", gpu.index, gpu.model, gpu.uuid), ""});
    }
    if (!inventory.gpus.empty() && !has_path(survey.host, "/run/nvidia-persistenced/socket"))
        findings.push_back({"persistence", Verdict::note,
                            "nvidia-persistenced does not run: a GPU without users goes to sleep and takes a second or "
                            "more to come back",
                            "systemctl enable --now nvidia-persistenced"});
}

void check_fabric(const Survey& survey, std::vector<Finding>& findings) {
    if (!survey.inventory) return;
    const auto devices = nvidia_pci_devices(survey.host);
    const bool switches =
        std::any_of(devices.begin(), devices.end(), [](const PciDevice& device) { return device.is_switch; });
    if (switches && !has_path(survey.host, "/run/nvidia-fabricmanager/socket"))
        findings.push_back({"fabric manager", Verdict::wrong,
                            "the machine has NVSwitches but nvidia-fabricmanager does not run: CUDA fails with error "
                            "802 (system not yet initialized)",
                            "systemctl enable --now nvidia-fabricmanager"});
    else if (switches)
        findings.push_back({"fabric manager", Verdict::good, "runs", ""});
    if (!has_path(survey.host, "/etc/nvidia-imex/nodes_config.cfg")) return;
    if (survey.inventory->majors.imex == 0)
        findings.push_back(
            {"IMEX", Verdict::warning, "nvidia-imex is configured but the loaded driver has no IMEX channels", ""});
    else if (!has_path(survey.host, "/dev/nvidia-caps-imex-channels/channel0"))
        findings.push_back(
            {"IMEX", Verdict::warning,
             "nvidia-imex is configured but there is no channel's node: runtimes other than gpurun can't "
             "give one to containers",
             "gpurun gpu create-nodes --imex 0"});
    else
        findings.push_back({"IMEX", Verdict::good, "channel 0 has its node", ""});
}

}  // namespace gpurun::gpu
