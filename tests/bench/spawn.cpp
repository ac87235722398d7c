// Starts commands as an engine's shim does and times each from before its start to after its end. A small program of
// its own, because what starts a process counts in the time of the start. Reads commands as lines of tab-separated
// words and answers each with one line. A container proves that it ran by a byte at the end of the file RAN ("-": no
// proof wanted); the new bytes are counted.
//
//   time GAP_US RAN ARG...              ARG... after GAP_US of idleness: "NANOSECONDS STATUS PROOFS"
//   memory RAN ARG...                   "PEAK_KB STATUS PROOFS": the command's own VmHWM when it exits
//   count ARG...                        "CALLS STATUS": system calls of the command and of the processes it makes,
//   until they execute another
//                                       program; of those that it leaves behind, until it ends
//   output ARG...                       "STATUS TEXT", the output on one line
//   parallel WORKERS COUNT RAN ARG...   COUNT commands, WORKERS at a time; "@" in ARG is a command's number:
//   "NANOSECONDS FAILED PROOFS"
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using Words = std::vector<std::string>;

long long now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

Words split(const std::string& line) {
    Words words;
    std::size_t at = 0;
    for (;;) {
        const auto end = line.find('\t', at);
        words.push_back(line.substr(at, end == std::string::npos ? end : end - at));
        if (end == std::string::npos) return words;
        at = end + 1;
    }
}

std::vector<char*> pointers(const Words& words, std::size_t first) {
    std::vector<char*> list;
    for (std::size_t i = first; i < words.size(); ++i) list.push_back(const_cast<char*>(words[i].c_str()));
    list.push_back(nullptr);
    return list;
}

int null_fd = -1;

// vfork: the driver's own size must not count.
pid_t start(char** arguments, int out, bool traced) {
    const pid_t pid = vfork();
    if (pid != 0) return pid;
    dup2(null_fd, 0);
    dup2(out, 1);
    if (out != null_fd) dup2(out, 2);
    if (traced) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    execv(arguments[0], arguments);
    _exit(127);
}

int status_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Inits of containers whose runtime has ended are ours; an engine's shim reaps them.
void reap_orphans() {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
}

// The bytes that have come since the last look; there is one file.
int new_proofs(const std::string& file) {
    static off_t seen = 0;
    struct stat facts {};
    if (file == "-" || stat(file.c_str(), &facts) != 0) return 0;
    return static_cast<int>(facts.st_size - std::exchange(seen, facts.st_size));
}

// A detached container's program may still be on its way.
int await_proof(const std::string& file) {
    int found = 0;
    for (int attempt = 0; file != "-" && found == 0 && attempt < 2000; ++attempt) {
        if (attempt > 0) usleep(1000);
        found = new_proofs(file);
    }
    return found;
}

void time_command(const Words& words) {
    const long gap = atol(words[1].c_str());
    auto arguments = pointers(words, 3);
    reap_orphans();
    if (gap > 0) usleep(static_cast<useconds_t>(gap));
    const long long begin = now();
    const pid_t pid = start(arguments.data(), null_fd, false);
    int status = 0;
    waitpid(pid, &status, 0);
    const long long end = now();
    printf("%lld\t%d\t%d\n", end - begin, status_of(status), await_proof(words[2]));
}

long peak_of(pid_t pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    long peak = 0;
    if (FILE* file = fopen(path, "re")) {
        while (fgets(line, sizeof line, file) != nullptr)
            if (strncmp(line, "VmHWM:", 6) == 0) peak = atol(line + 6);
        fclose(file);
    }
    return peak;
}

void measure_memory(const Words& words) {
    auto arguments = pointers(words, 2);
    reap_orphans();
    const pid_t pid = start(arguments.data(), null_fd, true);
    int status = 0;
    long peak = 0;
    bool first = true;
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        int signal = WSTOPSIG(status);
        if (first) ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC);
        if (first || (status >> 16) != 0) signal = 0;
        first = false;
        // A command that executes itself again has its peak in either image.
        const long here = peak_of(pid);
        if (here > peak) peak = here;
        ptrace(PTRACE_CONT, pid, nullptr, signal);
    }
    printf("%ld\t%d\t%d\n", peak, status_of(status), await_proof(words[1]));
}

