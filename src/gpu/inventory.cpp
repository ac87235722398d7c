#include "gpu/inventory.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include <gpurun/error.h>
#include "base/text.h"
#include "gpu/kept.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

constexpr std::size_t largest_fact = 256u << 10;

std::optional<std::string> fact(const Host& host, const std::string& path) {
    return sys::try_read_file_at(host.root, path, Resolve::in_root, largest_fact);
}

bool is_version(std::string_view text) {
    const auto parts = split(text, '.');
    return (parts.size() == 2 || parts.size() == 3) &&
           std::all_of(parts.begin(), parts.end(),
                       [](std::string_view part) { return parse_number<unsigned>(part).has_value(); });
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

// Calls \a use(key, value) for each "Key: value" line.
template <typename Use>
void for_each_pair(std::string_view text, Use use) {
    for (const auto line : split(text, '\n')) {
        const auto colon = line.find(':');
        if (colon != std::string_view::npos) use(trim(line.substr(0, colon)), trim(line.substr(colon + 1)));
    }
}

DriverParameters parse_parameters(std::string text) {
    DriverParameters parameters;
    for_each_pair(text, [&](std::string_view key, std::string_view value) {
        const auto number = parse_number<std::uint32_t>(value);
        if (!number) return;
        if (key == "ModifyDeviceFiles") parameters.modify_device_files = *number != 0;
        if (key == "DeviceFileUID") parameters.uid = *number;
        if (key == "DeviceFileGID") parameters.gid = *number;
        if (key == "DeviceFileMode") parameters.mode = *number & 0777;
    });
    parameters.text = std::move(text);
    return parameters;
}

// The number in "gi3" behind the prefix.
std::optional<unsigned> numbered(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return std::nullopt;
    return parse_number<unsigned>(name.substr(prefix.size()));
}

std::vector<MigInstance> read_mig(const Host& host, unsigned minor) {
    std::vector<MigInstance> instances;
    const std::string folder = format("/proc/driver/nvidia/capabilities/gpu{}/mig", minor);
    for (const auto& gpu_name : sys::list_directory(host.root, folder, Resolve::in_root)) {
        const auto gpu_instance = numbered(gpu_name, "gi");
        if (!gpu_instance) continue;
        const auto gpu_node = read_capability(host, format("gpu{}/mig/{}/access", minor, gpu_name));
        if (!gpu_node) continue;
        for (const auto& compute_name :
             sys::list_directory(host.root, format("{}/{}", folder, gpu_name), Resolve::in_root)) {
            const auto compute_instance = numbered(compute_name, "ci");
            if (!compute_instance) continue;
            const auto compute_node =
                read_capability(host, format("gpu{}/mig/{}/{}/access", minor, gpu_name, compute_name));
            if (!compute_node) continue;
            instances.push_back({.gpu_instance = *gpu_instance,
                                 .compute_instance = *compute_instance,
                                 .gpu_minor = gpu_node->minor,
                                 .compute_minor = compute_node->minor,
                                 .gpu_mode = gpu_node->mode,
                                 .compute_mode = compute_node->mode});
        }
    }
    std::sort(instances.begin(), instances.end(), [](const MigInstance& a, const MigInstance& b) {
        return a.gpu_instance != b.gpu_instance ? a.gpu_instance < b.gpu_instance
                                                : a.compute_instance < b.compute_instance;
    });
    return instances;
}

// The kernel asks the GPU for each reading, so what it said is kept, once it knows all names.
std::vector<Gpu> know_gpus(const Host& host, const std::string& version, const std::vector<std::string>& bus_ids) {
    const std::string key = format("{} {}", version, gpurun::join(bus_ids, " "));
    if (const auto kept = read_kept(host, "gpus", key))
        if (auto gpus = parse_gpus(*kept)) return std::move(*gpus);
    std::vector<Gpu> gpus;
    for (const auto& bus_id : bus_ids)
        if (const auto information = fact(host, format("/proc/driver/nvidia/gpus/{}/information", bus_id)))
            gpus.push_back(parse_gpu(*information, bus_id));
    const bool complete = gpus.size() == bus_ids.size() &&
                          std::none_of(gpus.begin(), gpus.end(), [](const Gpu& gpu) { return gpu.uuid.empty(); });
    if (complete && !gpus.empty()) keep(host, "gpus", key, write_gpus(gpus));
    return gpus;
}

void read_gpus(const Host& host, Inventory& inventory) {
    auto bus_ids = sys::list_directory(host.root, "/proc/driver/nvidia/gpus", Resolve::in_root);
    // The names have a fixed width but for domains beyond ffff: shorter ones come first.
    std::sort(bus_ids.begin(), bus_ids.end(), [](const std::string& a, const std::string& b) {
        return a.size() != b.size() ? a.size() < b.size() : lower(a) < lower(b);
    });
    for (auto& gpu : know_gpus(host, inventory.version, bus_ids)) {
        auto& list = gpu.excluded ? inventory.excluded : inventory.gpus;
        gpu.index = static_cast<unsigned>(list.size());
        list.push_back(std::move(gpu));
    }
    if (inventory.gpus.empty()) return;
    for (const auto& name : sys::list_directory(host.root, "/proc/driver/nvidia/capabilities", Resolve::in_root)) {
        const auto minor = numbered(name, "gpu");
        const auto gpu = std::find_if(inventory.gpus.begin(), inventory.gpus.end(),
                                      [&](const Gpu& each) { return minor == each.minor; });
        if (gpu != inventory.gpus.end()) gpu->mig = read_mig(host, gpu->minor);
    }
}

}  // namespace

