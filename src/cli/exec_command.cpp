#include <gpurun/error.h>

#include "base/text.h"
#include "cli/command.h"

namespace gpurun::cli {
namespace {

constexpr Option options[] = {{"process", 'p', true, "process.json to run"},
                              {"tty", 't', false, "give it a terminal"},
                              {"env", 'e', true, "NAME=value; may be repeated"},
                              {"cwd", 0, true, "working directory"},
                              {"user", 'u', true, "UID[:GID]"},
                              {"additional-gids", 'g', true, "further group; may be repeated"},
                              {"cap", 'c', true, "further capability; may be repeated"},
                              {"no-new-privs", 0, false, "set no_new_privs"},
                              {"apparmor", 0, true, "AppArmor profile"},
                              {"process-label", 0, true, "SELinux label"},
                              {"detach", 'd', false, "return as soon as it runs"},
                              {"pid-file", 0, true, "file to write its pid to"},
                              {"console-socket", 0, true, "socket that gets the pty's master"},
                              {"pidfd-socket", 0, true, "socket that gets its pidfd"},
                              {"preserve-fds", 0, true, "pass file descriptors 3 to 2+VALUE on"},
                              {"cgroup", 0, true, "cgroup below the container's; v1: CONTROLLER[,CONTROLLER]:PATH"},
                              {"ignore-paused", 0, false, "allow it in a paused container"},
                              {"no-subreaper", 0, false, "accepted for runc's sake"}};

void set_user(container::ExecOptions& exec, const std::string& text) {
    const auto parts = split(text, ':');
    const auto uid = parse_number<std::uint32_t>(parts[0]);
    const auto gid = parts.size() > 1 ? parse_number<std::uint32_t>(parts[1]) : std::optional<std::uint32_t>(0);
    if (!uid || !gid || parts.size() > 2) throw Error(format("--user {}: want UID or UID:GID in numbers", text));
    exec.uid = *uid;
    if (parts.size() > 1) exec.gid = *gid;
}

int run(const container::Context& context, const Arguments& arguments) {
    container::ExecOptions exec{.id = arguments.positionals.at(0),
                                .process_file = arguments.value("process"),
                                .args = {arguments.positionals.begin() + 1, arguments.positionals.end()},
                                .env = arguments.values("env"),
                                .cwd = arguments.optional("cwd"),
                                .apparmor = arguments.optional("apparmor"),
                                .selinux_label = arguments.optional("process-label"),
                                .capabilities = arguments.values("cap"),
                                .tty = arguments.has("tty"),
                                .no_new_privileges = arguments.has("no-new-privs"),
                                .detach = arguments.has("detach"),
                                .ignore_paused = arguments.has("ignore-paused"),
                                .console_socket = arguments.value("console-socket"),
                                .pid_file = arguments.value("pid-file"),
                                .pidfd_socket = arguments.value("pidfd-socket"),
                                .cgroup_path = join(arguments.values("cgroup"), " "),
                                .preserve_fds = arguments.number("preserve-fds", 0)};
    if (arguments.has("user")) set_user(exec, arguments.value("user"));
    for (const auto& gid : arguments.values("additional-gids")) {
        const auto number = parse_number<std::uint32_t>(gid);
        if (!number) throw Error(format("--additional-gids {}: want a number", gid));
        exec.additional_gids.push_back(*number);
    }
    if (exec.process_file.empty() && exec.args.empty())
        throw Error("exec needs a program, or --process with a process.json");
    return container::exec(context, exec);
}

}  // namespace

const Command exec_command{.name = "exec",
                           .usage = "[OPTION]... CONTAINER PROGRAM [argument …]",
                           .summary = "run a further program in a container",
                           .options = options,
                           .order = Order::options_first,
                           .fewest = 1,
                           .most = 100000,
                           .protects = true,
                           .run = run,
                           .failure = 255};

}  // namespace gpurun::cli
