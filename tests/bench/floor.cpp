// floor WORKERS COUNT NAME CGROUP...: what the kernel takes for what no container can do without. COUNT times, WORKERS
// at a time, makes a cgroup NAME-… below each CGROUP (the hierarchies of v1, or cgroup2), a process in them with
// namespaces of its own and the loopback up, and removes all when it ends. Prints the nanoseconds of the whole.
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

long long now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

[[noreturn]] void fail(const char* what) {
    perror(what);
    _exit(1);
}

// A new cpuset of v1 has neither CPUs nor memory nodes.
void copy_setting(const std::string& parent, const std::string& cgroup, const char* name) {
    char value[4096];
    const int from = open((parent + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (from < 0) return;
    const ssize_t size = read(from, value, sizeof value);
    const int to = open((cgroup + name).c_str(), O_WRONLY | O_CLOEXEC);
    if (size < 0 || write(to, value, static_cast<std::size_t>(size)) != size) fail(name);
    close(from);
    close(to);
}

void be_the_container(const std::vector<int>& tasks) {
    for (const int file : tasks)
        if (write(file, "0", 1) != 1) fail("enter a cgroup");
    if (unshare(CLONE_NEWNET | CLONE_NEWCGROUP) != 0) fail("unshare");
    const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(any, SIOCSIFFLAGS, &request) != 0) fail("raise lo");
}

void make_one(char** parents, const std::string& name) {
    clone_args arguments{};
    arguments.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
    arguments.exit_signal = SIGCHLD;
    std::vector<int> files;
    for (char** parent = parents; *parent != nullptr; ++parent) {
        const std::string cgroup = *parent + name;
        if (mkdir(cgroup.c_str(), 0755) != 0) fail(cgroup.c_str());
        const int tasks = open((cgroup + "/tasks").c_str(), O_WRONLY | O_CLOEXEC);
        if (tasks >= 0) {
            for (const char* setting : {"/cpuset.cpus", "/cpuset.mems"}) copy_setting(*parent, cgroup, setting);
            files.push_back(tasks);
            continue;
        }
        const int directory = open(cgroup.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = static_cast<std::uint64_t>(directory);
    }
    const long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0) fail("clone3");
    if (pid == 0) {
        be_the_container(files);
        _exit(0);
    }
    int status = 0;
    waitpid(static_cast<pid_t>(pid), &status, 0);
    if (status != 0) _exit(1);
    for (const int file : files) close(file);
    if ((arguments.flags & CLONE_INTO_CGROUP) != 0) close(static_cast<int>(arguments.cgroup));
    for (char** parent = parents; *parent != nullptr; ++parent)
        if (rmdir((*parent + name).c_str()) != 0) fail("rmdir");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    const int workers = atoi(argv[1]), count = atoi(argv[2]);
    const long long begin = now();
    for (int worker = 0; worker < workers; ++worker) {
        if (fork() != 0) continue;
        for (int turn = worker; turn < count; turn += workers)
            make_one(argv + 4, std::string("/") + argv[3] + "-" + std::to_string(turn));
        _exit(0);
    }
    bool good = true;
    for (int status = 0; wait(&status) > 0;) good = good && status == 0;
    printf("%lld\n", now() - begin);
    return good ? 0 : 1;
}
