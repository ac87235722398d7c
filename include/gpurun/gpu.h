#pragma once

#include <gpurun/spec.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The GPU as a function: request (from the spec) + inventory (of a host root) + image (of the container's root) →
/// edits. CDI files and engines' NVIDIA hook entries become the same edits. Edits are applied to the Spec before the
/// plan is built; what the spec has no word for (links, covered files, loader cache) is in RootfsEdits, which the plan
/// turns into steps. Nothing outside src/gpu knows a vendor.
namespace gpurun::gpu {

/// A symbolic link to make in the root file system; an equal one is left, another file is replaced, a directory is an
/// error.
struct Link {
    std::string path;    ///< Absolute in the container.
    std::string target;  ///< As written into the link.
    bool operator==(const Link&) const = default;
};

/// A read-only file with this content over \a path, which must exist in the container's view (such as a /proc file).
struct Cover {
    std::string path;
    std::string content;
    std::uint32_t mode = 0444;
    bool operator==(const Cover&) const = default;
};

/// A file to write into the root file system (bound over it where the root is read-only).
struct File {
    std::string path;
    std::string content;
    std::uint32_t mode = 0644;
    bool operator==(const File&) const = default;
};

/// An entry the dynamic linker's cache must have: `libcuda.so.1` → `/usr/lib64/libcuda.so.1`.
struct CacheEntry {
    std::string soname;
    std::string path;
    std::int32_t flags = 0;  ///< ld.so.cache flags: 0x0303 x86-64, 0x0003 i386, 0x0a03 aarch64.
    bool operator==(const CacheEntry&) const = default;
};

/// What the container's root file system needs beyond config.json. Carried out in the container's mount namespace
/// before pivot_root, in this order: links, files, cache, covers.
struct RootfsEdits {
    std::vector<Link> links;
    std::vector<File> files;
    std::vector<CacheEntry> cache;  ///< Merged into /etc/ld.so.cache; must win over the image's entries.
    std::vector<Cover> covers;
    bool empty() const { return links.empty() && files.empty() && cache.empty() && covers.empty(); }
};

/// A device node that the container gets.
struct Device {
    std::string path;       ///< In the container.
    std::string host_path;  ///< On the host, for user namespaces, where mknod is refused.
    std::string type = "c";
    std::int64_t major = 0, minor = 0;
    std::string access = "rw";
    std::optional<std::uint32_t> file_mode, uid, gid;
};

/// Why something is among the edits, or why it is not; for `gpurun gpu explain`.
struct Reason {
    std::string subject;  ///< The path in the container or the name that the edit is about.
    std::string why;
    bool left_out = false;
};

/// The common currency of native discovery, CDI and emulated hooks (CDI containerEdits).
struct Edits {
    std::vector<std::string> env;  ///< "NAME=value"; replaces the same name.
    std::vector<Device> devices;
    std::vector<spec::Mount> mounts;
    std::optional<spec::Hooks> hooks;
    std::vector<std::uint32_t> additional_gids;
    std::optional<spec::IntelRdt> intel_rdt;
    std::map<std::string, spec::NetDevice> net_devices;
    std::string cpus, mems;  ///< Lists of processors and memory nodes, where the config names none.
    RootfsEdits rootfs;
    std::optional<std::vector<Reason>> reasons;  ///< Where it is there, whoever adds an edit says why.
};

struct Trail;

/// What the caller adds to the config's own requests.
struct Options {
    std::vector<std::string> devices;  ///< --gpu: indexes, UUIDs, CDI names.
    std::string host_root = "/";       ///< Where the host is; a fixture tree in tests.
    std::string bundle;                ///< Absolute.
    bool rootless = false;             ///< mknod and module loading are not possible.
    bool only_devices = false;         ///< What the config itself asks for doesn't count.
    bool dry = false;                  ///< Nothing on the host may change: no module is loaded, no node made.
    Trail* trail = nullptr;            ///< Gets what was decided on the way, for explain(); start has none.
};

/// Finds the requests in \a spec, discovers, edits \a spec in place and returns the rest. Without a request it does
/// nothing at all and touches no file. Throws Error with one sentence: unknown GPU, no driver, version mismatch. Runs
/// in the host process, no side effects on the host but for loading modules and making nodes where configured.
RootfsEdits prepare(spec::Spec& spec, const Options& options);

/// Why CRIU may fail to save a container with \a spec: it has GPU devices and CRIU no plugin for them. One sentence, or
/// empty.
std::string checkpoint_hint(const spec::Spec& spec);

/// What adding and removing GPUs changes in a container that runs already.
struct Change {
    std::vector<Device> added, removed;
    std::vector<spec::Mount> shown;   ///< Directories to bind below /proc/driver/nvidia/gpus where others are hidden.
    std::vector<std::string> hidden;  ///< Those to take away.
    std::vector<std::uint32_t> missing_gids;  ///< Groups that open added nodes and that the process does not have.
    bool lacks_driver = false;  ///< The container was made without a GPU: it has none of the driver's files.
    bool empty() const { return added.empty() && removed.empty(); }
};

/// Resolves \a add and \a remove (names as for --gpu, NVIDIA's only) against the machine and against \a config, the
/// config the container was made from with the edits of then. A GPU that is there already is not added again. Throws
/// Error for unknown names and for GPUs to remove that the container does not have. Touches nothing.
Change change_gpus(const spec::Spec& config, const std::vector<std::string>& add,
                   const std::vector<std::string>& remove, const Options& options);

/// \a config as it would be had the container been made with \a change: nodes, device rules and mounts.
void apply_change(const Change& change, spec::Spec& config);

/// What a GPU of a container and the container's processes on it use, in bytes.
struct Usage {
    struct Process {
        int pid = 0;
        std::uint64_t memory = 0;  ///< 0 also where the driver does not tell.
    };
    unsigned index = 0;
    std::string bus_id, uuid;
    std::uint64_t total = 0, used = 0;  ///< The GPU's memory, and what everybody together holds of it.
    std::vector<Process> processes;     ///< Those of the container.
};

/// True when the container of this \a config has a GPU of NVIDIA's. Reads nothing but its argument.
bool has_gpu(const spec::Spec& config);

/// The GPUs of the container made from \a config, whose processes are \a pids as this process sees them. Asks NVML in
/// the helper program. Throws Error when there is no answer.
std::vector<Usage> usage(const spec::Spec& config, const std::vector<int>& pids, const Options& options);

/// The image's ld.so.cache with \a entries added and winning. \a existing may be empty or hostile. Pure; never throws
/// for bad input, but starts from an empty cache.
std::string merge_loader_cache(const std::string& existing, const std::vector<CacheEntry>& entries);

}  // namespace gpurun::gpu