Host open_host(const std::string& root, const std::string& driver_root) {
    Host host;
    host.root = sys::open(root.empty() ? "/" : root, O_PATH | O_DIRECTORY);
    host.prefix = clean_path(root);
    host.driver_prefix = clean_path(driver_root);
    if (host.prefix == "/") host.prefix.clear();
    if (host.driver_prefix == "/") host.driver_prefix.clear();
    host.driver_root = sys::open_at(host.root, host.driver_prefix.empty() ? "/" : host.driver_prefix,
                                    O_PATH | O_DIRECTORY, Resolve::in_root);
    return host;
}

unsigned Inventory::branch() const { return parse_number<unsigned>(split(version, '.').front()).value_or(0); }

DriverParameters read_parameters(const Host& host) {
    return parse_parameters(fact(host, "/proc/driver/nvidia/params").value_or(""));
}

Majors read_majors(const Host& host) { return parse_majors(fact(host, "/proc/devices").value_or("")); }

bool driver_loaded(const Host& host) {
    return static_cast<bool>(sys::try_open_at(host.root, "/proc/driver/nvidia/version", O_PATH, Resolve::in_root));
}

std::optional<std::string> parse_driver_version(std::string_view text) {
    const auto begin = text.find("Kernel Module");
    if (begin == std::string_view::npos) return std::nullopt;
    for (const auto word : words(text.substr(begin, text.find('\n', begin) - begin)))
        if (is_version(word)) return std::string(word);
    return std::nullopt;
}

Majors parse_majors(std::string_view text) {
    struct Row {
        std::string_view name;
        unsigned Majors::*member;
    };
    // "nvidia" is called "nvidia-frontend" before driver 550.
    constexpr Row rows[] = {
        {"nvidia", &Majors::nvidia},
        {"nvidia-frontend", &Majors::nvidia},
        {"nvidia-uvm", &Majors::uvm},
        {"nvidia-caps", &Majors::caps},
        {"nvidia-caps-imex-channels", &Majors::imex},
        {"nvidia-nvswitch", &Majors::nvswitch},
        {"nvidia-nvlink", &Majors::nvlink},
        {"nvidia-fs", &Majors::gds},
        {"gdrdrv", &Majors::gdrcopy},
        {"drm", &Majors::drm},
    };
    Majors majors;
    for (const auto line : split(text.substr(0, text.find("Block devices:")), '\n')) {
        const auto parts = words(line);
        if (parts.size() != 2) continue;
        const auto number = parse_number<unsigned>(parts[0]);
        const auto row =
            std::find_if(std::begin(rows), std::end(rows), [&](const Row& each) { return each.name == parts[1]; });
        if (number && row != std::end(rows)) majors.*row->member = *number;
    }
    return majors;
}

