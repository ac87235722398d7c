#include "helper/nvml.h"

#include <dlfcn.h>
#include <gpurun/error.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "helper/sandbox.h"

namespace gpurun::helper {
namespace {

constexpr unsigned time_limit = 30;  // Seconds; NVML takes up to three for each GPU that nobody has used yet.

// The part of NVML's C interface that is asked; it has been stable since driver 470.
using Device = struct OpaqueDevice*;
using Result = int;
constexpr Result success = 0, not_supported = 3, insufficient_size = 7;

struct PciInfo {
    char legacy_bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};
struct Memory {
    unsigned long long total, free, used;
};
struct Process {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
};
static_assert(sizeof(PciInfo) == 68 && sizeof(Process) == 24);

// Where a distribution or a container with the driver may have the library; the loader's own search is last and only
// for the host's root.
constexpr std::string_view folders[] = {"/usr/lib64",
                                        "/usr/lib/x86_64-linux-gnu",
                                        "/usr/lib/aarch64-linux-gnu",
                                        "/usr/local/nvidia/lib64",
                                        "/usr/lib/x86_64-linux-gnu/nvidia/current",
                                        "/usr/lib/aarch64-linux-gnu/nvidia/current",
                                        "/usr/lib/wsl/lib",
                                        "/run/opengl-driver/lib",
                                        "/opt/nvidia/lib64",
                                        "/lib64",
                                        "/usr/lib"};

class Library {
 public:
    explicit Library(const std::string& root) {
        constexpr const char* name = "libnvidia-ml.so.1";
        if (root == "/") handle_ = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
        for (const auto folder : folders)
            if (handle_ == nullptr)
                handle_ =
                    ::dlopen(format("{}{}/{}", root == "/" ? "" : root, folder, name).c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle_ == nullptr) throw Error(format("{} was not found below {}", name, root));
    }

    template <typename... Arguments>
    Result try_call(const char* name, Arguments... arguments) const {
        const auto function = reinterpret_cast<Result (*)(Arguments...)>(::dlsym(handle_, name));
        return function == nullptr ? not_supported : function(arguments...);
    }

    template <typename... Arguments>
    void call(const char* name, Arguments... arguments) const {
        const Result result = try_call(name, arguments...);
        if (result != success) throw Error(format("{}: {}", name, describe(result)));
    }

    std::string describe(Result result) const {
        const auto function = reinterpret_cast<const char* (*)(Result)>(::dlsym(handle_, "nvmlErrorString"));
        return function == nullptr ? format("error {}", result) : function(result);
    }

 private:
    void* handle_ = nullptr;
};

// NVML writes an eight-digit domain, sysfs and procfs four.
std::string short_bus_id(const PciInfo& info) {
    return format("{:04x}:{:02x}:{:02x}.0", info.domain, info.bus, info.device);
}

std::string uuid_of(const Library& nvml, Device device) {
    char text[96] = {};
    nvml.call("nvmlDeviceGetUUID", device, static_cast<char*>(text), static_cast<unsigned>(sizeof text));
    return text;
}

std::string instances_of(const Library& nvml, Device gpu) {
    unsigned count = 0;
    if (nvml.try_call("nvmlDeviceGetMaxMigDeviceCount", gpu, &count) != success) return {};
    std::string text;
    for (unsigned index = 0; index < count; ++index) {
        Device instance = nullptr;
        if (nvml.try_call("nvmlDeviceGetMigDeviceHandleByIndex", gpu, index, &instance) != success) continue;
        unsigned gpu_instance = 0, compute_instance = 0;
        nvml.call("nvmlDeviceGetGpuInstanceId", instance, &gpu_instance);
        nvml.call("nvmlDeviceGetComputeInstanceId", instance, &compute_instance);
        text += format("mig {} {} {}\n", gpu_instance, compute_instance, uuid_of(nvml, instance));
    }
    return text;
}

std::string processes_of(const Library& nvml, Device gpu, const char* function) {
    std::vector<Process> processes(64);
    unsigned count = 0;
    Result result = insufficient_size;
    // The list may grow between two calls.
    for (int attempt = 0; attempt < 4 && result == insufficient_size; ++attempt) {
        if (attempt > 0) processes.resize(count + 64);
        count = static_cast<unsigned>(processes.size());
        result = nvml.try_call(function, gpu, &count, processes.data());
    }
    if (result != success) return {};
    std::string text;
    constexpr unsigned long long unknown = ~0ull;
    for (unsigned index = 0; index < count; ++index)
        text += format("process {} {}\n", processes[index].pid,
                       processes[index].used == unknown ? 0 : processes[index].used);
    return text;
}

std::string usage_of(const Library& nvml, Device gpu) {
    std::string text;
    Memory memory{};
    if (nvml.try_call("nvmlDeviceGetMemoryInfo", gpu, &memory) == success)
        text += format("memory {} {}\n", memory.total, memory.used);
    text += processes_of(nvml, gpu, "nvmlDeviceGetComputeRunningProcesses_v3");
    return text + processes_of(nvml, gpu, "nvmlDeviceGetGraphicsRunningProcesses_v3");
}

std::string about(const Library& nvml, Device gpu) {
    unsigned minor = 0;
    int major_version = 0, minor_version = 0;
    char name[96] = {};
    nvml.call("nvmlDeviceGetMinorNumber", gpu, &minor);
    nvml.call("nvmlDeviceGetName", gpu, static_cast<char*>(name), static_cast<unsigned>(sizeof name));
    nvml.try_call("nvmlDeviceGetCudaComputeCapability", gpu, &major_version, &minor_version);
    return format("about {} {}.{} {}\n", minor, major_version, minor_version, static_cast<const char*>(name));
}

std::string driver(const Library& nvml) {
    char version[96] = {};
    int cuda = 0;
    nvml.call("nvmlSystemGetDriverVersion", static_cast<char*>(version), static_cast<unsigned>(sizeof version));
    nvml.try_call("nvmlSystemGetCudaDriverVersion_v2", &cuda);
    return format("driver {} {}.{}\n", static_cast<const char*>(version), cuda / 1000, cuda % 1000 / 10);
}

}  // namespace

std::string nvml(const std::vector<std::string>& arguments) {
    const auto wants = [&](std::string_view word) {
        return std::find(arguments.begin(), arguments.end(), word) != arguments.end();
    };
    if (arguments.empty() || !arguments[0].starts_with('/'))
        throw Error("expected: gpurun-helper nvml DRIVERROOT [about] [usage]");
    // Only what gpurun passes: the loader and the driver read variables of their own.
    ::clearenv();
    ::setenv("PATH", "/usr/bin:/bin", 1);
    enter_sandbox(time_limit);
    std::string root = arguments[0];
    while (root.size() > 1 && root.ends_with('/')) root.pop_back();
    const Library library(root);
    library.call("nvmlInit_v2");
    unsigned count = 0;
    library.call("nvmlDeviceGetCount_v2", &count);
    std::string text = wants("about") ? driver(library) : std::string();
    for (unsigned index = 0; index < count; ++index) {
        Device gpu = nullptr;
        // A GPU that has fallen off the bus must not hide the others.
        if (library.try_call("nvmlDeviceGetHandleByIndex_v2", index, &gpu) != success) continue;
        PciInfo place{};
        library.call("nvmlDeviceGetPciInfo_v3", gpu, &place);
        text += format("gpu {} {}\n", short_bus_id(place), uuid_of(library, gpu));
        if (wants("about")) text += about(library, gpu);
        text += instances_of(library, gpu);
        if (wants("usage")) text += usage_of(library, gpu);
    }
    return text;
}

}  // namespace gpurun::helper
