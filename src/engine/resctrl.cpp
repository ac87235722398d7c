#include "engine/resctrl.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::engine {
namespace {

constexpr std::uint64_t resctrl_magic = 0x7655821;
constexpr const char* mount_point = "/sys/fs/resctrl";

std::vector<std::string> schemata_lines(const spec::IntelRdt& rdt) {
    std::vector<std::string> lines;
    for (const auto* text : {&rdt.l3_cache_schema, &rdt.mem_bw_schema})
        for (const auto line : split(*text, '\n'))
            if (!line.empty()) lines.emplace_back(line);
    lines.insert(lines.end(), rdt.schemata.begin(), rdt.schemata.end());
    return lines;
}

bool holds(const std::string& schemata, const std::string& line) {
    for (const auto existing : split(schemata, '\n'))
        if (trim(existing) == trim(line)) return true;
    return false;
}

}  // namespace

std::string join_resctrl(const spec::IntelRdt& rdt, const std::string& id, int pid, Undo& undo) {
    const sys::Fd root = sys::try_open(mount_point, O_PATH | O_DIRECTORY);
    if (!root || sys::filesystem_magic(root) != resctrl_magic)
        throw Error(format("linux.intelRdt: resctrl is not mounted at {}; mount it or remove intelRdt", mount_point));
    const bool is_root_group = rdt.clos_id == "/";
    const std::string name = rdt.clos_id.empty() ? id : rdt.clos_id;
    const std::string group = is_root_group ? mount_point : format("{}/{}", mount_point, name);
    const auto lines = schemata_lines(rdt);
    bool made = false;
    if (!is_root_group) {
        made = ::mkdir(group.c_str(), 0755) == 0;
        if (!made && errno != EEXIST) throw Error(errno, "mkdir " + group);
        if (made && !rdt.clos_id.empty() && lines.empty()) {
            ::rmdir(group.c_str());
            throw Error(
                format("linux.intelRdt.closID: group {} does not exist and no schema is given to make it with", name));
        }
        if (made) undo.push([group] { ::rmdir(group.c_str()); });
    }
    const std::string current = sys::read_file(group + "/schemata");
    for (const auto& line : lines) {
        if (made || rdt.clos_id.empty())
            sys::write_file(group + "/schemata", line + "\n");
        else if (!holds(current, line))
            throw Error(format("linux.intelRdt: group {} exists with other schemata than \"{}\"", name, line));
    }
    sys::write_file(group + "/tasks", std::to_string(pid));
    if (!rdt.enable_monitoring) return made && rdt.clos_id.empty() ? group : "";
    const std::string monitor = format("{}/mon_groups/{}", group, id);
    if (::mkdir(monitor.c_str(), 0755) != 0 && errno != EEXIST) throw Error(errno, "mkdir " + monitor);
    undo.push([monitor] { ::rmdir(monitor.c_str()); });
    sys::write_file(monitor + "/tasks", std::to_string(pid));
    return made && rdt.clos_id.empty() ? group : monitor;
}

}  // namespace gpurun::engine
