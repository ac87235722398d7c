#include "gpu/cdi_registry.h"

#include <fcntl.h>
#include <gpurun/error.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "gpu/edits.h"
#include "gpu/host_path.h"
#include "json/json.h"
#include "sys/file.h"

namespace gpurun::gpu::cdi {

struct Listed {
    std::string name, file;
};
struct Listing {
    std::vector<Listed> devices;
    std::vector<std::string> problems;
};

}  // namespace gpurun::gpu::cdi

namespace gpurun::json {

using namespace gpurun::gpu;

template <>
struct Fields<cdi::Listed> {
    static constexpr Field value[] = {always<&cdi::Listed::name>("name"), always<&cdi::Listed::file>("file")};
};

template <>
struct Fields<cdi::Listing> {
    static constexpr Field value[] = {always<&cdi::Listing::devices>("devices"),
                                      always<&cdi::Listing::problems>("problems")};
};

}  // namespace gpurun::json

namespace gpurun::gpu::cdi {
namespace {

// One of eight MIG-partitioned GPUs is some 100 KB.
constexpr std::size_t max_file_size = 16u << 20;

}  // namespace

std::vector<std::string> default_directories() { return {"/etc/cdi", "/var/run/cdi"}; }

Registry::Registry(const std::vector<std::string>& directories, const std::string& host_root)
    : directories_(directories) {
    for (std::size_t index = 0; index < directories.size(); ++index)
        read_directory(directories[index], host_root, index);
    std::erase_if(places_, [](const auto& place) { return place.second.is_conflict; });
}

void Registry::read_directory(const std::string& directory, const std::string& host_root, std::size_t priority) {
    std::vector<std::string> files;
    try {
        files = sys::list_directory(sys::FdRef(AT_FDCWD), host_path(host_root, directory));
    } catch (const Error& error) {
        problems_.push_back(error.text());
    }
    std::sort(files.begin(), files.end());
    for (const auto& name : files) {
        if (!name.ends_with(".json") && !name.ends_with(".yaml")) continue;
        const std::string path = directory + "/" + name;
        try {
            // O_NONBLOCK: opening a FIFO must not wait for a writer.
            const sys::Fd file = sys::open(host_path(host_root, path), O_RDONLY | O_NONBLOCK);
            if (!S_ISREG(sys::stat_fd(file).st_mode)) throw Error(path + ": expected a regular file");
            sources_.push_back({path, read(path, sys::read_all(file, path, max_file_size))});
        } catch (const Error& error) {
            problems_.push_back(error.text());
            continue;
        }
        enter(sources_.size() - 1, priority);
    }
}

void Registry::enter(std::size_t source, std::size_t priority) {
    const File& file = sources_[source].file;
    for (std::size_t device = 0; device < file.devices.size(); ++device) {
        const std::string name = file.kind + "=" + file.devices[device].name;
        const auto [place, is_new] = places_.try_emplace(name, Place{source, device, priority, false});
        if (is_new) continue;
        Place& other = place->second;
        if (other.directory != priority) {
            other = {source, device, priority, false};
            continue;
        }
        other.is_conflict = true;
        problems_.push_back(format("{}: {} defines it as well, so neither is used", name,
                                   sources_[other.source].path + " and " + sources_[source].path));
    }
}

std::vector<Name> Registry::names() const {
    std::vector<Name> names;
    for (const auto& [name, place] : places_) names.push_back(*parse_name(name));
    return names;
}

std::string Registry::file_of(const Name& name) const {
    const auto place = places_.find(text_of(name));
    return place == places_.end() ? std::string() : sources_[place->second.source].path;
}

bool Registry::has_kind(std::string_view kind) const {
    const auto next = places_.lower_bound(std::string(kind) + "=");
    return next != places_.end() && std::string_view(next->first).starts_with(std::string(kind) + "=");
}

Edits Registry::resolve(const std::vector<std::string>& names, const Context& context) const {
    std::vector<std::string> unknown;
    for (const auto& name : names)
        if (!places_.contains(name)) unknown.push_back(name);
    if (!unknown.empty()) {
        std::string message = format("unresolvable CDI devices {}: no usable file in {} has them", join(unknown, ", "),
                                     join(directories_, ", "));
        if (!problems_.empty()) message += format(" ({})", join(problems_, "; "));
        throw Error(std::move(message));
    }
    Edits edits;
    std::set<std::size_t> entered;
    std::set<std::string_view> done;
    for (const auto& name : names) {
        if (!done.insert(name).second) continue;
        const Place& place = places_.find(name)->second;
        const Source& source = sources_[place.source];
        try {
            const auto take = [&](const ContainerEdits& part, std::string_view of) {
                Edits more = to_edits(part, context);
                if (context.explain) because_all(more, format("{}, {} {}", source.path, of, name));
                add(edits, std::move(more));
            };
            if (entered.insert(place.source).second)
                take(source.file.container_edits, "for all its devices, asked for as");
            take(source.file.devices[place.device].container_edits, "for its device");
        } catch (Error& error) {
            throw with_context(format("{}: {}", source.path, name), std::move(error));
        }
    }
    return edits;
}

std::string to_json(const Registry& registry) {
    Listing listing{.devices = {}, .problems = registry.problems()};
    for (const auto& name : registry.names()) listing.devices.push_back({text_of(name), registry.file_of(name)});
    return json::write(listing, "  ") + "\n";
}

}  // namespace gpurun::gpu::cdi
