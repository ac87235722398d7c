#pragma once

#include <gpurun/state.h>

#include "json/type.h"

namespace gpurun::json {

template <>
struct Names<cgroup::Layout> {
    static constexpr Name<cgroup::Layout> value[] = {
        {"v1", cgroup::Layout::v1}, {"hybrid", cgroup::Layout::hybrid}, {"v2", cgroup::Layout::v2}};
};

template <>
struct Names<cgroup::Driver> {
    static constexpr Name<cgroup::Driver> value[] = {{"cgroupfs", cgroup::Driver::cgroupfs},
                                                     {"systemd", cgroup::Driver::systemd},
                                                     {"disabled", cgroup::Driver::disabled}};
};

template <>
struct Fields<cgroup::Directory> {
    static constexpr Field value[] = {field<&cgroup::Directory::controllers>("controllers"),
                                      required<&cgroup::Directory::path>("path"),
                                      field<&cgroup::Directory::created>("created")};
};

template <>
struct Fields<cgroup::Location> {
    static constexpr Field value[] = {
        always<&cgroup::Location::layout>("layout"), always<&cgroup::Location::driver>("driver"),
        field<&cgroup::Location::path>("path"),      field<&cgroup::Location::unit>("unit"),
        field<&cgroup::Location::slice>("slice"),    field<&cgroup::Location::directories>("directories")};
};

template <>
struct Fields<state::Record> {
    using Record = state::Record;
    static constexpr Field value[] = {required<&Record::id>("id"),
                                      field<&Record::oci_version>("ociVersion"),
                                      field<&Record::bundle>("bundle"),
                                      field<&Record::rootfs>("rootfs"),
                                      field<&Record::created>("created"),
                                      always<&Record::pid>("pid"),
                                      field<&Record::start_time>("startTime"),
                                      field<&Record::creator>("creator"),
                                      field<&Record::creator_start_time>("creatorStartTime"),
                                      field<&Record::complete>("complete"),
                                      field<&Record::socket>("socket"),
                                      field<&Record::cgroup>("cgroup"),
                                      field<&Record::resctrl_group>("resctrlGroup"),
                                      field<&Record::own_pids>("ownPids"),
                                      field<&Record::shares_mounts>("sharesMounts"),
                                      field<&Record::has_poststart>("hasPoststart"),
                                      field<&Record::has_poststop>("hasPoststop"),
                                      field<&Record::awaits_exec>("awaitsExec"),
                                      field<&Record::has_notify_socket>("hasNotifySocket"),
                                      field<&Record::annotations>("annotations")};
};

}  // namespace gpurun::json
