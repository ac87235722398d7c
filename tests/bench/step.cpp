// step OUT COMMAND ARG...: single-steps a command and the processes it makes, until they execute another program, and
// appends to OUT the addresses it executed, in the order of their first execution: ADDRESS COUNT.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <unordered_map>
#include <vector>

int main(int, char** arguments) {
    const pid_t command = fork();
    if (command == 0) {
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        execv(arguments[2], arguments + 2);
        _exit(127);
    }
    std::unordered_map<unsigned long, long> counts;
    std::vector<unsigned long> order;
    int status = 0;
    bool first = true;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (!WIFSTOPPED(status)) {
            if (pid == command) break;
            continue;
        }
        const int signal = WSTOPSIG(status), event = status >> 16;
        int passed = 0;
        if (first) {
            ptrace(PTRACE_SETOPTIONS, pid, nullptr,
                   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
            first = false;
        } else if (event == PTRACE_EVENT_EXEC && pid != command) {
            ptrace(PTRACE_DETACH, pid, nullptr, 0);
            continue;
        } else if (event == 0 && signal != SIGTRAP && signal != SIGSTOP) {
            passed = signal;
        }
        user_regs_struct registers{};
        ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
        if (counts[registers.rip]++ == 0) order.push_back(registers.rip);
        ptrace(PTRACE_SINGLESTEP, pid, nullptr, passed);
    }
    FILE* out = fopen(arguments[1], "a");
    if (out == nullptr) return 1;
    for (const unsigned long address : order) fprintf(out, "%lx %ld\n", address, counts[address]);
    fclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
