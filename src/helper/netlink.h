#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sys/fd.h"

struct mnl_socket;
struct nlmsghdr;

/// rtnetlink(7) by libmnl, as far as network devices need it.
namespace gpurun::helper {

struct Link {
    int index = 0;
    std::string name;
};

/// An address with what the kernel wants to have when it is added again: the attributes as they came.
struct Address {
    std::uint8_t family = 0, prefix_length = 0, scope = 0;
    std::uint32_t flags = 0;  ///< IFA_F_…
    struct Attribute {
        std::uint16_t type;
        std::string value;
    };
    std::vector<Attribute> attributes;
};

/// A routing socket in the network namespace that this thread was in when it was made.
class Netlink {
 public:
    Netlink();
    Netlink(Netlink&& other) noexcept;
    Netlink& operator=(Netlink&&) = delete;
    ~Netlink();

    std::vector<Link> links();
    /// Nothing when no device has the name.
    std::optional<Link> find(const std::string& name);
    std::string name_of(int index);
    /// IFA_F_PERMANENT ones with global scope.
    std::vector<Address> permanent_addresses(int index);

    /// Moves and renames in one request; the device gets \a new_index in \a space. Throws Error(EEXIST) when the name
    /// is taken there.
    void move(int index, sys::FdRef space, const std::string& new_name, int new_index);
    void raise(int index);
    void add(int index, const Address& address);

 private:
    using Receiver = std::function<void(const nlmsghdr*)>;
    void ask(nlmsghdr* message, const char* what, const Receiver& receiver = {});

    mnl_socket* socket_;
    std::uint32_t sequence_ = 0;
};

}  // namespace gpurun::helper
