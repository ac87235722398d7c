#include "engine/criu.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <optional>

#include "base/log.h"
#include "base/text.h"
#include "engine/restore_root.h"
#include "sys/file.h"
#include "sys/helper.h"
#include "sys/mount.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace gpurun::engine {
namespace {

constexpr int helper_socket = 3;

/// How the helper's process is made and what it does before it executes the helper.
struct Worker {
    const CriuRequest& request;
    const plan::Plan* plan = nullptr;  // restore
    const cgroup::Location* cgroup = nullptr;
    std::string scratch{};
    cgroup::Entry entry{};
};

void execute_helper(const Worker& worker, sys::FdRef socket) {
    std::vector<std::string> arguments{"gpurun-helper", "criu", worker.request.verb};
    const auto& words = worker.request.words;
    arguments.insert(arguments.end(), words.begin(), words.end());
    // Before the mount namespace changes what the names mean.
    const std::string path = sys::helper_path();
    if (worker.plan != nullptr) {
        for (auto& word : make_restore_root(*worker.plan, worker.cgroup, worker.scratch))
            arguments.push_back(std::move(word));
    }
    std::vector<char*> pointers;
    for (auto& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    if (::dup2(socket.get(), helper_socket) < 0) throw Error(errno, "dup2");
    sys::close_on_exec_from(helper_socket + 1);
    sys::reset_signals();
    ::execv(path.c_str(), pointers.data());
    throw Error(errno, "exec " + path);
}

[[noreturn]] void become_helper(const Worker& worker, sys::FdRef socket) noexcept {
    std::string failure;
    try {
        for (const auto& tasks : worker.entry.tasks) sys::write_all(tasks, "0", "tasks of the container's cgroup");
        execute_helper(worker, socket);
    } catch (const Error& error) {
        failure = error.text();
    } catch (const std::exception& error) {
        failure = error.what();
    }
    try {
        sys::send_message(socket, "failed " + failure);
    } catch (...) {
        // gpurun is gone: nobody to tell.
    }
    ::_exit(1);
}

std::optional<std::string_view> after(std::string_view text, std::string_view start) {
    if (!text.starts_with(start)) return std::nullopt;
    return text.substr(start.size());
}

// Returns the pid of what was restored.
int converse(sys::FdRef socket, const CriuNews& news) {
    for (;;) {
        auto message = sys::receive_message(socket);
        if (message.payload.empty()) throw Error("gpurun-helper ended without an answer");
        log::debug("criu: {}", message.payload);
        if (const auto sentence = after(message.payload, "failed ")) throw Error(std::string(*sentence));
        if (const auto pid = after(message.payload, "done ")) return parse_number<int>(*pid).value_or(0);
        const auto parts = words(message.payload);
        if (parts.size() != 3) throw Error("gpurun-helper said something unexpected: " + message.payload);
        news(std::string(parts[1]), parse_number<int>(parts[2]).value_or(0), message.descriptors);
        sys::send_message(socket, "go");
    }
}

int run(const Worker& worker, const CriuNews& news) {
    auto [near, far] = sys::socket_pair();
    const sys::Child child = sys::clone({.cgroup = worker.entry.directory});
    if (child.pid == 0) become_helper(worker, far);
    far.reset();
    std::exception_ptr failure;
    int pid = 0;
    try {
        pid = converse(near, news);
    } catch (const Error&) {
        failure = std::current_exception();
    }
    near.reset();
    // Once it has ended, what it restored has found its new parent.
    sys::wait_for(child.pid);
    if (failure) std::rethrow_exception(failure);
    return pid;
}

}  // namespace

void run_criu(const CriuRequest& request, const CriuNews& news) { run({.request = request}, news); }

void make_restored_root_readonly(int pid) {
    const sys::Child child = sys::clone({});
    if (child.pid == 0) {
        int failure = EIO;
        try {
            sys::enter_namespace(sys::try_pidfd_open(pid), CLONE_NEWNS, "of the container");
            const sys::Fd root = sys::open("/", O_PATH | O_DIRECTORY);
            failure = sys::try_set_mount_attributes(root, {.set = MOUNT_ATTR_RDONLY}, false);
        } catch (const Error& error) {
            if (error.code != 0) failure = error.code;
        }
        ::_exit(failure);
    }
    if (const int failure = sys::wait_for(child.pid)) throw Error(failure, "make the restored root read-only");
}

int run_restore(const CriuRequest& request, const plan::Plan& plan, cgroup::Manager* cgroup, const std::string& scratch,
                const CriuNews& news) {
    Worker worker{.request = request, .plan = &plan, .scratch = scratch};
    if (cgroup != nullptr) {
        worker.cgroup = &cgroup->location();
        worker.entry = cgroup->entry({});
    }
    const int pid = run(worker, news);
    if (pid <= 0) throw Error("CRIU did not tell what it restored");
    return pid;
}

}  // namespace gpurun::engine
