#pragma once

#include <gpurun/spec.h>

#include "json/type.h"

/// The part of spec/tables.h for config.md#process.
namespace gpurun::json {

using namespace gpurun::spec;

template <>
struct Fields<ConsoleSize> {
    static constexpr Field value[] = {required<&ConsoleSize::height>("height"), required<&ConsoleSize::width>("width")};
};

template <>
struct Fields<User> {
    static constexpr Field value[] = {always<&User::uid>("uid"), always<&User::gid>("gid"),
                                      field<&User::umask>("umask"), field<&User::additional_gids>("additionalGids")};
};

template <>
struct Fields<Rlimit> {
    static constexpr Field value[] = {required<&Rlimit::type>("type"), required<&Rlimit::hard>("hard"),
                                      required<&Rlimit::soft>("soft")};
};

template <>
struct Fields<Capabilities> {
    static constexpr Field value[] = {
        field<&Capabilities::bounding>("bounding"),       field<&Capabilities::effective>("effective"),
        field<&Capabilities::inheritable>("inheritable"), field<&Capabilities::permitted>("permitted"),
        field<&Capabilities::ambient>("ambient"),
    };
};

template <>
struct Fields<Scheduler> {
    static constexpr Field value[] = {
        required<&Scheduler::policy>("policy"),  field<&Scheduler::nice>("nice"),
        field<&Scheduler::priority>("priority"), field<&Scheduler::flags>("flags"),
        field<&Scheduler::runtime>("runtime"),   field<&Scheduler::deadline>("deadline"),
        field<&Scheduler::period>("period"),
    };
};

template <>
struct Fields<IoPriority> {
    static constexpr Field value[] = {required<&IoPriority::io_class>("class"),
                                      always<&IoPriority::priority>("priority")};
};

template <>
struct Fields<CpuAffinity> {
    static constexpr Field value[] = {field<&CpuAffinity::initial>("initial"), field<&CpuAffinity::final>("final")};
};

template <>
struct Fields<Process> {
    static constexpr Field value[] = {
        field<&Process::terminal>("terminal"),
        field<&Process::console_size>("consoleSize"),
        always<&Process::user>("user"),
        field<&Process::args>("args"),
        field<&Process::command_line>("commandLine"),
        field<&Process::env>("env"),
        required<&Process::cwd>("cwd"),
        field<&Process::capabilities>("capabilities"),
        field<&Process::rlimits>("rlimits"),
        field<&Process::no_new_privileges>("noNewPrivileges"),
        field<&Process::apparmor_profile>("apparmorProfile"),
        field<&Process::oom_score_adj>("oomScoreAdj"),
        field<&Process::scheduler>("scheduler"),
        field<&Process::selinux_label>("selinuxLabel"),
        field<&Process::io_priority>("ioPriority"),
        field<&Process::exec_cpu_affinity>("execCPUAffinity"),
    };
};

}  // namespace gpurun::json
