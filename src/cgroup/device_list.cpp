#include "cgroup/device_list.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/scope.h"
#include "base/text.h"
#include "sys/file.h"

namespace gpurun::cgroup {
namespace {

// devices.allow and devices.deny, opened once for all rules.
class Files {
 public:
    explicit Files(const std::string& path)
        : path_(path),
          allow_(sys::open(path + "/devices.allow", O_WRONLY)),
          deny_(sys::open(path + "/devices.deny", O_WRONLY)) {}

    void write(bool allow, const std::string& rule) {
        const auto& file = allow ? allow_ : deny_;
        if (::write(file.get(), rule.data(), rule.size()) < 0)
            throw Error(errno, format("write \"{}\" to {}/devices.{}", rule, path_, allow ? "allow" : "deny"));
    }

 private:
    const std::string& path_;
    sys::Fd allow_, deny_;
};

void write_all(Files& files, const DeviceList& list) {
    files.write(list.allow_by_default, "a");
    for (const auto& exception : list.exceptions) files.write(exception.allow, to_text(exception));
}

// What of \a exception is not in \a list.
std::uint32_t missing(const DeviceMatch& exception, const std::vector<DeviceMatch>& list) {
    std::uint32_t access = exception.access;
    for (const auto& other : list)
        if (other.type == exception.type && other.major == exception.major && other.minor == exception.minor)
            access &= ~other.access;
    return access;
}

void write_difference(Files& files, const DeviceList& from, const DeviceList& to) {
    const auto write_missing = [&files](const std::vector<DeviceMatch>& some, const std::vector<DeviceMatch>& others,
                                        bool allow) {
        for (DeviceMatch exception : some) {
            exception.access = missing(exception, others);
            if (exception.access != 0) files.write(allow, to_text(exception));
        }
    };
    write_missing(to.exceptions, from.exceptions, !to.allow_by_default);
    write_missing(from.exceptions, to.exceptions, to.allow_by_default);
}

}  // namespace

DeviceList parse_device_list(std::string_view text) {
    DeviceList list;
    for (const auto line : split(text, '\n')) {
        const auto fields = words(line);
        if (fields.size() != 3) continue;
        if (fields[0] == "a") return {.allow_by_default = true, .exceptions = {}};
        const auto numbers = split(fields[1], ':');
        const auto number = [](std::string_view digits) { return parse_number<std::int64_t>(digits).value_or(-1); };
        DeviceMatch match{
            .type = fields[0].front(), .major = number(numbers.front()), .minor = number(numbers.back()), .access = 0};
        for (const char letter : fields[2])
            match.access |= letter == 'r'   ? access_read
                            : letter == 'w' ? access_write
                                            : static_cast<std::uint32_t>(access_mknod);
        list.exceptions.push_back(match);
    }
    return list;
}

void write_device_list(const std::string& path, const DeviceList& list, Manager* live) {
    Files files(path);
    if (live == nullptr) return write_all(files, list);
    const auto current = parse_device_list(sys::read_file(path + "/devices.list"));
    // While everything is allowed devices.list does not show the exceptions, so they are written anew.
    if (current.allow_by_default == list.allow_by_default && !list.allow_by_default)
        return write_difference(files, current, list);
    if (current.allow_by_default && list.allow_by_default && list.exceptions.empty()) return files.write(true, "a");
    // Between "deny everything" and the exceptions a running process would be refused what it may use.
    const bool was_frozen = live->is_frozen();
    if (!was_frozen) live->freeze(Freeze::frozen);
    const ScopeExit thaw([&] {
        if (was_frozen) return;
        try {
            live->freeze(Freeze::thawed);
        } catch (const Error&) {
        }
    });
    write_all(files, list);
}

}  // namespace gpurun::cgroup
