#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/text.h"
#include "cli/command.h"
#include "cli/setup.h"
#include "sys/file.h"

namespace gpurun::cli {
namespace {

constexpr Option setup_options[] = {{"default", 0, false, "make gpurun what the engine uses unless told otherwise"},
                                    {"remove", 0, false, "take out what setup put in"},
                                    {"dry-run", 0, false, "print the new configuration, change nothing"},
                                    {"file", 'f', true, "another configuration file than the engine's usual one"},
                                    {"program", 0, true, "path of the gpurun to register; this one by default"}};

struct Engine {
    std::string_view name;
    const char* file;
    std::string (*edit)(std::string_view text, const Registration& registration);
    const char* after;  ///< What makes the engine read it.
};

constexpr Engine engines[] = {
    {"docker", "/etc/docker/daemon.json", register_with_docker,
     "systemctl reload docker, or restart it where the default changed"},
    {"containerd", "/etc/containerd/config.toml", register_with_containerd, "systemctl restart containerd"},
    {"crio", "/etc/crio/crio.conf.d/99-gpurun.conf", register_with_crio, "systemctl restart crio"},
    {"podman", "/etc/containers/containers.conf.d/99-gpurun.conf", register_with_podman, ""}};

const Engine& find_engine(const std::string& name) {
    std::vector<std::string> names;
    for (const auto& engine : engines) {
        if (engine.name == name) return engine;
        names.emplace_back(engine.name);
    }
    throw Error(format("unknown engine \"{}\": want {}", name, join(names, ", ")));
}

std::string own_program() {
    const auto path = sys::try_read_link(sys::FdRef(AT_FDCWD), "/proc/self/exe");
    if (!path || !path->starts_with('/')) throw Error("the path of this program is not known; give it with --program");
    return *path;
}

/// Writes the new text beside the old one, which stays as FILE~, and puts it in its place at once.
void replace(const std::string& file, const std::optional<std::string>& before, const std::string& after) {
    const std::string folder(parent_of(file));
    sys::make_directories(folder);
    const sys::Fd directory = sys::open(folder, O_PATH | O_DIRECTORY);
    const std::string name(base_name(file));
    unsigned mode = 0644;
    if (const auto facts = sys::try_stat(directory, name)) mode = facts->st_mode & 07777;
    if (before) sys::replace_file_at(directory, name + "~", *before, mode);
    if (!after.empty())
        sys::replace_file_at(directory, name, after, mode);
    else if (::unlinkat(directory.get(), name.c_str(), 0) != 0)
        throw Error(errno, format("unlink({})", file));
}

int setup(const container::Context&, const Arguments& arguments) {
    const Engine& engine = find_engine(arguments.positionals.at(0));
    Registration registration{.file = arguments.optional("file").value_or(engine.file),
                              .program = arguments.optional("program").value_or(""),
                              .is_default = arguments.has("default"),
                              .remove = arguments.has("remove")};
    if (registration.program.empty()) registration.program = own_program();
    if (!registration.program.starts_with('/'))
        throw Error(
            format("--program {}: want an absolute path, engines start it from anywhere", registration.program));
    if (registration.is_default && registration.remove) throw Error("--default and --remove exclude each other");

    // A configuration that is a symbolic link stays one: its target is edited.
    std::string file = registration.file;
    if (const auto target = sys::try_read_link(sys::FdRef(AT_FDCWD), file))
        file = target->starts_with('/') ? *target : format("{}/{}", parent_of(file), *target);
    std::optional<std::string> before;
    if (sys::exists(file)) before = sys::read_file(file);
    const std::string after = engine.edit(before.value_or(""), registration);
    if (arguments.has("dry-run")) return print(after), 0;
    if (after == before.value_or("")) return print(format("{}: {} is as wanted already\n", engine.name, file)), 0;
    replace(file, before, after);
    print(format("{}: {} {}{}\n", engine.name, after.empty() ? "removed" : "wrote", file,
                 before ? format("; before: {}~", file) : ""));
    if (*engine.after != '\0') print(format("To use it: {}\n", engine.after));
    return 0;
}

}  // namespace

const Command setup_command{.name = "setup",
                            .usage = "[options] docker|containerd|crio|podman",
                            .summary = "register gpurun with a container engine",
                            .options = setup_options,
                            .order = Order::any,
                            .fewest = 1,
                            .most = 1,
                            .protects = false,
                            .run = setup};

}  // namespace gpurun::cli
