#include "helper/criu.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "base/table.h"
#include "base/text.h"
#include "helper/criu_options.h"

namespace gpurun::helper {
namespace {

constexpr int gpurun_socket = 3;
constexpr int criu_socket = 3;  // In CRIU's process, where gpurun's is closed.
constexpr const char* standard_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct FreeResponse {
    void operator()(CriuResp* response) const { criu_resp__free_unpacked(response, nullptr); }
};
using Response = std::unique_ptr<CriuResp, FreeResponse>;

struct Received {
    std::string bytes;
    int fd = -1;
};

// One message, whatever its length, with the descriptor that came along.
Received receive(int socket) {
    ssize_t length = 0;
    while ((length = ::recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC)) < 0 && errno == EINTR) {
    }
    if (length < 0 && errno != ECONNRESET) throw Error(errno, "recv");
    Received received;
    if (length <= 0) return received;
    received.bytes.resize(static_cast<std::size_t>(length));
    iovec part{received.bytes.data(), received.bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    while (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0)
        if (errno != EINTR) throw Error(errno, "recvmsg");
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr && header->cmsg_type == SCM_RIGHTS)
        received.fd = *reinterpret_cast<const int*>(CMSG_DATA(header));
    return received;
}

// False when the other side has gone.
bool send(int socket, std::string_view bytes, int fd = -1) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        *reinterpret_cast<int*>(CMSG_DATA(header)) = fd;
    }
    return ::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        if (::access(name.c_str(), X_OK) == 0) return name;
        throw Error(errno, "CRIU at " + name);
    }
    for (const auto directory : split(std::getenv("PATH"), ':'))
        if (std::string path = format("{}/{}", directory, name);
            directory.starts_with('/') && ::access(path.c_str(), X_OK) == 0)
            return path;
    throw Error("CRIU is not installed: checkpoint and restore need the program criu");
}

/// CRIU's worker. It ends with its socket.
class Worker {
 public:
    explicit Worker(const std::string& program) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw Error(errno, "socketpair");
        socket_ = ends[0];
        pid_ = ::fork();
        if (pid_ < 0) throw Error(errno, "fork");
        if (pid_ == 0) {
            ::dup2(ends[1], criu_socket);
            ::execl(program.c_str(), "criu", "swrk", std::to_string(criu_socket).c_str(), nullptr);
            ::_exit(127);
        }
        ::close(ends[1]);
    }
    ~Worker() { end(); }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void ask(CriuReq& request) {
        std::string bytes(criu_req__get_packed_size(&request), '\0');
        criu_req__pack(&request, reinterpret_cast<std::uint8_t*>(bytes.data()));
        if (!send(socket_, bytes)) throw Error("CRIU ended before it was asked anything; does `criu --version` work?");
    }

    Response answer(int& fd) {
        const Received received = receive(socket_);
        fd = received.fd;
        if (received.bytes.empty()) throw Error("CRIU ended without an answer");
        Response response(criu_resp__unpack(nullptr, received.bytes.size(),
                                            reinterpret_cast<const std::uint8_t*>(received.bytes.data())));
        if (!response) throw Error("CRIU's answer can't be understood");
        return response;
    }

    /// Its exit status, 0 when it succeeded.
    int end() {
        if (pid_ < 0) return 0;
        ::close(socket_);
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return status;
    }

 private:
    int socket_ = -1;
    pid_t pid_ = -1;
};

std::string version_text(int version) {
    return format("{}.{}{}", version / 10000, version / 100 % 100,
                  version % 100 != 0 ? format(".{}", version % 100) : std::string());
}

void check_version(Worker& worker, const std::vector<CriuRequirement>& requirements) {
    CriuReq request = CRIU_REQ__INIT;
    request.type = CRIU_REQ_TYPE__VERSION;
    request.has_keep_open = request.keep_open = 1;
    worker.ask(request);
    int fd = -1;
    const Response response = worker.answer(fd);
    if (!response->success || response->version == nullptr) throw Error("CRIU is too old to tell its version");
    const auto& told = *response->version;
    int version = told.major_number * 10000 + told.minor_number * 100;
    // Between two releases it counts as the next one.
    if (told.gitid != nullptr && *told.gitid != '\0')
        version += 100;
    else if (told.has_sublevel)
        version += told.sublevel;
    for (const auto& requirement : requirements)
        if (version < requirement.version)
            throw Error(format("CRIU {} is too old: {} needs {} or newer", version_text(version), requirement.what,
                               version_text(requirement.version)));
}

void check_features(Worker& worker, const CriuFeatures& wanted) {
    CriuReq request = CRIU_REQ__INIT;
    CriuFeatures features = wanted;
    request.type = CRIU_REQ_TYPE__FEATURE_CHECK;
    request.has_keep_open = request.keep_open = 1;
    request.features = &features;
    worker.ask(request);
    int fd = -1;
    const Response response = worker.answer(fd);
    if (!response->success || response->features == nullptr)
        throw Error("CRIU can't tell what this kernel supports; see `criu check`");
    if (wanted.mem_track && !response->features->mem_track)
        throw Error("CRIU or this kernel can't track changed memory, which --pre-dump and --parent-path need");
    if (wanted.lazy_pages && !response->features->lazy_pages)
        throw Error("CRIU or this kernel can't restore lazily (userfaultfd), which --lazy-pages needs");
}