// Runs in a process of its own: when it ends, what it traced goes on untraced.
long count_calls(char** arguments, int& status) {
    const pid_t command = start(arguments, null_fd, true);
    long calls = 0;
    bool first = true;
    std::set<pid_t> inside;  // Stopped at the entry of a call.
    for (pid_t pid = 0; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (!WIFSTOPPED(status)) {
            if (pid == command) return calls;
            continue;
        }
        const int signal = WSTOPSIG(status), event = status >> 16;
        int passed = 0;
        if (first) {
            ptrace(PTRACE_SETOPTIONS, pid, nullptr,
                   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                       PTRACE_O_TRACEEXEC);
            first = false;
        } else if (signal == (SIGTRAP | 0x80)) {
            if (inside.insert(pid).second)
                ++calls;
            else
                inside.erase(pid);
        } else if (event == PTRACE_EVENT_EXEC && pid != command) {
            ptrace(PTRACE_DETACH, pid, nullptr, 0);
            continue;
        } else if (event == 0 && signal != SIGSTOP && signal != SIGTRAP) {
            passed = signal;
        }
        ptrace(PTRACE_SYSCALL, pid, nullptr, passed);
    }
    return calls;
}

void report_calls(const Words& words) {
    auto arguments = pointers(words, 1);
    reap_orphans();
    const pid_t tracer = fork();
    if (tracer == 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
        int status = 0;
        const long calls = count_calls(arguments.data(), status);
        printf("%ld\t%d\n", calls, status_of(status));
        fflush(stdout);
        _exit(0);
    }
    waitpid(tracer, nullptr, 0);
}

void collect_output(const Words& words) {
    auto arguments = pointers(words, 1);
    char path[] = "/tmp/gpurun-bench.XXXXXX";
    const int file = mkostemp(path, O_CLOEXEC);
    unlink(path);
    reap_orphans();
    const pid_t pid = start(arguments.data(), file, false);
    int status = 0;
    waitpid(pid, &status, 0);
    std::string text;
    char chunk[4096];
    lseek(file, 0, SEEK_SET);
    for (ssize_t got = 0; (got = read(file, chunk, sizeof chunk)) > 0;)
        text.append(chunk, static_cast<std::size_t>(got));
    close(file);
    for (char& c : text)
        if (c == '\n') c = ' ';
    printf("%d\t%s\n", status_of(status), text.c_str());
}

Words numbered(const Words& words, std::size_t first, int number) {
    Words made(words.begin() + static_cast<std::ptrdiff_t>(first), words.end());
    for (auto& word : made)
        for (std::size_t at = 0; (at = word.find('@', at)) != std::string::npos;)
            word.replace(at, 1, std::to_string(number));
    return made;
}

void run_parallel(const Words& words) {
    const int workers = atoi(words[1].c_str()), count = atoi(words[2].c_str());
    reap_orphans();
    std::vector<Words> commands;
    for (int i = 0; i < count; ++i) commands.push_back(numbered(words, 4, i));
    int started = 0, running = 0, failed = 0;
    const long long begin = now();
    while (started < count || running > 0) {
        while (started < count && running < workers) {
            auto arguments = pointers(commands[static_cast<std::size_t>(started++)], 0);
            start(arguments.data(), null_fd, false);
            ++running;
        }
        int status = 0;
        if (waitpid(-1, &status, 0) <= 0) break;
        --running;
        if (status_of(status) != 0) ++failed;
    }
    const long long end = now();
    printf("%lld\t%d\t%d\n", end - begin, failed, new_proofs(words[3]));
}

}  // namespace

int main() {
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    std::string line;
    char chunk[8192];
    while (fgets(chunk, sizeof chunk, stdin) != nullptr) {
        line += chunk;
        if (line.empty() || line.back() != '\n') continue;
        line.pop_back();
        const Words words = split(line);
        line.clear();
        if (words[0] == "time")
            time_command(words);
        else if (words[0] == "memory")
            measure_memory(words);
        else if (words[0] == "count")
            report_calls(words);
        else if (words[0] == "output")
            collect_output(words);
        else if (words[0] == "parallel")
            run_parallel(words);
        else
            printf("?\n");
        fflush(stdout);
    }
}
