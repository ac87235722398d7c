// first_calls OUT FUNCTIONS COMMAND ARG...: runs a command and the processes it makes, until they execute another
// program, with a breakpoint at each address that the file FUNCTIONS lists, and appends to OUT the addresses that were
// reached, in the order of their first execution. What the command leaves behind goes on untraced.
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace {

constexpr unsigned char breakpoint = 0xcc;

// The program's own bytes, by address.
std::map<unsigned long, unsigned char> functions;

class Memory {
 public:
    explicit Memory(pid_t pid) : file_(open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDWR | O_CLOEXEC)) {}
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory() { close(file_); }
    unsigned char get(unsigned long address) const {
        unsigned char byte = 0;
        return pread(file_, &byte, 1, static_cast<off_t>(address)) == 1 ? byte : static_cast<unsigned char>(0);
    }
    void set(unsigned long address, unsigned char byte) const {
        if (pwrite(file_, &byte, 1, static_cast<off_t>(address)) != 1) perror("first_calls: write a breakpoint");
    }

 private:
    int file_;
};

void set_all(pid_t pid) {
    const Memory memory(pid);
    for (auto& [address, original] : functions) {
        original = memory.get(address);
        memory.set(address, breakpoint);
    }
}

// The function whose breakpoint stopped the process, which goes on in it; 0: something else stopped it.
unsigned long reached(pid_t pid) {
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
    const auto found = functions.find(registers.rip - 1);
    if (found == functions.end()) return 0;
    Memory(pid).set(found->first, found->second);
    registers.rip = found->first;
    ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
    return found->first;
}

void let_go(pid_t pid) {
    int status = 0;
    kill(pid, SIGSTOP);
    while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) != SIGSTOP) {
            if (WSTOPSIG(status) == SIGTRAP) reached(pid);
            ptrace(PTRACE_CONT, pid, nullptr, 0);
            continue;
        }
        const Memory memory(pid);
        for (const auto& [address, original] : functions) memory.set(address, original);
        ptrace(PTRACE_DETACH, pid, nullptr, 0);
        return;
    }
}

std::vector<unsigned long> trace(pid_t command, int& ended) {
    std::set<pid_t> tracees;
    std::unordered_set<unsigned long> seen;
    std::vector<unsigned long> order;
    int status = 0;
    bool first = true;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (!WIFSTOPPED(status)) {
            tracees.erase(pid);
            if (pid != command) continue;
            ended = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
            break;
        }
        tracees.insert(pid);
        const int signal = WSTOPSIG(status), event = status >> 16;
        int passed = 0;
        if (first) {
            ptrace(PTRACE_SETOPTIONS, pid, nullptr,
                   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
            set_all(pid);
            first = false;
        } else if (event == PTRACE_EVENT_EXEC && pid != command) {
            ptrace(PTRACE_DETACH, pid, nullptr, 0);
            tracees.erase(pid);
            continue;
        } else if (event == PTRACE_EVENT_EXEC) {
            set_all(pid);
        } else if (event == 0 && signal == SIGTRAP) {
            const unsigned long function = reached(pid);
            if (function != 0 && seen.insert(function).second) order.push_back(function);
        } else if (event == 0 && signal != SIGSTOP) {
            passed = signal;
        }
        ptrace(PTRACE_CONT, pid, nullptr, passed);
    }
    for (const pid_t pid : tracees) let_go(pid);
    return order;
}

}  // namespace

int main(int, char** arguments) {
    FILE* list = fopen(arguments[2], "r");
    unsigned long address = 0;
    while (list != nullptr && fscanf(list, "%lx", &address) == 1) functions[address] = 0;
    const pid_t command = fork();
    if (command == 0) {
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        execv(arguments[3], arguments + 3);
        _exit(127);
    }
    int ended = 1;
    const auto order = trace(command, ended);
    FILE* out = fopen(arguments[1], "a");
    if (out == nullptr) return 1;
    for (const unsigned long function : order) fprintf(out, "%lx\n", function);
    fclose(out);
    return ended;
}
