#pragma once

#include <gpurun/spec.h>

#include <string>

/// crun's annotations that stand for something in the config.
namespace gpurun::container {

/// The value; "" when it is not there.
std::string annotation(const spec::Spec& spec, const std::string& key);

/// Puts run.oci.seccomp.receiver, or RUN_OCI_SECCOMP_RECEIVER of the environment, into linux.seccomp.listenerPath. True
/// when \a spec has changed. Throws Error for annotations that ask for what gpurun does not have: handlers and plugins.
bool apply_annotations(spec::Spec& spec);

}  // namespace gpurun::container
