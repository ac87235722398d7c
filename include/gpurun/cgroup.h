#pragma once

#include <gpurun/fd.h>
#include <gpurun/spec.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// Control groups: pure translation of resources to writes, and managers that carry them out. Everything here runs in
/// the host process; the container process only writes "0" to the descriptors of Entry::tasks. Three rules come from
/// measurements: starting a container never writes to cgroup.procs (an RCU grace period of 8 ms or more), on v1 the
/// single-threaded child writes "0" to each `tasks` file, on v2 it is cloned into the cgroup.
namespace gpurun::cgroup {

enum class Layout { v1, hybrid, v2 };
enum class Driver { cgroupfs, systemd, disabled };

/// A mounted hierarchy of the host.
struct Hierarchy {
    std::vector<std::string> controllers;  ///< {"cpu","cpuacct"}, {"name=systemd"}; empty for cgroup2.
    std::string mount_point;               ///< "/sys/fs/cgroup/memory"
    std::string own_path;                  ///< This process's cgroup in it, "/" at the root.
};

/// What the host has. Hybrid: v1 hierarchies with limits and a cgroup2 hierarchy beside them.
struct Mounts {
    Layout layout = Layout::v2;
    std::vector<Hierarchy> hierarchies;
};

/// Reads /proc/self/cgroup and checks each mount point by statfs; the mount table is read only when that does not
/// suffice.
Mounts probe();

/// A container's directory in one hierarchy.
struct Directory {
    std::vector<std::string> controllers;
    std::string path;      ///< Absolute, "/sys/fs/cgroup/memory/docker/ID".
    bool created = false;  ///< Made by gpurun, so `delete` removes it.
};

/// Where a container's cgroup is; part of the container's record on disk.
struct Location {
    Layout layout = Layout::v2;
    Driver driver = Driver::cgroupfs;
    std::string path;  ///< Below each mount point: "/docker/ID". As seen in /proc/PID/cgroup.
    std::string unit;  ///< systemd: "docker-ID.scope"; else empty.
    std::string slice;
    std::vector<Directory>
        directories;  ///< Empty: the container has no cgroup of its own (disabled, or rootless without rights).
    std::map<std::string, std::string> unit_properties;  ///< annotated_properties(); used by create() alone.
    bool explicit_path =
        false;  ///< linux.cgroupsPath was given: not being able to make it is an error even when rootless.
};

/// Resolves linux.cgroupsPath (config-linux.md#cgroups-path) as runc does. Pure. Throws Error for an invalid path.
Location locate(const Mounts& mounts, Driver driver, const std::string& cgroups_path, const std::string& id,
                bool rootless);

/// The unit properties that annotations org.systemd.property.NAME ask for, as GVariant text; NAMESec becomes NAMEUSec.
/// Pure. Throws Error for what cannot be a property.
std::map<std::string, std::string> annotated_properties(const std::map<std::string, std::string>& annotations);

/// One write below the container's cgroup: "memory.max" ← "1048576".
struct Write {
    std::string controller;  ///< "memory"; picks the v1 hierarchy and names the controller in errors.
    std::string file;
    std::string value;
    bool optional = false;  ///< ENOENT is not an error (hugetlb rsvd, swap accounting off and nothing asked).
    bool or_next = false;   ///< The next write says the same to another scheduler's file: done when this one is absent,
                            ///< else skipped.
    std::string
        floor;  ///< A file whose value must not be above this one's (memory.checkBeforeUpdate); empty: not checked.
    bool operator==(const Write&) const = default;
};

/// The resources, devices apart, as writes in the order the kernel needs. Pure. Throws Error for values that cannot be
/// converted.
std::vector<Write> translate(Layout layout, const spec::Resources& resources);

/// Whether \a write is to come when the container is set up: in an idle cgroup that would take long on a busy machine.
bool comes_last(const Write& write);

/// The device rules that are in force: the configured ones in order, then those every container needs (null, zero,
/// ptys, mknod …).
std::vector<spec::DeviceRule> device_rules(const std::vector<spec::DeviceRule>& configured);

/// How a new process enters: cloned into \a directory (v2), and/or by writing "0" to each of \a tasks, itself,
/// single-threaded.
struct Entry {
    sys::Fd directory;
    std::vector<sys::Fd> tasks;
};

/// Where a process goes. \a below: "", or a cgroup below the container's (exec --cgroup); on v1 also
/// "CONTROLLER[,CONTROLLER]:PATH", several separated by blanks, the other hierarchies being entered at the container's.
/// \a beside: not 0, where that process is in cgroup2, which must be below the container's cgroup: for when that may
/// not have processes any more (systemd inside).
struct Spot {
    std::string below;
    int beside = 0;
};

enum class Freeze { thawed, frozen };

/// One container's cgroup. Implementations: v1 (also hybrid), v2, systemd (whose scope is made by the helper, limits as
/// files).
class Manager {
 public:
    virtual ~Manager() = default;

