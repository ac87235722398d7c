#pragma once

#include <gpurun/container.h>
#include "engine/engine.h"

#include <string>

#include "container/notify.h"

namespace gpurun::container {

/// A container that was made: its record is on disk and complete.
struct Made {
    state::Record record;
    spec::Spec spec;
    engine::Started started;
    NotifyProxy notify;  ///< run: for READY=1.
};

/// What becomes of the container once it is made: it waits for `start`, or its program has been executed on return.
enum class Mode { create, run_attached, run_detached };

/// The common way of create and run. \a
/// subreaper etc. are the caller's. On failure nothing is left, and poststop hooks have run if the process existed.
/// runtime.md#lifecycle
Made make(const Context& context, const CreateOptions& options, Mode mode);

/// Loads, validates, edits: everything before the first side effect; \a dry: nothing on the host changes at all.
struct Prepared {
    spec::Spec spec;
    std::string config;  ///< Text for the record.
    gpu::RootfsEdits edits;
    plan::Host host;
    plan::Options options;
};
Prepared prepare(const Context& context, const CreateOptions& options, bool run, const std::string& host_root,
                 bool dry = false);

/// Throws Error when `process.terminal`, the console socket and whether gpurun stays attached don't go together.
void check_terminal(const spec::Spec& spec, const CreateOptions& options, bool attached);

/// The record of a container that is being made by this process; \a run: it has no start socket.
state::Record new_record(const Prepared& prepared, bool run);

/// Notes the container's init and when it started.
void note_process(state::Record& record, int pid);

}  // namespace gpurun::container
