#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <string>

#include "base/log.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/setup.h"
#include "sys/file.h"
#include "sys/own_program.h"

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
    const char* after;           ///< What makes the engine read it.
    const char* link = nullptr;  ///< A name for gpurun without which the engine does not offer GPUs.
};

constexpr Engine engines[] = {
    {"docker", "/etc/docker/daemon.json", register_with_docker, "systemctl restart docker",
     "/usr/local/bin/nvidia-container-runtime-hook"},
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
    std::string path = sys::own_program();
    if (!path.starts_with('/')) throw Error("the path of this program is not known; give it with --program");
    return path;
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

// Where services look for programs.
constexpr const char* program_folders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                           "/usr/bin",        "/sbin",          "/bin"};

bool is_ours(const std::string& link) {
    const auto target = sys::try_read_link(sys::FdRef(AT_FDCWD), link);
    return target && base_name(*target) == "gpurun";
}

/// Makes or removes the engine's name for gpurun; what it did, or "". A program of that name that is not gpurun stays:
/// the engine only wants to see it, gpurun does its work either way.
std::string set_link(const Engine& engine, const Registration& registration, bool dry_run) {
    if (engine.link == nullptr) return {};
    const std::string link = engine.link, name(base_name(link));
    const auto target = sys::try_read_link(sys::FdRef(AT_FDCWD), link);
    if (registration.remove) {
        if (!is_ours(link)) return {};
        if (!dry_run && ::unlink(link.c_str()) != 0) throw Error(errno, format("unlink({})", link));
        return format("{}: removed {}\n", engine.name, link);
    }
    if (target == registration.program) return {};
    for (const std::string folder : program_folders)
        if (sys::exists(folder + "/" + name) && !is_ours(folder + "/" + name)) return {};
    if (dry_run) return format("{}: would link {} to {}\n", engine.name, link, registration.program);
    sys::make_directories(std::string(parent_of(link)));
    const std::string fresh = link + "~";
    ::unlink(fresh.c_str());
    if (::symlink(registration.program.c_str(), fresh.c_str()) != 0 || ::rename(fresh.c_str(), link.c_str()) != 0)
        throw Error(errno, format("link {}", link));
    return format("{}: linked {} to {}, so that docker run --gpus works\n", engine.name, link, registration.program);
}

/// A configuration that is a symbolic link stays one: its target is edited.
std::string real_file(const std::string& file) {
    char path[PATH_MAX];
    return ::realpath(file.c_str(), path) != nullptr ? path : file;
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

    const std::string file = real_file(registration.file);
    std::optional<std::string> before;
    if (sys::exists(file)) before = sys::read_file(file);
    const std::string after = engine.edit(before.value_or(""), registration);
    if (arguments.has("dry-run")) {
        print(after);
        if (const std::string link = set_link(engine, registration, true); !link.empty())
            log::warning("{}", trim(link));
        return 0;
    }
    const std::string linked = set_link(engine, registration, false);
    if (after == before.value_or("")) {
        print(linked.empty() ? format("{}: {} is as wanted already\n", engine.name, file) : linked);
        if (linked.empty()) return 0;
    } else {
        replace(file, before, after);
        print(format("{}{}: {} {}{}\n", linked, engine.name, after.empty() ? "removed" : "wrote", file,
                     before ? format("; before: {}~", file) : ""));
    }
    if (*engine.after != '\0') print(format("To use it: {}\n", engine.after));
    return 0;
}

}  // namespace

const Command setup_command{.name = "setup",
                            .usage = "[OPTION]... docker|containerd|crio|podman",
                            .summary = "register gpurun with a container engine",
                            .options = setup_options,
                            .order = Order::any,
                            .fewest = 1,
                            .most = 1,
                            .protects = false,
                            .run = setup};

}  // namespace gpurun::cli