Gpu parse_gpu(std::string_view information, std::string_view bus_id) {
    Gpu gpu;
    gpu.bus_id = lower(bus_id);
    for_each_pair(information, [&](std::string_view key, std::string_view value) {
        if (key == "Model") gpu.model = value;
        // Question marks until the GPU is initialised.
        if (key == "GPU UUID" && value.find('?') == std::string_view::npos) gpu.uuid = value;
        if (key == "Device Minor") gpu.minor = parse_number<unsigned>(value).value_or(0);
        if (key == "GPU Excluded") gpu.excluded = value == "Yes";
    });
    return gpu;
}

std::string write_gpus(const std::vector<Gpu>& gpus) {
    std::string text;
    for (const auto& gpu : gpus)
        text += format("{} {} {} {} {}\n", gpu.bus_id, gpu.minor, gpu.excluded ? "excluded" : "usable", gpu.uuid,
                       gpu.model);
    return text;
}

std::optional<std::vector<Gpu>> parse_gpus(std::string_view text) {
    std::vector<Gpu> gpus;
    for (const auto line : split(text, '\n')) {
        if (line.empty()) continue;
        const auto parts = split(line, ' ');
        const auto minor = parts.size() >= 5 ? parse_number<unsigned>(parts[1]) : std::nullopt;
        if (!minor || (parts[2] != "excluded" && parts[2] != "usable")) return std::nullopt;
        gpus.push_back({.minor = *minor,
                        .bus_id = std::string(parts[0]),
                        .uuid = std::string(parts[3]),
                        .model = std::string(line.substr(static_cast<std::size_t>(parts[4].data() - line.data()))),
                        .excluded = parts[2] == "excluded",
                        .mig = {}});
    }
    return gpus;
}

std::optional<CapabilityNode> parse_capability(std::string_view text) {
    CapabilityNode node;
    bool found = false;
    for_each_pair(text, [&](std::string_view key, std::string_view value) {
        const auto number = parse_number<std::uint32_t>(value);
        if (!number) return;
        if (key == "DeviceFileMinor") {
            node.minor = *number;
            found = true;
        }
        if (key == "DeviceFileMode") node.mode = *number & 0777;
    });
    if (!found) return std::nullopt;
    return node;
}

std::optional<CapabilityNode> read_capability(const Host& host, const std::string& path) {
    const auto text = fact(host, "/proc/driver/nvidia/capabilities/" + path);
    return text ? parse_capability(*text) : std::nullopt;
}

std::vector<std::string> drm_nodes(const Host& host, const std::string& bus_id) {
    std::vector<std::string> nodes;
    for (auto& name : sys::list_directory(host.root, format("/sys/bus/pci/devices/{}/drm", bus_id), Resolve::in_root))
        if (numbered(name, "card") || name.starts_with("render")) nodes.push_back(std::move(name));
    std::sort(nodes.begin(), nodes.end());
    return nodes;
}

std::optional<Inventory> inventory(const std::string& host_root) { return read_inventory(open_host(host_root)); }

std::optional<Inventory> read_inventory(const Host& host) {
    const auto version = fact(host, "/proc/driver/nvidia/version");
    if (!version) return std::nullopt;
    Inventory inventory;
    auto number = parse_driver_version(*version);
    if (!number) {
        const auto module = fact(host, "/sys/module/nvidia/version");
        if (!module || !is_version(trim(*module)))
            throw Error(
                format("/proc/driver/nvidia/version: expected \"... Kernel Module ... 580.65.06 ...\", found \"{}\"",
                       std::string_view(*version).substr(0, version->find('\n'))));
        number = std::string(trim(*module));
    }
    inventory.version = std::move(*number);
    inventory.open_module = version->find("Open Kernel Module") != std::string::npos;
    inventory.majors = read_majors(host);
    inventory.parameters = read_parameters(host);
    read_gpus(host, inventory);
    return inventory;
}

}  // namespace gpurun::gpu