// Asks gpurun; true when CRIU may go on.
bool pass_on(const CriuNotify& notify, int fd) {
    constexpr std::string_view wanted[] = {"setup-namespaces", "post-restore", "orphan-pts-master", "status-ready"};
    bool is_wanted = false;
    for (const auto name : wanted) is_wanted = is_wanted || name == notify.script;
    if (!is_wanted) return true;
    return send(gpurun_socket, format("notify {} {}", notify.script, notify.has_pid ? notify.pid : 0), fd) &&
           receive(gpurun_socket).bytes == "go";
}

// What went wrong first, according to CRIU's log: before it has looked at the kernel its answer gives no reason.
std::string first_error(const std::string& path) {
    std::ifstream log(path);
    for (std::string line; std::getline(log, line);)
        if (const auto at = line.find("Error ("); at != std::string::npos) return line.substr(at);
    return {};
}

bool is_root_of_host() {
    std::ifstream map("/proc/self/uid_map");
    unsigned long inside = 0, outside = 0, size = 0;
    constexpr unsigned long all = 4294967295;
    return ::geteuid() == 0 && map >> inside >> outside >> size && size == all;
}

Error failure(const CriuResp& response, std::string_view verb, const CriuCall& call) {
    const std::string log = format("{}/{}", call.log_directory, call.opts.log_file);
    std::string reason(trim(response.cr_errmsg != nullptr ? response.cr_errmsg : ""));
    if (reason.empty()) reason = first_error(log);
    for (char& c : reason)
        if (c == '\n') c = ' ';
    if (!is_root_of_host()) reason += "; CRIU needs to be run by the host's root";
    return Error(format("criu failed: type {} errno {}{}{} (log file: {})", verb, response.cr_errno,
                        reason.empty() ? "" : ": ", reason, log));
}

// Until CRIU is done. Returns the pid of what it restored, 0 otherwise.
int converse(Worker& worker, std::string_view verb, const CriuCall& call) {
    for (;;) {
        int fd = -1;
        const Response response = worker.answer(fd);
        if (response->type != CRIU_REQ_TYPE__NOTIFY) {
            if (!response->success) throw failure(*response, verb, call);
            return response->restore != nullptr ? response->restore->pid : 0;
        }
        CriuReq reply = CRIU_REQ__INIT;
        reply.type = CRIU_REQ_TYPE__NOTIFY;
        reply.has_notify_success = 1;
        reply.notify_success = response->notify == nullptr || pass_on(*response->notify, fd) ? 1 : 0;
        if (fd >= 0) ::close(fd);
        worker.ask(reply);
    }
}

struct Verb {
    CriuReqType type;
    std::string_view name;  ///< As runc spells it in errors.
};

constexpr Name<Verb> verbs[] = {{"dump", {CRIU_REQ_TYPE__DUMP, "DUMP"}},
                                {"pre-dump", {CRIU_REQ_TYPE__PRE_DUMP, "PRE_DUMP"}},
                                {"restore", {CRIU_REQ_TYPE__RESTORE, "RESTORE"}}};

int carry_out(const std::vector<std::string>& arguments) {
    const auto verb = value_of(verbs, arguments.empty() ? std::string_view() : std::string_view(arguments.front()));
    if (!verb) throw Error("criu: expected dump, pre-dump or restore, and options");
    const std::vector<std::string> words(arguments.begin() + 1, arguments.end());
    CriuCall call;
    read_criu_options(words, call);
    // Inherited: CRIU before 3.19 does not save it.
    if (call.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw Error(errno, "no_new_privs");
    Worker worker(find_program(call.program));
    check_version(worker, call.requirements);
    if (call.asks_features) check_features(worker, call.features);
    CriuReq request = CRIU_REQ__INIT;
    request.type = verb->type;
    request.opts = &call.opts;
    worker.ask(request);
    const int pid = converse(worker, verb->name, call);
    // After a pre-dump it waits for the dump, and takes it ill that none comes.
    if (worker.end() != 0 && verb->type != CRIU_REQ_TYPE__PRE_DUMP)
        throw Error(format("criu failed: type {}: it ended badly (log file: {}/{})", verb->name, call.log_directory,
                           call.opts.log_file));
    return pid;
}

}  // namespace

std::string criu(const std::vector<std::string>& arguments) {
    ::fcntl(gpurun_socket, F_SETFD, FD_CLOEXEC);
    ::setenv("PATH", standard_path, 0);  // CRIU itself looks for tar, ip and iptables.
    try {
        send(gpurun_socket, format("done {}", carry_out(arguments)));
    } catch (const Error& error) {
        if (!send(gpurun_socket, "failed " + error.text())) throw;
    }
    return {};
}

}  // namespace gpurun::helper
