#include <gpurun/container.h>
#include <gpurun/error.h>
#include <signal.h>

#include <cctype>

#include "base/table.h"
#include "base/text.h"
#include "container/facts.h"
#include "sys/process.h"

namespace gpurun::container {
namespace {

constexpr Name<int> signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},     {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"IOT", SIGABRT},  {"BUS", SIGBUS},       {"FPE", SIGFPE},   {"KILL", SIGKILL},
    {"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},     {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},
    {"TERM", SIGTERM}, {"STKFLT", 16},    {"CHLD", SIGCHLD},     {"CLD", SIGCHLD},  {"CONT", SIGCONT},
    {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU}, {"URG", SIGURG},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},     {"POLL", SIGIO},   {"PWR", SIGPWR},       {"SYS", SIGSYS},
};
// The kernel's numbers; libc keeps some for itself and counts from later.
constexpr int rtmin = 34, rtmax = 64, last = 64;

int real_time(std::string_view text, std::string_view base, int value, int sign) {
    if (!text.starts_with(base)) return 0;
    text.remove_prefix(base.size());
    if (text.empty()) return value;
    if (text[0] != (sign > 0 ? '+' : '-')) return 0;
    const auto offset = parse_number<int>(text.substr(1));
    return offset && *offset >= 0 && *offset <= rtmax - rtmin ? value + sign * *offset : 0;
}

}  // namespace

int signal_number(const std::string& name) {
    // 0 asks whether there is somebody to signal.
    if (const auto number = parse_number<int>(name); number && *number >= 0 && *number <= last) return *number;
    std::string upper;
    for (const char c : name) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    std::string_view text = upper;
    if (text.starts_with("SIG")) text.remove_prefix(3);
    if (const auto number = value_of(signals, text)) return *number;
    if (const int number = real_time(text, "RTMIN", rtmin, 1)) return number;
    if (const int number = real_time(text, "RTMAX", rtmax, -1)) return number;
    throw Error(format("unknown signal \"{}\"", name));
}

void kill(const Context& context, const std::string& id, int signal, Reach reach) {
    state::Store store(context.root);
    const auto record = store.load(id);
    const auto status = state::status_of(store, record);
    const auto config_has_pid_namespace = [&] {
        const auto config = spec::parse(store.load_config(id), "the container's config");
        return config.linux && spec::find_namespace(*config.linux, spec::NamespaceType::pid) != nullptr;
    };
    if (status == spec::Status::stopped) {
        // Processes of a container without a pid namespace of its own outlive its init.
        if (reach == Reach::all || !config_has_pid_namespace()) {
            const auto manager = manager_of(record);
            if (reach == Reach::all || !manager->processes().empty()) return manager->kill(signal);
        }
        throw Error("container not running");
    }
    if (reach == Reach::all || (signal == SIGKILL && !config_has_pid_namespace())) {
        const auto manager = manager_of(record);
        if (!record.cgroup.directories.empty()) return manager->kill(signal);
    }
    const sys::Fd pidfd = sys::try_pidfd_open(static_cast<pid_t>(record.pid));
    if (!pidfd || !state::is_alive(record)) throw Error("container not running");
    if (const int failure = sys::try_signal(pidfd, signal))
        throw failure == ESRCH ? Error("container not running") : Error(failure, "signal the container's init");
    // A frozen process dies only once it is thawed.
    if (signal == SIGKILL) {
        const auto manager = manager_of(record);
        if (manager->is_frozen()) manager->freeze(cgroup::Freeze::thawed);
    }
}

}  // namespace gpurun::container