    /// Makes the directories and enables controllers. Throws Error(EBUSY) for a populated or frozen cgroup. Sets
    /// Directory::created.
    virtual void create(const spec::Resources& resources) = 0;
    virtual void apply(const std::vector<Write>& writes) = 0;
    /// Replaces the device filter atomically: v1 files, v2 BPF program.
    virtual void set_devices(const std::vector<spec::DeviceRule>& rules) = 0;
    /// Makes \a uid the owner of a cgroup2 directory and of the files that the kernel says to delegate. Nothing on v1,
    /// and where an ordinary user has no right to.
    virtual void hand_over(std::uint32_t uid) { static_cast<void>(uid); }
    /// The entry for a process to be cloned.
    virtual Entry entry(const Spot& spot) = 0;
    /// Moves a process by cgroup.procs; slow, for those that could not be cloned into it.
    virtual void attach(int pid, const Spot& spot) = 0;
    /// Waits until the state is reached; thaws again when freezing fails.
    virtual void freeze(Freeze state) = 0;
    virtual bool is_frozen() = 0;
    /// Sends \a signal to every process; SIGKILL by cgroup.kill where it exists. Never leaves anything frozen.
    virtual void kill(int signal) = 0;
    /// All pids in the cgroup and below it.
    virtual std::vector<int> processes() = 0;
    /// Removes what was created, leaf first, with bounded retries on EBUSY. Absent directories are fine.
    virtual void remove() = 0;
    virtual const Location& location() const = 0;
};

std::unique_ptr<Manager> manager(Location location);

// ---- What a container uses
// -------------------------------------------------------------------------------------------

/// Pressure stall information: how much of the time something waited.
struct Pressure {
    struct Share {
        double value = 0;  ///< Percent.
    };
    struct Line {
        Share avg10, avg60, avg300;
        std::uint64_t total = 0;  ///< Microseconds.
    };
    Line some, full;
};

struct CpuStats {
    struct Usage {  ///< Nanoseconds.
        std::uint64_t total = 0;
        std::vector<std::uint64_t> percpu, percpu_kernel, percpu_user;
        std::uint64_t kernel = 0, user = 0;
    };
    struct Throttling {
        std::uint64_t periods = 0, throttled_periods = 0;
        std::uint64_t throttled_time = 0;  ///< Nanoseconds.
    };
    Usage usage;
    Throttling throttling;
    std::optional<Pressure> psi;
};

struct CpusetStats {
    std::vector<std::uint16_t> cpus, mems;
    std::uint64_t cpu_exclusive = 0, mem_hardwall = 0, mem_exclusive = 0, memory_migrate = 0, memory_spread_page = 0;
    std::uint64_t memory_spread_slab = 0, memory_pressure = 0, sched_load_balance = 0;
    std::int64_t sched_relax_domain_level = 0;
};

/// memory.events of v2.
struct MemoryEvents {
    std::uint64_t low = 0, high = 0, max = 0, oom = 0, oom_kill = 0, oom_group_kill = 0;
};

struct MemoryStats {
    struct Entry {                ///< Bytes.
        std::uint64_t limit = 0;  ///< 2^64-1: unlimited.
        std::uint64_t usage = 0, max = 0, failcnt = 0;
    };
    std::uint64_t cache = 0;
    Entry usage, swap, kernel, kernel_tcp;     ///< swap: memory and swap together, as v1 counts them.
    std::map<std::string, std::uint64_t> raw;  ///< memory.stat
    std::optional<Pressure> psi;
    std::optional<MemoryEvents> event_count;
};

struct PidsStats {
    std::uint64_t current = 0;
    std::uint64_t limit = 0;  ///< 0: unlimited.
};

struct BlkioStats {
    struct Entry {
        std::uint64_t major = 0, minor = 0;
        std::string op;  ///< "Read", "Write", "Discard" …
        std::uint64_t value = 0;
    };
    std::vector<Entry> service_bytes, serviced, queued, service_time, wait_time, merged, time, sectors;
    std::optional<Pressure> psi;
};

struct HugetlbStats {
    std::uint64_t usage = 0, max = 0, failcnt = 0;  ///< Bytes, bytes, times.
};

struct RdmaStats {
    std::uint64_t hca_handle = 0, hca_object = 0;
};

struct MiscStats {
    std::uint64_t usage = 0;
    std::uint64_t limit = 0;  ///< 2^64-1: unlimited.
};

/// What runc's `events --stats` prints, and rdma and misc besides. A controller that is absent stays at zero.
/// A GPU of the container: its memory in bytes, and what the container's own processes hold of it.
struct GpuStats {
    struct Memory {
        std::uint64_t total = 0, used = 0;  ///< used: by everybody.
    };
    struct Process {
        std::int64_t pid = 0;      ///< As gpurun sees it.
        std::uint64_t memory = 0;  ///< 0 also where the driver does not tell.
    };
    std::uint64_t index = 0;
    std::string uuid, bus_id;
    Memory memory;
    std::vector<Process> processes;
};

struct Stats {
    CpuStats cpu;
    CpusetStats cpuset;
    MemoryStats memory;
    PidsStats pids;
    BlkioStats blkio;
    std::map<std::string, HugetlbStats> hugetlb;  ///< By page size, "2MB".
    std::map<std::string, RdmaStats> rdma;        ///< By device.
    std::map<std::string, MiscStats> misc;        ///< By resource.
    std::vector<GpuStats> gpus;                   ///< Left out where there are none; read_stats() does not fill it.
};

/// What the container uses now. Throws Error when its cgroup is gone.
Stats read_stats(const Location& location);

/// One line of `events`: {"type":"stats","id":ID,"data":…}, and {"type":"oom","id":ID}; without the line's end.
std::string stats_event(const std::string& id, const Stats& stats);
std::string oom_event(const std::string& id);

/// Tells of processes that the kernel killed for want of memory.
class OomWatch {
 public:
    /// Throws Error when the memory controller is absent.
    explicit OomWatch(const Location& location);

    enum class News { none, oom, gone };  ///< gone: the cgroup was removed, nothing more will come.
    /// Becomes readable when next() has something to say.
    sys::FdRef descriptor() const { return notifier_; }
    /// Does not block.
    News next();

 private:
    std::uint64_t kills() const;

    std::string file_;  // memory.events or memory.oom_control
    sys::Fd notifier_;  // inotify on v2, an eventfd on v1.
    sys::Fd control_;   // v1: must stay open.
    std::uint64_t seen_ = 0;
};

}  // namespace gpurun::cgroup
