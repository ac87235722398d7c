#include "gpu/affinity.h"

#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

// "0-31,64-95" of each GPU, once, behind each other: cpuset takes overlapping lists.
std::string lists_of(const std::vector<Gpu>& gpus, const Host& host, std::string_view file) {
    std::vector<std::string> lists;
    for (const auto& gpu : gpus) {
        const auto text = sys::try_read_file_at(host.root, format("/sys/bus/pci/devices/{}/{}", gpu.bus_id, file),
                                                sys::Resolve::in_root, 4096);
        std::string list(text ? trim(*text) : std::string_view());
        // numa_node is -1 where the firmware does not tell.
        if (list.empty() || list.starts_with('-')) return {};
        if (std::find(lists.begin(), lists.end(), list) == lists.end()) lists.push_back(std::move(list));
    }
    return gpurun::join(lists, ",");
}

}  // namespace

void add_affinity(Edits& edits, const spec::Spec& spec, const std::vector<Gpu>& gpus, const Host& host) {
    const auto annotation = spec.annotations.find(affinity_annotation);
    if (annotation == spec.annotations.end()) return;
    for (const auto part : split(annotation->second, ',')) {
        const auto word = trim(part);
        if (word == "cpus")
            edits.cpus = lists_of(gpus, host, "local_cpulist");
        else if (word == "mems")
            edits.mems = lists_of(gpus, host, "numa_node");
        else
            throw Error(
                format("annotation {}={}: expected cpus, mems or cpus,mems", affinity_annotation, annotation->second));
    }
}

}  // namespace gpurun::gpu
