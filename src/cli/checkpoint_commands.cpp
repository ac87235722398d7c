#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"
#include "cli/command.h"

namespace gpurun::cli {
namespace {

// What checkpoint and restore share comes first in both tables.
#define CRIU_OPTIONS                                                                              \
    {"image-path", 0, true, "directory of the images, ./checkpoint by default"},                  \
        {"work-path", 0, true, "directory of CRIU's log, that of the images by default"},         \
        {"tcp-established", 0, false, "allow open TCP connections"},                              \
        {"ext-unix-sk", 0, false, "allow UNIX sockets that lead out of the container"},           \
        {"shell-job", 0, false, "allow a session and a terminal of the caller's"},                \
        {"file-locks", 0, false, "save and restore file locks"},                                  \
        {"auto-dedup", 0, false, "drop pages from images that later ones have as well"},          \
        {"lazy-pages", 0, false, "fetch memory when it is needed (userfaultfd)"},                 \
        {"empty-ns", 0, true, "network: a network namespace without its content"},                \
        {"manage-cgroups-mode", 0, true, "soft (default), full, strict or ignore"}, {             \
        "network-lock", 0, true, "how connections are held meanwhile: iptables, nftables or skip" \
    }

constexpr Option checkpoint_options[] = {
    CRIU_OPTIONS,
    {"parent-path", 0, true, "images of an earlier --pre-dump, relative to --image-path"},
    {"leave-running", 0, false, "don't stop the container"},
    {"tcp-skip-in-flight", 0, false, "leave connections out that are being made"},
    {"link-remap", 0, false, "save files that were unlinked and are still open as links"},
    {"pre-dump", 0, false, "save memory only and let the container go on"},
    {"page-server", 0, true, "ADDRESS:PORT of the page server"},
    {"status-fd", 0, true, "descriptor that gets a NUL once --lazy-pages can serve"}};

constexpr Option restore_options[] = {
    CRIU_OPTIONS,
    {"bundle", 'b', true, "directory with config.json, the current one by default"},
    {"config", 'f', true, "another name for config.json"},
    {"console-socket", 0, true, "socket that gets the pty's master"},
    {"pid-file", 0, true, "file to write the init's pid to"},
    {"detach", 'd', false, "return as soon as the container runs"},
    {"keep", 0, false, "keep the container's record when it has ended"},
    {"no-subreaper", 0, false, "don't adopt orphaned processes"},
    {"no-pivot", 0, false, "accepted for runc's sake: CRIU changes the root"},
    {"gpu", 0, true, "GPU for the container, as with create"},
    {"tcp-close", 0, false, "restore TCP connections as closed"},
    {"lsm-profile", 0, true, "TYPE:NAME of the profile instead of the saved one"},
    {"lsm-mount-context", 0, true, "SELinux context of the mounts instead of the saved one"}};
#undef CRIU_OPTIONS

std::string choice(const Arguments& arguments, const char* option, std::initializer_list<std::string_view> words,
                   const char* otherwise) {
    const auto given = arguments.optional(option);
    if (!given) return otherwise;
    if (std::find(words.begin(), words.end(), *given) != words.end()) return *given;
    throw Error(format("invalid value \"{}\" for flag --{}: want {}", *given, option,
                       join(std::vector<std::string>(words.begin(), words.end()), ", ")));
}

container::CriuOptions read_criu_options(const Arguments& arguments) {
    for (const auto& name : arguments.values("empty-ns"))
        if (name != "network")
            throw Error(format("--empty-ns: namespace \"{}\" is not supported, only network is", name));
    return {.image_path = arguments.has("image-path") ? arguments.value("image-path") : "checkpoint",
            .work_path = arguments.value("work-path"),
            .tcp_established = arguments.has("tcp-established"),
            .ext_unix_sk = arguments.has("ext-unix-sk"),
            .shell_job = arguments.has("shell-job"),
            .file_locks = arguments.has("file-locks"),
            .auto_dedup = arguments.has("auto-dedup"),
            .lazy_pages = arguments.has("lazy-pages"),
            .empty_network = arguments.has("empty-ns"),
            .cgroups_mode = choice(arguments, "manage-cgroups-mode", {"soft", "full", "strict", "ignore"}, "soft"),
            .network_lock = choice(arguments, "network-lock", {"iptables", "nftables", "skip"}, "")};
}

// ADDRESS:PORT; an IPv6 address has colons of its own.
void read_page_server(const Arguments& arguments, container::CheckpointOptions& options) {
    const auto text = arguments.optional("page-server");
    if (!text) return;
    const auto colon = text->rfind(':');
    const auto port = colon == std::string::npos
                          ? std::optional<std::uint16_t>()
                          : parse_number<std::uint16_t>(std::string_view(*text).substr(colon + 1));
    if (!port || *port == 0 || colon == 0)
        throw Error(format("Use --page-server ADDRESS:PORT to specify page server, not \"{}\"", *text));
    options.page_server_address = text->substr(0, colon);
    options.page_server_port = *port;
}

int checkpoint(const container::Context& context, const Arguments& arguments) {
    container::CheckpointOptions options{.id = arguments.positionals.at(0),
                                         .criu = read_criu_options(arguments),
                                         .parent_path = arguments.value("parent-path"),
                                         .pre_dump = arguments.has("pre-dump"),
                                         .leave_running = arguments.has("leave-running"),
                                         .tcp_skip_in_flight = arguments.has("tcp-skip-in-flight"),
                                         .link_remap = arguments.has("link-remap"),
                                         .status_fd = arguments.number("status-fd", -1)};
    read_page_server(arguments, options);
    container::checkpoint(context, options);
    return 0;
}

int restore(const container::Context& context, const Arguments& arguments) {
    return container::restore(context, {.create = {.id = arguments.positionals.at(0),
                                                   .bundle = arguments.has("bundle") ? arguments.value("bundle") : ".",
                                                   .config_file = arguments.value("config"),
                                                   .console_socket = arguments.value("console-socket"),
                                                   .pid_file = arguments.value("pid-file"),
                                                   .gpus = arguments.values("gpu")},
                                        .criu = read_criu_options(arguments),
                                        .tcp_close = arguments.has("tcp-close"),
                                        .lsm_profile = arguments.value("lsm-profile"),
                                        .lsm_mount_context = arguments.value("lsm-mount-context"),
                                        .detach = arguments.has("detach"),
                                        .keep = arguments.has("keep"),
                                        .no_subreaper = arguments.has("no-subreaper")});
}

}  // namespace

const Command checkpoint_command{.name = "checkpoint",
                                 .usage = "[OPTION]... CONTAINER",
                                 .summary = "save a running container to images, by CRIU",
                                 .options = checkpoint_options,
                                 .order = Order::any,
                                 .fewest = 1,
                                 .most = 1,
                                 .protects = false,
                                 .run = checkpoint};
const Command restore_command{.name = "restore",
                              .usage = "[OPTION]... CONTAINER",
                              .summary = "make a container from a bundle and saved images",
                              .options = restore_options,
                              .order = Order::any,
                              .fewest = 1,
                              .most = 1,
                              .protects = false,
                              .run = restore};

}  // namespace gpurun::cli
