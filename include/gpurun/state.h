#pragma once

#include <gpurun/cgroup.h>
#include <gpurun/fd.h>
#include <gpurun/spec.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A container's record on disk: one file, `ROOT/ID.json`, whose first line is the record and the rest the config the
/// container was made from (later edits of the bundle's config.json MUST NOT matter); behind a NUL there may be what
/// create compiled of it. It exists before the first side effect of create, so whatever kills gpurun, `delete --force`
/// finds what is to be cleared.
namespace gpurun::state {

struct Record {
    std::string id;
    std::string oci_version;
    std::string bundle;            ///< Absolute.
    std::string rootfs;            ///< Absolute.
    std::string created;           ///< RFC 3339 with nanoseconds, UTC.
    std::int64_t pid = 0;          ///< Of the container's init, in gpurun's pid namespace; 0 before it exists.
    std::uint64_t start_time = 0;  ///< Its start in clock ticks since boot: tells a reused pid.
    std::int64_t creator = 0;      ///< The gpurun that makes the container; meaningful until `complete`.
    std::uint64_t creator_start_time = 0;
    bool complete = false;  ///< create has done all its work.
    std::string socket;     ///< Where init waits for `start`, in ROOT; exists until then.
    cgroup::Location cgroup;
    std::string resctrl_group;   ///< Absolute directory that delete removes.
    bool own_pids = false;       ///< A pid namespace of its own: no process of it outlives its init.
    bool shares_mounts = false;  ///< No mount namespace of its own: delete unmounts its root.
    bool has_poststart = false, has_poststop = false;
    bool awaits_exec = false;        ///< start waits until the program is executed: its hooks, a seccomp agent.
    bool has_notify_socket = false;  ///< A directory with it lies beside the record.
    std::map<std::string, std::string> annotations;
    std::uint32_t owner = 0;  ///< uid; not stored, the file's.
};

/// Lower-case letters, digits … of runc: [\w+.-]+, and not "." or "..". Throws Error("invalid container ID format: …").
void check_id(const std::string& id);

/// `$XDG_RUNTIME_DIR/gpurun` for those who aren't root, else /run/gpurun.
std::string default_root();

/// The open file of a record that this process has just made: saving it again is one write.
struct NewRecord {
    sys::Fd file;
    std::size_t room = 0;  ///< Bytes of its first line.
    std::size_t size = 0;  ///< Bytes of all.
};

/// A record that nobody else changes while `lock` lives.
struct LockedRecord {
    Record record;
    sys::Fd lock;
};

/// A record and what is behind it.
struct Stored {
    Record record;
    std::string config;
    std::string compiled;  ///< As `keep` was given it.
};

/// All containers below one root directory.
class Store {
 public:
    /// Nothing is touched before the first use. \a root is made by `create` only, 0700.
    explicit Store(std::string root) : root_(std::move(root)) {}

    /// Where a container's socket for sd_notify lies.
    std::string notify_directory(const std::string& id) const { return root_ + "/" + id + ".notify"; }

    /// Writes a new record. Throws Error("container with given ID already exists").
    NewRecord create(const Record& record, std::string_view config);
    void save(const Record& record, NewRecord& made);
    /// Adds what was compiled of the config. Lost when the config is replaced.
    void keep(NewRecord& made, std::string_view compiled);
    /// Rewrites the record of a container that exists; what is behind it stays.
    void save(const Record& record);
    /// Rewrites both.
    void save(const Record& record, std::string_view config);
    /// Throws Error("container does not exist").
    Record load(const std::string& id) const;
    std::optional<Record> try_load(const std::string& id) const;
    /// The same with the lock taken first.
    LockedRecord load_locked(const std::string& id) const;
    std::optional<LockedRecord> try_load_locked(const std::string& id) const;
    std::string load_config(const std::string& id) const;
    /// All at once. Throws Error("container does not exist").
    Stored load_with_config(const std::string& id) const;
    /// Removes record and socket; what is absent is fine.
    void remove(const Record& record) noexcept;
    std::vector<std::string> ids() const;

    /// Keeps other gpuruns from changing this container while the result lives. Throws Error("container does not
    /// exist").
    sys::Fd lock(const std::string& id) const;

    /// The root directory, made when \a make.
    sys::Fd directory(bool make = false) const;
    const std::string& root() const { return root_; }

 private:
    std::string root_;
};

/// What the container is doing now, frozen apart: that is the cgroup's to say.
spec::Status status_of(const Store& store, const Record& record);
/// True when the process of the record still is that process and no zombie.
bool is_alive(const Record& record);

spec::State to_state(const Record& record, spec::Status status);

/// Now, as `created` wants it.
std::string timestamp();

}  // namespace gpurun::state
