#pragma once

#include <gpurun/spec.h>

#include "json/type.h"

/// The JSON names of the spec's structs, for whoever reads or writes one of them. `required` is what the spec calls
/// REQUIRED, `always` what engines and hooks expect to find even when it is zero.
namespace gpurun::json {

using namespace gpurun::spec;

template <>
struct Names<NamespaceType> {
    static constexpr Name<NamespaceType> value[] = {
        {"pid", NamespaceType::pid},       {"network", NamespaceType::network}, {"mount", NamespaceType::mount},
        {"ipc", NamespaceType::ipc},       {"uts", NamespaceType::uts},         {"user", NamespaceType::user},
        {"cgroup", NamespaceType::cgroup}, {"time", NamespaceType::time},
    };
};

template <>
struct Names<Status> {
    static constexpr Name<Status> value[] = {
        {"creating", Status::creating}, {"created", Status::created}, {"running", Status::running},
        {"paused", Status::paused},     {"stopped", Status::stopped},
    };
};

template <>
struct Fields<Root> {
    static constexpr Field value[] = {required<&Root::path>("path"), field<&Root::readonly>("readonly")};
};

template <>
struct Fields<IdMapping> {
    static constexpr Field value[] = {required<&IdMapping::container_id>("containerID"),
                                      required<&IdMapping::host_id>("hostID"), required<&IdMapping::size>("size")};
};

template <>
struct Fields<Mount> {
    static constexpr Field value[] = {
        required<&Mount::destination>("destination"),
        field<&Mount::type>("type"),
        field<&Mount::source>("source"),
        field<&Mount::options>("options"),
        field<&Mount::uid_mappings>("uidMappings"),
        field<&Mount::gid_mappings>("gidMappings"),
    };
};

}  // namespace gpurun::json

#include "spec/tables_linux.h"
#include "spec/tables_process.h"

namespace gpurun::json {

template <>
struct Fields<Hook> {
    static constexpr Field value[] = {required<&Hook::path>("path"), field<&Hook::args>("args"),
                                      field<&Hook::env>("env"), field<&Hook::timeout>("timeout")};
};

template <>
struct Fields<Hooks> {
    static constexpr Field value[] = {
        field<&Hooks::prestart>("prestart"),
        field<&Hooks::create_runtime>("createRuntime"),
        field<&Hooks::create_container>("createContainer"),
        field<&Hooks::start_container>("startContainer"),
        field<&Hooks::poststart>("poststart"),
        field<&Hooks::poststop>("poststop"),
    };
};

template <>
struct Fields<Spec> {
    static constexpr Field value[] = {
        required<&Spec::oci_version>("ociVersion"),
        field<&Spec::process>("process"),
        field<&Spec::root>("root"),
        field<&Spec::hostname>("hostname"),
        field<&Spec::domainname>("domainname"),
        field<&Spec::mounts>("mounts"),
        field<&Spec::hooks>("hooks"),
        field<&Spec::annotations>("annotations"),
        field<&Spec::linux>("linux"),
    };
};

template <>
struct Fields<State> {
    static constexpr Field value[] = {
        required<&State::oci_version>("ociVersion"), required<&State::id>("id"),
        required<&State::status>("status"),          always<&State::pid>("pid"),
        required<&State::bundle>("bundle"),          field<&State::annotations>("annotations"),
    };
};

}  // namespace gpurun::json
