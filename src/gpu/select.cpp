#include "gpu/select.h"

#include <gpurun/error.h>

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "base/text.h"

namespace gpurun::gpu {
namespace {

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

bool same(std::string_view a, std::string_view b) { return lower(a) == lower(b); }

// "0000:3b:00.0" of any spelling with domain, bus, device and function in hex; the domain may be left out or have eight
// digits.
std::optional<std::string> canonical_bus_id(std::string_view text) {
    auto parts = split(text, ':');
    if (parts.size() == 2) parts.insert(parts.begin(), "0");
    if (parts.size() != 3) return std::nullopt;
    const auto device = split(parts[2], '.');
    if (device.size() != 2) return std::nullopt;
    const auto domain = parse_number<unsigned>(parts[0], 16);
    const auto bus = parse_number<unsigned>(parts[1], 16);
    const auto slot = parse_number<unsigned>(device[0], 16);
    const auto function = parse_number<unsigned>(device[1], 16);
    if (!domain || !bus || !slot || !function) return std::nullopt;
    return format("{:04x}:{:02x}:{:02x}.{:x}", *domain, *bus, *slot, *function);
}

// A chosen GPU and which of its instances: `all` of them, or those marked.
struct Choice {
    bool chosen = false;
    bool all = false;
    std::vector<bool> instances;
};

class Resolver {
 public:
    Resolver(const Inventory& inventory, NvmlSource& nvml)
        : inventory_(inventory), nvml_(nvml), choices_(inventory.gpus.size()) {
        for (std::size_t i = 0; i < choices_.size(); ++i) choices_[i].instances.resize(inventory.gpus[i].mig.size());
    }

    void choose_all() {
        for (auto& choice : choices_) choice.chosen = choice.all = true;
    }

    void choose(const std::string& id, const std::string& origin) {
        const bool found = id.starts_with("MIG-") ? choose_mig_uuid(id) : choose_gpu(id) || choose_mig_index(id);
        if (!found) throw Error(unknown(id, origin));
    }

    Selection result() const {
        Selection selection;
        for (std::size_t i = 0; i < choices_.size(); ++i) {
            if (!choices_[i].chosen) continue;
            Gpu gpu = inventory_.gpus[i];
            if (!choices_[i].all) {
                gpu.mig.clear();
                for (std::size_t j = 0; j < choices_[i].instances.size(); ++j)
                    if (choices_[i].instances[j]) gpu.mig.push_back(inventory_.gpus[i].mig[j]);
            }
            selection.gpus.push_back(std::move(gpu));
        }
        selection.whole = selection.gpus.size() == inventory_.gpus.size();
        return selection;
    }

 private:
    template <typename Predicate>
    bool choose_if(Predicate predicate) {
        for (std::size_t i = 0; i < choices_.size(); ++i)
            if (predicate(inventory_.gpus[i])) {
                choices_[i].chosen = choices_[i].all = true;
                return true;
            }
        return false;
    }

    bool choose_gpu(const std::string& id) {
        if (const auto index = parse_number<unsigned>(id))
            return choose_if([&](const Gpu& gpu) { return gpu.index == *index; });
        if (id.starts_with("GPU-") || id.starts_with("gpu-")) {
            if (choose_if([&](const Gpu& gpu) { return same(gpu.uuid, id); })) return true;
            // The kernel does not tell the UUID of a GPU that nobody has used since the driver was loaded.
            const auto nameless = [](const Gpu& gpu) { return gpu.uuid.empty(); };
            if (std::none_of(inventory_.gpus.begin(), inventory_.gpus.end(), nameless)) return false;
            for (const auto& known : facts())
                if (same(known.uuid, id))
                    return choose_if([&](const Gpu& gpu) { return same(gpu.bus_id, known.bus_id); });
            return false;
        }
        const auto bus_id = canonical_bus_id(id);
        return bus_id && choose_if([&](const Gpu& gpu) { return gpu.bus_id == *bus_id; });
    }

    bool choose_instance(std::size_t gpu, unsigned gpu_instance, unsigned compute_instance) {
        const auto& instances = inventory_.gpus[gpu].mig;
        for (std::size_t j = 0; j < instances.size(); ++j)
            if (instances[j].gpu_instance == gpu_instance && instances[j].compute_instance == compute_instance) {
                choices_[gpu].chosen = choices_[gpu].instances[j] = true;
                return true;
            }
        return false;
    }

