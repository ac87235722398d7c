#pragma once

#include <criu/rpc.pb-c.h>

#include <deque>
#include <string>
#include <vector>

namespace gpurun::helper {

/// What CRIU must be able to do before it is asked to.
struct CriuRequirement {
    int version = 0;   ///< 31600 for 3.16; 0: any.
    std::string what;  ///< "--lsm-profile": who needs it.
};

/// A request to CRIU, made from words: NAME VALUE… of the table in criu_options.cpp. Not to be copied: the message
/// points into it.
struct CriuCall {
    CriuOpts opts = CRIU_OPTS__INIT;
    CriuFeatures features = CRIU_FEATURES__INIT;
    bool asks_features = false;
    bool no_new_privileges = false;  ///< What CRIU restores has no_new_privs: CRIU's process has it then.
    std::string program = "criu";
    std::string log_directory;  ///< For messages: where CRIU's log is.
    std::vector<CriuRequirement> requirements;

    std::deque<ExtMountMap> mounts;
    std::deque<CgroupRoot> cgroup_roots;
    std::deque<InheritFd> inherited;
    std::deque<JoinNamespace> joined;
    std::deque<std::string> texts;  ///< Owns what has no other owner.
    CriuPageServerInfo page_server = CRIU_PAGE_SERVER_INFO__INIT;
    std::vector<ExtMountMap*> mount_pointers;
    std::vector<CgroupRoot*> cgroup_root_pointers;
    std::vector<InheritFd*> inherited_pointers;
    std::vector<JoinNamespace*> joined_pointers;
    std::vector<char*> external_pointers;

    CriuCall() = default;
    CriuCall(const CriuCall&) = delete;
    CriuCall& operator=(const CriuCall&) = delete;
};

/// Fills \a call from \a words, which must outlive it. Opens the directories and namespaces named there; their
/// descriptors stay open until this process ends, those of namespaces also in the programs it executes. Throws Error.
void read_criu_options(const std::vector<std::string>& words, CriuCall& call);

}  // namespace gpurun::helper
