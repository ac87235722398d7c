#include "engine/resctrl.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/text.h"
#include "engine/engine.h"
#include "sys/file.h"

namespace gpurun::engine {
namespace {

constexpr std::uint64_t resctrl_magic = 0x7655821;
constexpr const char* mount_point = "/sys/fs/resctrl";

// The MB: lines of l3CacheSchema give way to memBwSchema. config-linux.md#intelrdt
std::vector<std::string> schemata_lines(const spec::IntelRdt& rdt) {
    std::vector<std::string> lines;
    for (const auto line : split(rdt.l3_cache_schema, '\n'))
        if (!line.empty() && (rdt.mem_bw_schema.empty() || !trim(line).starts_with("MB:"))) lines.emplace_back(line);
    if (!rdt.mem_bw_schema.empty()) lines.push_back(rdt.mem_bw_schema);
    lines.insert(lines.end(), rdt.schemata.begin(), rdt.schemata.end());
    return lines;
}

void require_resctrl() {
    const sys::Fd root = sys::try_open(mount_point, O_PATH | O_DIRECTORY);
    if (!root || sys::filesystem_magic(root) != resctrl_magic)
        throw Error(format("linux.intelRdt: resctrl is not mounted at {}; mount it or remove intelRdt", mount_point));
}

std::string group_of(const std::string& root, const spec::IntelRdt& rdt, const std::string& id) {
    if (rdt.clos_id == "/") return root;
    return format("{}/{}", root, rdt.clos_id.empty() ? id : rdt.clos_id);
}

std::string monitor_of(const std::string& root, const spec::IntelRdt& rdt, const std::string& id) {
    return format("{}/mon_groups/{}", group_of(root, rdt, id), id);
}

// True when the directory is new.
bool make_group(const spec::IntelRdt& rdt, const std::string& group, bool has_schemata, Undo& undo) {
    if (rdt.clos_id == "/") return false;
    if (!rdt.clos_id.empty() && !has_schemata) {
        if (sys::exists(group)) return false;
        throw Error(format("linux.intelRdt.closID: group {} does not exist and no schema is given to make it with",
                           rdt.clos_id));
    }
    if (::mkdir(group.c_str(), 0755) != 0) {
        if (errno == EEXIST) return false;
        throw Error(errno, "mkdir " + group);
    }
    undo.push([group] { ::rmdir(group.c_str()); });
    return true;
}

// One write each: the kernel names the line that it refuses.
void set_schemata(const spec::IntelRdt& rdt, const std::string& group, bool made) {
    const auto lines = schemata_lines(rdt);
    if (lines.empty()) return;
    const bool compare = !made && !rdt.clos_id.empty();
    const std::string current = compare ? sys::read_file(group + "/schemata") : std::string();
    for (const auto& line : lines) {
        if (!compare)
            sys::write_file(group + "/schemata", line + "\n");
        else if (!agrees(current, line))
            throw Error(format("linux.intelRdt: group {} exists with other schemata than \"{}\"", rdt.clos_id, line));
    }
}

/// "0=f": what a schemata line says of one domain. Values are hexadecimal for caches, decimal for memory bandwidth;
/// without leading zeros they can be compared as text.
std::string_view value_in(std::string_view line, std::string_view domain) {
    for (const auto entry : split(line.substr(line.find(':') + 1), ';')) {
        const auto equals = entry.find('=');
        if (equals == std::string_view::npos || trim(entry.substr(0, equals)) != domain) continue;
        const auto value = trim(entry.substr(equals + 1));
        const auto first = value.find_first_not_of('0');
        return first == std::string_view::npos ? std::string_view("0") : value.substr(first);
    }
    return {};
}

std::string_view kind_of(std::string_view line) { return trim(line.substr(0, line.find(':'))); }

}  // namespace

bool agrees(std::string_view schemata, std::string_view line) {
    for (const auto existing : split(schemata, '\n')) {
        if (kind_of(existing) != kind_of(line)) continue;
        for (const auto entry : split(line.substr(line.find(':') + 1), ';')) {
            const auto domain = trim(entry.substr(0, entry.find('=')));
            if (value_in(existing, domain) != value_in(line, domain)) return false;
        }
        return true;
    }
    return false;
}

std::string join_group(const std::string& root, const spec::IntelRdt& rdt, const std::string& id, int pid, Undo& undo) {
    const std::string group = group_of(root, rdt, id);
    const bool made = make_group(rdt, group, !schemata_lines(rdt).empty(), undo);
    set_schemata(rdt, group, made);
    sys::write_file(group + "/tasks", std::to_string(pid));
    const bool goes_with_container = made && rdt.clos_id.empty();
    if (!rdt.enable_monitoring) return goes_with_container ? group : "";
    const std::string monitor = monitor_of(root, rdt, id);
    if (::mkdir(monitor.c_str(), 0755) != 0 && errno != EEXIST) throw Error(errno, "mkdir " + monitor);
    undo.push([monitor] { ::rmdir(monitor.c_str()); });
    sys::write_file(monitor + "/tasks", std::to_string(pid));
    return goes_with_container ? group : monitor;
}

void update_group(const std::string& root, const spec::IntelRdt& rdt, const spec::IntelRdt& changes,
                  const std::string& id) {
    for (const auto& line : schemata_lines(changes))
        sys::write_file(group_of(root, rdt, id) + "/schemata", line + "\n");
}

std::string join_resctrl(const spec::IntelRdt& rdt, const std::string& id, int pid, Undo& undo) {
    require_resctrl();
    return join_group(mount_point, rdt, id, pid, undo);
}

void rejoin_resctrl(const spec::IntelRdt& rdt, const std::string& id, int pid) {
    sys::write_file(group_of(mount_point, rdt, id) + "/tasks", std::to_string(pid));
    if (rdt.enable_monitoring) sys::write_file(monitor_of(mount_point, rdt, id) + "/tasks", std::to_string(pid));
}

void update_resctrl(const spec::IntelRdt& rdt, const spec::IntelRdt& changes, const std::string& id) {
    require_resctrl();
    update_group(mount_point, rdt, changes, id);
}

}  // namespace gpurun::engine
