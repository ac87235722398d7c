#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "cli/columns.h"
#include "cli/command.h"
#include "sys/file.h"
#include "sys/passwd.h"
#include "sys/process.h"

namespace gpurun::cli {
namespace {

constexpr Option list_options[] = {{"format", 'f', true, "table or json"}, {"quiet", 'q', false, "ids only"}};

// The user's name of a uid; the number itself when it has none.
std::string user_name(std::uint32_t uid) {
    const auto entry = sys::try_passwd_entry(uid);
    return entry ? entry->name : format("#{}", uid);
}

int list(const container::Context& context, const Arguments& arguments) {
    const std::string wanted = output_format(arguments);
    if (!sys::exists(context.root)) {
        if (context.root != state::default_root()) throw Error(ENOENT, format("directory of records {}", context.root));
        if (wanted == "json" && !arguments.has("quiet"))
            print("null");
        else if (wanted == "table" && !arguments.has("quiet"))
            print(columns({{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}}));
        return 0;
    }
    const auto summaries = container::list(context);
    std::string text;
    if (arguments.has("quiet")) {
        for (const auto& summary : summaries) text += summary.record.id + "\n";
    } else if (wanted == "json") {
        std::vector<std::string> items;
        for (const auto& summary : summaries)
            items.push_back(container::to_json(summary, user_name(summary.record.owner), false));
        text = summaries.empty() ? "null" : "[" + join(items, ",") + "]";
    } else {
        std::vector<std::vector<std::string>> rows{{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
        for (const auto& [record, status] : summaries)
            rows.push_back({record.id, std::to_string(status == spec::Status::stopped ? 0 : record.pid),
                            spec::name(status), record.bundle, record.created, user_name(record.owner)});
        text = columns(rows);
    }
    print(text);
    return 0;
}

int state(const container::Context& context, const Arguments& arguments) {
    const auto summary = container::state(context, arguments.positionals.at(0));
    print(container::to_json(summary, summary.record.owner == 0 ? "" : user_name(summary.record.owner), true) + "\n");
    return 0;
}

constexpr Option ps_options[] = {{"format", 'f', true, "table or json"}};

constexpr std::size_t most_ps_prints = 256u << 20;  // A busy host has long command lines by the thousand.

// The host's ps, cut down to the container's processes: any of ps's own options may follow.
std::string ps_columns(const std::vector<int>& pids, std::vector<std::string> arguments) {
    if (arguments.empty()) arguments = {"-ef"};
    arguments.insert(arguments.begin(), "ps");
    std::string path;
    for (const char* candidate : {"/bin/ps", "/usr/bin/ps"})
        if (path.empty() && sys::exists(candidate)) path = candidate;
    if (path.empty()) throw Error("ps is not installed; use --format json, or install procps");
    const auto finished = sys::run_program({.path = path, .arguments = arguments, .output_limit = most_ps_prints});
    if (finished.exit_code != 0) throw Error("ps: " + finished.output);
    const auto lines = split(finished.output, '\n');
    const auto header = words(lines.front());
    const auto column = std::find(header.begin(), header.end(), "PID") - header.begin();
    if (static_cast<std::size_t>(column) == header.size()) throw Error("couldn't find PID field in ps output");
    std::string text = std::string(lines.front()) + "\n";
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto fields = words(lines[i]);
        if (fields.size() <= static_cast<std::size_t>(column)) continue;
        const auto pid = parse_number<int>(fields[static_cast<std::size_t>(column)]);
        if (pid && std::find(pids.begin(), pids.end(), *pid) != pids.end()) text += std::string(lines[i]) + "\n";
    }
    return text;
}

int ps(const container::Context& context, const Arguments& arguments) {
    const std::string wanted = output_format(arguments);
    const auto pids = container::processes(context, arguments.positionals.at(0));
    if (wanted == "json") {
        std::vector<std::string> numbers;
        for (const int pid : pids) numbers.push_back(std::to_string(pid));
        print("[" + join(numbers, ",") + "]\n");
        return 0;
    }
    print(ps_columns(pids, {arguments.positionals.begin() + 1, arguments.positionals.end()}));
    return 0;
}

constexpr Option spec_options[] = {{"bundle", 'b', true, "directory to write to"},
                                   {"config", 'f', true, "another name for config.json"},
                                   {"rootless", 0, false, "for a container without root"}};

std::string default_config(const Arguments& arguments) {
    const bool v2 = cgroup::probe().layout == cgroup::Layout::v2;
    return spec::default_config(arguments.has("rootless") ? spec::Privilege::rootless : spec::Privilege::root,
                                v2 ? spec::CgroupNamespace::own : spec::CgroupNamespace::hosts);
}

int write_spec(const container::Context&, const Arguments& arguments) {
    const std::string name = arguments.has("config") ? arguments.value("config") : "config.json";
    const std::string path = arguments.has("bundle") ? arguments.value("bundle") + "/" + name : name;
    if (sys::exists(path)) throw Error(format("file {} exists. Remove it first", path));
    const sys::Fd file = sys::open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    sys::write_all(file, default_config(arguments) + "\n", path);
    return 0;
}

}  // namespace

void print(std::string_view text) { sys::write_all(sys::FdRef(STDOUT_FILENO), text, "standard output"); }

const Command list_command{.name = "list",
                           .usage = "[OPTION]...",
                           .summary = "list containers",
                           .options = list_options,
                           .order = Order::any,
                           .fewest = 0,
                           .most = 0,
                           .protects = false,
                           .run = list};
const Command state_command{.name = "state",
                            .usage = "CONTAINER",
                            .summary = "print a container's state as JSON",
                            .options = {},
                            .order = Order::any,
                            .fewest = 1,
                            .most = 1,
                            .protects = false,
                            .run = state};
const Command ps_command{.name = "ps",
                         .usage = "[OPTION]... CONTAINER [OPTION OF PS]...",
                         .summary = "list a container's processes",
                         .options = ps_options,
                         .order = Order::options_first,
                         .fewest = 1,
                         .most = 100,
                         .protects = false,
                         .run = ps};
const Command spec_command{.name = "spec",
                           .usage = "[OPTION]...",
                           .summary = "write a default config.json",
                           .options = spec_options,
                           .order = Order::any,
                           .fewest = 0,
                           .most = 0,
                           .protects = false,
                           .run = write_spec};

}  // namespace gpurun::cli
