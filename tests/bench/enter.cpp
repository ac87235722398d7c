// enter PID CAPABILITIES CGROUP... -- PROGRAM ARGUMENT...: what the kernel takes for what no `exec` can do without.
// Runs PROGRAM in the container whose init is PID: in its namespaces, its cgroups (the file `tasks` of each of v1, the
// directory of cgroup2) and a session keyring, with no more than CAPABILITIES (a decimal mask), started from a
// read-only mount. Ends as PROGRAM does, or with 100 and the line that failed.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "bare.h"

namespace {

using bare::address;
using bare::call;

constexpr int signals = 64, sigkill = 9, sigstop = 19, sigchld = 17, most_cgroups = 16;
char protected_name[] = "protected";
char nothing[] = "";

struct {
    long handler, flags, restorer, mask;
} default_action;
clone_args request;
long one_cpu[128], every_cpu[128];

long need(long result, int line = __builtin_LINE()) {
    if (result < 0) bare::exit(100 + line % 100);
    return result;
}

unsigned long number(const char* text) {
    unsigned long value = 0;
    for (; *text != '\0'; ++text) value = value * 10 + static_cast<unsigned long>(*text - '0');
    return value;
}

[[noreturn]] void start_protected(char** arguments, char** environment) {
    const long self = need(call(__NR_openat, AT_FDCWD, address("/proc/self/exe"), O_RDONLY | O_CLOEXEC));
    const long mount =
        need(call(__NR_open_tree, self, address(nothing), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    mount_attr readonly{};
    readonly.attr_set = MOUNT_ATTR_RDONLY;
    need(call(__NR_mount_setattr, mount, address(nothing), AT_EMPTY_PATH, address(&readonly), sizeof readonly));
    arguments[0] = protected_name;
    bare::exit(
        need(call(__NR_execveat, mount, address(nothing), address(arguments), address(environment), AT_EMPTY_PATH)));
}

void give_up_capabilities(unsigned long kept) {
    for (long capability = 0; call(__NR_prctl, PR_CAPBSET_READ, capability) >= 0; ++capability)
        if ((kept >> capability & 1) == 0) need(call(__NR_prctl, PR_CAPBSET_DROP, capability));
    need(call(__NR_setresgid, 0, 0, 0));
    need(call(__NR_setresuid, 0, 0, 0));
    const auto low = static_cast<__u32>(kept), high = static_cast<__u32>(kept >> 32);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2] = {{low, low, 0}, {high, high, 0}};
    need(call(__NR_capset, address(&header), address(sets)));
}

[[noreturn]] void be_the_process(long init, const long* tasks, unsigned long capabilities, char** program,
                                 char** environment) {
    need(call(__NR_prctl, PR_SET_DUMPABLE, 0));
    need(call(__NR_close_range, 3, ~0U, 1U << 2));  // CLOSE_RANGE_CLOEXEC
    need(call(__NR_setsid));
    for (; *tasks != 0; ++tasks) need(call(__NR_write, *tasks, address("0"), 1));
    need(call(__NR_sched_setaffinity, 0, sizeof every_cpu, address(every_cpu)));
    need(call(__NR_setns, init, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET));
    need(call(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, address("_ses.enter")));
    give_up_capabilities(capabilities);
    for (int signal = 1; signal <= signals; ++signal)
        if (signal != sigkill && signal != sigstop)
            need(call(__NR_rt_sigaction, signal, address(&default_action), 0, 8));
    bare::exit(need(call(__NR_execve, address(program[0]), address(program), address(environment))));
}

[[noreturn]] void enter(char** words, char** environment) {
    const long init = need(call(__NR_pidfd_open, static_cast<long>(number(words[0]))));
    const unsigned long capabilities = number(words[1]);
    long tasks[most_cgroups + 1] = {};
    int known = 0;
    for (words += 2; (*words)[0] != '-'; ++words) {
        const long file = call(__NR_openat, AT_FDCWD, address(*words), O_WRONLY | O_CLOEXEC);
        if (file >= 0) {
            need(known < most_cgroups ? 0 : -1);
            tasks[known++] = file;
            continue;
        }
        request.flags |= CLONE_INTO_CGROUP;
        request.cgroup =
            static_cast<__u64>(need(call(__NR_openat, AT_FDCWD, address(*words), O_DIRECTORY | O_CLOEXEC)));
    }
    unsigned cpu = 0;
    need(call(__NR_getcpu, address(&cpu)));
    one_cpu[cpu / 64] = 1L << cpu % 64;
    for (long& word : every_cpu) word = -1;
    need(call(__NR_sched_setaffinity, 0, sizeof one_cpu, address(one_cpu)));
    int channel[2];
    need(call(__NR_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, address(channel)));
    need(call(__NR_setns, init, CLONE_NEWPID));
    request.exit_signal = sigchld;
    const long child = need(call(__NR_clone3, address(&request), sizeof request));
    if (child == 0) be_the_process(init, tasks, capabilities, words + 1, environment);
    call(__NR_close, channel[1]);
    pollfd executed{channel[0], 0, 0};
    need(call(__NR_ppoll, address(&executed), 1));
    int status = 0;
    need(call(__NR_wait4, child, address(&status)));
    bare::exit((status & 0x7f) != 0 ? 1 : status >> 8 & 0xff);
}

}  // namespace

void begin(char** stack) {
    const long count = address(stack[0]);
    char** arguments = stack + 1;
    char** environment = arguments + count + 1;
    if (count < 5) bare::exit(2);
    if (arguments[0][0] == '/') start_protected(arguments, environment);
    enter(arguments + 1, environment);
}
