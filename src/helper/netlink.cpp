#include "helper/netlink.h"

#include <gpurun/error.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"

#ifndef IFLA_NEW_IFINDEX
#define IFLA_NEW_IFINDEX 49
#endif

namespace gpurun::helper {
namespace {

/// A request under construction; what the kernel answers is read into a buffer of its own.
class Request {
 public:
    template <typename Header>
    Request(std::uint16_t type, std::uint16_t flags, const Header& header)
        : buffer_(static_cast<std::size_t>(MNL_SOCKET_BUFFER_SIZE)), message_(mnl_nlmsg_put_header(buffer_.data())) {
        message_->nlmsg_type = type;
        message_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        std::memcpy(mnl_nlmsg_put_extra_header(message_, sizeof header), &header, sizeof header);
    }
    void put(std::uint16_t type, std::uint32_t value) { mnl_attr_put_u32(message_, type, value); }
    void put(std::uint16_t type, const std::string& text) { mnl_attr_put_strz(message_, type, text.c_str()); }
    void put(const Address::Attribute& attribute) {
        mnl_attr_put(message_, attribute.type, attribute.value.size(), attribute.value.data());
    }
    nlmsghdr* message() { return message_; }

 private:
    std::vector<char> buffer_;
    nlmsghdr* message_;
};

struct Attributes {
    std::function<void(std::uint16_t type, const nlattr* attribute)> each;
    static int call(const nlattr* attribute, void* self) {
        static_cast<Attributes*>(self)->each(mnl_attr_get_type(attribute), attribute);
        return MNL_CB_OK;
    }
};

template <typename Header, typename Each>
const Header& parse(const nlmsghdr* message, Each each) {
    Attributes attributes{each};
    mnl_attr_parse(message, sizeof(Header), Attributes::call, &attributes);
    return *static_cast<const Header*>(mnl_nlmsg_get_payload(message));
}

Link link_of(const nlmsghdr* message) {
    Link link;
    const auto& header = parse<ifinfomsg>(message, [&link](std::uint16_t type, const nlattr* attribute) {
        if (type == IFLA_IFNAME) link.name = mnl_attr_get_str(attribute);
    });
    link.index = header.ifi_index;
    return link;
}

}  // namespace

Netlink::Netlink() : socket_(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)) {
    if (socket_ == nullptr) throw Error(errno, "netlink socket");
    if (mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) != 0) throw Error(errno, "bind the netlink socket");
}

Netlink::Netlink(Netlink&& other) noexcept
    : socket_(std::exchange(other.socket_, nullptr)), sequence_(other.sequence_) {}

Netlink::~Netlink() {
    if (socket_ != nullptr) mnl_socket_close(socket_);
}

void Netlink::ask(nlmsghdr* message, const char* what, const Receiver& receiver) {
    message->nlmsg_seq = ++sequence_;
    if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0) throw Error(errno, what);
    constexpr std::size_t largest_part = 32u << 10;  // MNL_SOCKET_DUMP_SIZE of newer libmnl.
    std::vector<char> answer(largest_part);
    const auto each = [](const nlmsghdr* part, void* data) {
        const auto& receive = *static_cast<const Receiver*>(data);
        if (receive) receive(part);
        return MNL_CB_OK;
    };
    for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
        const auto got = mnl_socket_recvfrom(socket_, answer.data(), answer.size());
        if (got < 0) throw Error(errno, what);
        more = mnl_cb_run(answer.data(), static_cast<std::size_t>(got), message->nlmsg_seq,
                          mnl_socket_get_portid(socket_), each, const_cast<Receiver*>(&receiver));
        if (more < 0) throw Error(errno, what);
    }
}

std::vector<Link> Netlink::links() {
    std::vector<Link> found;
    Request request(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
    ask(request.message(), "list the network devices",
        [&found](const nlmsghdr* message) { found.push_back(link_of(message)); });
    return found;
}

std::optional<Link> Netlink::find(const std::string& name) {
    for (auto& link : links())
        if (link.name == name) return std::move(link);
    return std::nullopt;
}

std::string Netlink::name_of(int index) {
    for (const auto& link : links())
        if (link.index == index) return link.name;
    throw Error(ENODEV, format("network device number {}", index));
}

std::vector<Address> Netlink::permanent_addresses(int index) {
    std::vector<Address> found;
    Request request(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{});
    ask(request.message(), "list the addresses", [&](const nlmsghdr* message) {
        Address address;
        std::optional<std::uint32_t> long_flags;
        const auto& header = parse<ifaddrmsg>(message, [&](std::uint16_t type, const nlattr* attribute) {
            const auto* value = static_cast<const char*>(mnl_attr_get_payload(attribute));
            if (type == IFA_FLAGS) long_flags = mnl_attr_get_u32(attribute);
            if (type == IFA_ADDRESS || type == IFA_LOCAL || type == IFA_BROADCAST || type == IFA_RT_PRIORITY)
                address.attributes.push_back({type, std::string(value, mnl_attr_get_payload_len(attribute))});
        });
        address.family = header.ifa_family;
        address.prefix_length = header.ifa_prefixlen;
        address.scope = header.ifa_scope;
        address.flags = long_flags.value_or(header.ifa_flags);
        const bool is_kept = (address.flags & IFA_F_PERMANENT) != 0 && address.scope == RT_SCOPE_UNIVERSE;
        if (is_kept && static_cast<int>(header.ifa_index) == index) found.push_back(std::move(address));
    });
    return found;
}

void Netlink::move(int index, sys::FdRef space, const std::string& new_name, int new_index) {
    ifinfomsg header{};
    header.ifi_index = index;
    Request request(RTM_NEWLINK, NLM_F_ACK, header);
    request.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(space.get()));
    request.put(IFLA_IFNAME, new_name);
    request.put(IFLA_NEW_IFINDEX, static_cast<std::uint32_t>(new_index));
    ask(request.message(), "RTM_NEWLINK");
}

void Netlink::raise(int index) {
    ifinfomsg header{};
    header.ifi_index = index;
    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    Request request(RTM_NEWLINK, NLM_F_ACK, header);
    ask(request.message(), "raise it");
}

void Netlink::add(int index, const Address& address) {
    ifaddrmsg header{};
    header.ifa_family = address.family;
    header.ifa_prefixlen = address.prefix_length;
    header.ifa_scope = address.scope;
    header.ifa_index = static_cast<unsigned>(index);
    Request request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, header);
    for (const auto& attribute : address.attributes) request.put(attribute);
    // What an administrator chose for it. It was unique on this link and still is, so nobody need wait for that again.
    constexpr std::uint32_t kept = IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_MCAUTOJOIN;
    request.put(IFA_FLAGS, (address.flags & kept) | IFA_F_NODAD);
    ask(request.message(), "add an address");
}

}  // namespace gpurun::helper
