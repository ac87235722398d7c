#pragma once

#include <gpurun/plan.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "engine/channel.h"
#include "engine/hooks.h"
#include "sys/fd.h"
#include "sys/terminal.h"

/// The container process's lane: what its steps share, and one function per step, by subject. All of them run in the
/// container process, most before pivot_root; container paths are always resolved below `root`, host paths only before
/// pivot_root. They throw Error.
namespace gpurun::engine {

/// Nodes in a detached tmpfs, which only the container process can mount where nobody else sees it.
struct PreparedDevices {
    sys::Fd tmpfs;
    std::map<std::string, std::string> names;  ///< By path of the device: the file's name.
    std::map<std::string, sys::Fd> binds;      ///< Detached mounts of the files, once the container process made them.
};

struct ContainerSide {
    sys::Fd channel;
    sys::FdRef
        proc;  ///< The host's /proc, opened before the container process existed: no container mount can cover it.
    sys::FdRef console_socket;              ///< Where the terminal's master goes; unset: to the host process.
    sys::FdRef start_listener;              ///< Where `start` connects.
    sys::FdRef target;                      ///< exec: pidfd of the container's init.
    std::vector<sys::Fd>* tasks = nullptr;  ///< v1: write "0" to enter.
    std::map<spec::NamespaceType, sys::Fd>* namespaces = nullptr;  ///< Joined by path.
    std::map<std::string, sys::Fd>* made_mounts = nullptr;         ///< By destination: by the host process.
    PreparedDevices* made_devices = nullptr;
    const cgroup::Location* cgroup = nullptr;  ///< As it was made; null: none of its own.
    const plan::Options* options = nullptr;
    const HookOutput* hook_output = nullptr;  ///< Opened where the host's paths mean something.
    spec::State state;                        ///< For hooks.

    sys::Fd root;                   ///< The container's root directory.
    std::string root_path;          ///< Its path on the host, until pivot_root.
    sys::Fd dev;                    ///< Its /dev, once devices are made.
    bool host_is_peer = false;      ///< What is unmounted outside of the root may be unmounted on the host too.
    bool has_shared_mount = false;  ///< Some mount below the root is shared: what lands on it is too, at first.
    sys::PseudoTerminal terminal;
    bool entered = false;                   ///< The working directory is entered and checked.
    security::CapabilitySets capabilities;  ///< What the program gets.
    std::string program;                    ///< args[0] resolved.
    std::vector<std::string> variables;     ///< The program's environment.
    sys::Fd masked_directory;               ///< The empty directory that masked directories share.
};

/// Carries out the lane; ends in exec or in a report over the channel and _exit(1). Never returns, never throws.
[[noreturn]] void run_container(const std::vector<plan::Step>& lane, ContainerSide& side) noexcept;

// namespaces.cpp
void enter_cgroup(ContainerSide& side);
void join_namespaces(ContainerSide& side, const plan::step::JoinNamespaces& step);
void enter_network(ContainerSide& side);
void unshare_namespaces(std::uint64_t namespaces);
void become_root(const plan::step::BecomeRoot& step);
void set_time_offsets(ContainerSide& side, const plan::step::SetTimeOffsets& step);
void raise_loopback();
void join_keyring(ContainerSide& side, const plan::step::JoinKeyring& step);

// root.cpp
void prepare_root(ContainerSide& side, const plan::step::PrepareRoot& step);
void change_root(ContainerSide& side, const plan::step::ChangeRoot& step);
void set_root_propagation(const plan::step::SetRootPropagation& step);
void make_readonly(ContainerSide& side, const plan::step::MakeReadonly& step);
void mask(ContainerSide& side, const plan::step::Mask& step);

// mounts.cpp, cgroup_mounts.cpp
void mount(ContainerSide& side, const plan::step::Mount& step);
void mount_cgroup(ContainerSide& side, const plan::step::MountCgroup& step);

// devices.cpp
/// Host process: those of \a devices that the host has no such node of at their path.
PreparedDevices prepare_devices(const std::vector<spec::Device>& devices);
void make_device(ContainerSide& side, const plan::step::MakeDevice& step);
void make_link(ContainerSide& side, const plan::step::MakeLink& step);
void open_terminal(ContainerSide& side, const plan::step::OpenTerminal& step);
void take_terminal(ContainerSide& side);

// rootfs_edits.cpp
void edit_rootfs(ContainerSide& side, const plan::step::EditRootfs& step);

// attributes.cpp
void set_hostname(const std::string& name);
void set_domainname(const std::string& name);
void set_sysctl(ContainerSide& side, const plan::step::SetSysctl& step);
void set_personality(const spec::Personality& personality);
void set_scheduler(const plan::step::SetScheduler& step);
void set_io_priority(const spec::IoPriority& priority);
void set_memory_policy(const spec::MemoryPolicy& policy);
void set_rlimits(const std::vector<spec::Rlimit>& rlimits);
void set_label(ContainerSide& side, const plan::step::SetLabel& step);
void make_directory(ContainerSide& side, const plan::step::MakeDirectory& step);
void enter_directory(ContainerSide& side, const plan::step::EnterDirectory& step);
void become_user(ContainerSide& side, const plan::step::BecomeUser& step);

// program.cpp
void prepare_program(ContainerSide& side, const plan::step::PrepareProgram& step);
void await_start(ContainerSide& side);

// seccomp_listener.cpp
void load_seccomp(ContainerSide& side, const plan::step::LoadSeccomp& step);

// program.cpp
[[noreturn]] void exec(ContainerSide& side, const plan::step::Exec& step);

}  // namespace gpurun::engine
