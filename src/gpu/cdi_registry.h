#pragma once

#include <gpurun/gpu.h>

#include <map>
#include <string>
#include <vector>

#include "gpu/cdi_file.h"
#include "gpu/cdi_names.h"

/// The CDI files of a host and what their devices mean. CDI SPEC.md "CDI Specification directories".
namespace gpurun::gpu::cdi {

/// Where files are looked for when nothing is configured; a later directory overrides an earlier one's devices.
std::vector<std::string> default_directories();

/// What the edits of a file are completed with.
struct Context {
    std::string host_root = "/";  ///< Where host paths are below; a fixture tree in tests.
    std::optional<std::uint32_t> uid,
        gid;               ///< Owner of device nodes that name none: the process's, when it is not root.
    bool explain = false;  ///< The edits shall say which file and device they come from.
};

/// The edits of one file or device: nodes completed from the host's. Throws Error when a node lacks numbers and the
/// host does not have it.
Edits to_edits(const ContainerEdits& edits, const Context& context);

/// All files of some directories. A file that cannot be read or is wrong never gets in the way of others.
class Registry {
 public:
    /// Reads every `*.json` and `*.yaml` in \a directories (below \a host_root); absent ones count as empty. Never
    /// throws for bad files.
    explicit Registry(const std::vector<std::string>& directories = default_directories(),
                      const std::string& host_root = "/");

    /// One sentence with file, line and column for each file that is not used, and one for each device that two files
    /// of a directory define.
    const std::vector<std::string>& problems() const { return problems_; }

    /// A file that is in use, with its path below the host's root.
    struct Source {
        std::string path;
        File file;
    };
    const std::vector<Source>& sources() const { return sources_; }

    /// Every device that can be resolved, sorted.
    std::vector<Name> names() const;
    /// The file that defines \a name; empty when none does.
    std::string file_of(const Name& name) const;
    bool has_kind(std::string_view kind) const;

    /// The edits of all \a names, qualified: each file's own once, before its first device's. Throws
    /// Error("unresolvable CDI devices …") with all that are unknown, before anything else.
    Edits resolve(const std::vector<std::string>& names, const Context& context) const;

 private:
    struct Place {
        std::size_t source = 0, device = 0;
        std::size_t directory = 0;
        bool is_conflict = false;
    };

    void read_directory(const std::string& directory, const std::string& host_root, std::size_t priority);
    void enter(std::size_t source, std::size_t priority);

    std::vector<Source> sources_;
    std::map<std::string, Place, std::less<>> places_;  // By qualified name.
    std::vector<std::string> directories_, problems_;
};

/// {"devices": [{"name", "file"} …], "problems": ["…" …]}
std::string to_json(const Registry& registry);

}  // namespace gpurun::gpu::cdi
