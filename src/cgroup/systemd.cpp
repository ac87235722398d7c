#include "cgroup/systemd.h"

#include <gpurun/error.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/scope.h"
#include "base/text.h"
#include "cgroup/files.h"
#include "cgroup/v2.h"
#include "sys/file.h"
#include "sys/helper.h"

namespace gpurun::cgroup {
namespace {

// Units of a user are below that user's manager, which is asked over the user's bus.
bool is_users(const Location& location) { return location.path.find("/user@") != std::string::npos; }

// Runs `gpurun-helper systemd ACTION [--user] UNIT [NAME=VALUE…]`. Returns what it says.
std::string ask(const char* action, const Location& location, const std::vector<Property>& properties) {
    std::vector<std::string> arguments = {"systemd", action};
    if (is_users(location)) arguments.push_back("--user");
    arguments.push_back(location.unit);
    for (const auto& property : properties) arguments.push_back(property.name + "=" + property.value);
    const auto finished = sys::run_helper(std::move(arguments));
    if (finished.timed_out) throw Error(format("systemd did not {} {} in time", action, location.unit));
    if (finished.exit_code != 0) throw Error(finished.output);
    return finished.output;
}

// systemd says where the unit is; a user's manager may be elsewhere than its name tells.
void move_to(Location& location, const std::string& path) {
    if (path.empty() || path == location.path) return;
    for (auto& directory : location.directories)
        if (directory.path.ends_with(location.path))
            directory.path.replace(directory.path.size() - location.path.size(), std::string::npos, path);
    location.path = path;
}

}  // namespace

SystemdManager::SystemdManager(Location location) : files_(files_manager(std::move(location), Origin::unit)) {}

void SystemdManager::create(const spec::Resources& resources) {
    Location location = files_->location();
    refused_ = true;
    if (location.unit.empty()) throw Error("the container's record names no systemd unit");
    auto properties = unit_properties(location);
    const auto add = [&properties](std::vector<Property> more) {
        properties.insert(properties.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    };
    // The order matters: see device_properties(); annotations may overrule everything.
    add(device_properties(device_rules(resources.devices), sys::try_read_file("/proc/devices").value_or("")));
    auto writes = translate(location.layout, resources);
    std::erase_if(writes, comes_last);
    add(limit_properties(writes));
    for (const auto& [name, value] : location.unit_properties) properties.push_back({name, value});
    move_to(location, ask("start", location, properties));
    ScopeExit undo([&location] {
        try {
            ask("stop", location, {});
        } catch (const Error& error) {
            log::warning("{}", error.text());
        }
    });
    files_ = files_manager(std::move(location), Origin::unit);
    files_->create(resources);
    undo.dismiss();
    refused_ = false;
    new_ = true;
}

void SystemdManager::set_properties(const std::vector<Property>& properties) {
    if (!properties.empty()) ask("set", location(), properties);
}

void SystemdManager::apply(const std::vector<Write>& writes) {
    if (!new_ || std::any_of(writes.begin(), writes.end(), comes_last)) set_properties(limit_properties(writes));
    // The files have the exact values, and limits that systemd has no property for.
    files_->apply(writes);
}

void SystemdManager::set_devices(const std::vector<spec::DeviceRule>& rules) {
    // On v1 systemd denies everything for a moment while it rewrites the list.
    const bool freeze_it = !new_ && location().layout != Layout::v2 && !is_frozen();
    if (freeze_it) freeze(Freeze::frozen);
    const ScopeExit thaw([&] {
        if (!freeze_it) return;
        try {
            freeze(Freeze::thawed);
        } catch (const Error&) {
        }
    });
    if (!new_) set_properties(device_properties(rules, sys::try_read_file("/proc/devices").value_or("")));
    files_->set_devices(rules);
}

void SystemdManager::attach(int pid, const Spot& spot) {
    try {
        files_->attach(pid, spot);
    } catch (const Error& error) {
        const bool no_right = error.code == EACCES || error.code == EPERM;
        if (!no_right || !is_users(location())) throw;
        std::string path = spot.below;
        if (spot.beside != 0) {
            const auto& own = location().directories.front().path;
            path = directory_beside(own, location().path, spot.beside);
            if (!path.starts_with(own)) throw;
            path.erase(0, own.size());
        }
        ask("attach", location(), {{"PID", std::to_string(pid)}, {"PATH", clean_path(path)}});
    }
}

void SystemdManager::remove() {
    // A unit that create() did not get may be another container's.
    if (refused_) return;
    // A scope whose last process has gone is collected by systemd itself.
    const auto& directories = location().directories;
    if (std::any_of(directories.begin(), directories.end(),
                    [](const Directory& directory) { return sys::exists(directory.path); }))
        ask("stop", location(), {});
    files_->remove();
}

}  // namespace gpurun::cgroup