    // GPU:MIG, both counted from 0. Which instance NVML counts first is not documented, so that it is asked where there
    // are several; by the numbers of the instances is what is known to be seen.
    bool choose_mig_index(const std::string& id) {
        const auto parts = split(id, ':');
        if (parts.size() != 2) return false;
        const auto gpu = parse_number<std::size_t>(parts[0]);
        const auto instance = parse_number<std::size_t>(parts[1]);
        if (!gpu || !instance || *gpu >= choices_.size() || *instance >= choices_[*gpu].instances.size()) return false;
        if (choices_[*gpu].instances.size() > 1)
            if (const auto* counted = counted_by_nvml(inventory_.gpus[*gpu].bus_id))
                return *instance < counted->size() && choose_instance(*gpu, (*counted)[*instance].gpu_instance,
                                                                      (*counted)[*instance].compute_instance);
        choices_[*gpu].chosen = choices_[*gpu].instances[*instance] = true;
        return true;
    }

    const std::vector<NvmlMig>* counted_by_nvml(const std::string& bus_id) {
        try {
            for (const auto& known : facts())
                if (same(known.bus_id, bus_id)) return &known.mig;
        } catch (const Error& error) {
            log::warning("gpu: {}: MIG devices are counted by their instances' numbers", error.text());
        }
        return nullptr;
    }

    // MIG-GPU-UUID/GI/CI of drivers before 470 says everything; MIG-UUID is a hash that only NVML can tell.
    bool choose_mig_uuid(const std::string& id) {
        if (const auto parts = split(id, '/'); parts.size() == 3) {
            const auto gpu_instance = parse_number<unsigned>(parts[1]);
            const auto compute_instance = parse_number<unsigned>(parts[2]);
            const auto uuid = parts[0].substr(4);
            for (std::size_t i = 0; i < choices_.size(); ++i)
                if (gpu_instance && compute_instance && same(inventory_.gpus[i].uuid, uuid))
                    return choose_instance(i, *gpu_instance, *compute_instance);
            return false;
        }
        const auto divided = [](const Gpu& gpu) { return !gpu.mig.empty(); };
        if (std::none_of(inventory_.gpus.begin(), inventory_.gpus.end(), divided)) return false;
        for (const auto& known : facts())
            for (const auto& mig : known.mig) {
                if (!same(mig.uuid, id)) continue;
                for (std::size_t i = 0; i < choices_.size(); ++i)
                    if (same(inventory_.gpus[i].bus_id, known.bus_id))
                        return choose_instance(i, mig.gpu_instance, mig.compute_instance);
            }
        return false;
    }

    const NvmlFacts& facts() {
        if (!facts_) facts_ = nvml_.ask();
        return *facts_;
    }

    std::string unknown(const std::string& id, const std::string& origin) const {
        const std::size_t count = inventory_.gpus.size();
        std::string there = count == 0   ? "this machine has none"
                            : count == 1 ? "this machine has GPU 0"
                                         : format("this machine has GPUs 0 to {}", count - 1);
        for (const auto& gpu : inventory_.excluded)
            if (same(gpu.uuid, id) || canonical_bus_id(id) == gpu.bus_id)
                there = format("{} is excluded from use by the driver", gpu.bus_id);
        return format("unknown GPU device \"{}\" in {}: {} (`gpurun gpu list` shows names and UUIDs)", id, origin,
                      there);
    }

    const Inventory& inventory_;
    NvmlSource& nvml_;
    std::vector<Choice> choices_;
    std::optional<NvmlFacts> facts_;
};

}  // namespace

Selection select(const Inventory& inventory, const Request& request, NvmlSource& nvml) {
    Resolver resolver(inventory, nvml);
    if (request.all) {
        if (inventory.gpus.empty() && !request.implied)
            throw Error(format(
                "the NVIDIA driver {} is loaded but has no usable GPU for {} (`gpurun gpu list` shows what is there)",
                inventory.version, request.origin));
        resolver.choose_all();
    }
    for (const auto& id : request.ids) resolver.choose(id, request.origin);
    return resolver.result();
}

}  // namespace gpurun::gpu
