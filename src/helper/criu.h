#pragma once

#include <string>
#include <vector>

namespace gpurun::helper {

/// `criu dump|pre-dump|restore OPTION [VALUE…]…`, the options of criu_options.cpp. Starts the program criu as its
/// worker
/// (`criu swrk`) and talks to it in the messages of libcriu; libcriu's own calls know no lazy pages, empty namespaces
/// or configuration files before CRIU 4.2, and withhold why CRIU failed.
///
/// Descriptor 3 is a SOCK_SEQPACKET socket to gpurun: "notify NAME PID", with a descriptor for orphan-pts-master, is
/// answered by "go" or by a closed socket, which makes CRIU give up; at the end comes "done PID", 0 but for a restore,
/// or "failed SENTENCE". Descriptors 0 to 2 are those that a restored container gets. Returns "".
std::string criu(const std::vector<std::string>& arguments);

}  // namespace gpurun::helper
