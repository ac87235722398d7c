#include <fcntl.h>
#include <gpurun/error.h>
#include <gpurun/state.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/text.h"
#include "json/json.h"
#include "state/tables.h"
#include "sys/file.h"

namespace gpurun::state {
namespace {

constexpr std::string_view suffix = ".json";

// Room for pid and times to grow, so that a later save overwrites one page in place: atomic for anything that kills us.
constexpr std::size_t spare = 96;

std::string first_line(const Record& record) {
    std::string line = json::write(record);
    line.append(spare, ' ');
    line += '\n';
    return line;
}

std::string file_name(const std::string& id) { return id + std::string(suffix); }

// The first words are what engines look for.
Error no_container(const std::string& id, const std::string& root) {
    return Error(format("container does not exist: {} has no record in {}", id, root));
}

// Why a record could not be opened: there is none, or it is out of reach.
Error not_opened(int failure, const std::string& id, const std::string& root) {
    if (failure == ENOENT || failure == ENOTDIR || failure == EBADF || failure == ENAMETOOLONG)
        return no_container(id, root);
    return Error(failure, format("open the record of container {} in {}", id, root));
}

// Opens and locks the record; a save by another gpurun may have replaced the file meanwhile. Empty when there is none.
sys::Fd open_locked(sys::FdRef directory, const std::string& id, const std::string& root) {
    for (;;) {
        sys::Fd file = sys::try_open_at(directory, file_name(id), O_RDWR | O_NOFOLLOW);
        if (!file) {
            if (errno == ENOENT || errno == EBADF) return file;
            throw not_opened(errno, id, root);
        }
        while (::flock(file.get(), LOCK_EX) != 0)
            if (errno != EINTR) throw Error(errno, "lock the record of container " + id);
        const auto opened = sys::stat_fd(file);
        const auto current = sys::try_stat(directory, file_name(id), AT_SYMLINK_NOFOLLOW);
        if (!current) return sys::Fd();
        if (current->st_ino == opened.st_ino) return file;
    }
}

std::string read_line(sys::FdRef file, const std::string& name) {
    std::string text(4096, '\0');
    std::size_t used = 0;
    for (;;) {
        const auto got = ::pread(file.get(), text.data() + used, text.size() - used, static_cast<off_t>(used));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw Error(errno, "read " + name);
        used += static_cast<std::size_t>(got);
        if (const auto end = std::string_view(text.data(), used).find('\n'); end != std::string_view::npos) {
            text.resize(end);
            return text;
        }
        if (got == 0) throw Error(name + " is cut short");
        text.resize(text.size() * 2);
    }
}

void overwrite(sys::FdRef file, const std::string& text, std::size_t offset) {
    if (::pwrite(file.get(), text.data(), text.size(), static_cast<off_t>(offset)) != static_cast<ssize_t>(text.size()))
        throw Error(errno, "write record");
}

// The config, and what was compiled of it.
std::string behind_line(sys::FdRef file, const std::string& name) {
    const std::string text = sys::read_all(file, name);
    return text.substr(std::min(text.size(), text.find('\n') + 1));
}

// Throws when there is no record, too.
sys::Fd open_record(sys::FdRef directory, const std::string& id, const std::string& root) {
    sys::Fd file = sys::try_open_at(directory, file_name(id), O_RDONLY | O_NOFOLLOW);
    if (!file) throw not_opened(errno, id, root);
    return file;
}

Record parse_record(sys::FdRef file, const std::string& name, std::string_view line) {
    auto record = json::read<Record>(name, line);
    record.owner = sys::stat_fd(file).st_uid;
    return record;
}

// What to do where an ordinary user may not write.
const char* hint(int failure) {
    return failure == EACCES && ::geteuid() != 0 ? " (without root, set XDG_RUNTIME_DIR or give --root)" : "";
}

}  // namespace

void check_id(const std::string& id) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
               c == '.' || c == '-';
    };
    if (id.empty() || id.front() == '.' || !std::all_of(id.begin(), id.end(), allowed))
        throw Error(format(
            "invalid container ID format: \"{}\" has an invalid character; letters, digits, '_', '+', '-' and, but in "
            "front, '.' are allowed",
            id));
    // It is a file's name, with a suffix and room for that of a temporary file.
    constexpr std::size_t longest = NAME_MAX - 32;
    if (id.size() > longest)
        throw Error(format("invalid container ID format: {} characters, at most {} are allowed", id.size(), longest));
}

namespace {

/// True in the initial user namespace, and in one that cannot be told from it.
bool maps_every_id() {
    const std::string map = sys::try_read_file("/proc/self/uid_map").value_or("");
    return words(map) == std::vector<std::string_view>{"0", "0", "4294967295"};
}

}  // namespace

std::string default_root() {
    const char* runtime_directory = std::getenv("XDG_RUNTIME_DIR");
    if (runtime_directory == nullptr || *runtime_directory == '\0') return "/run/gpurun";
    // Podman without root runs its runtimes as uid 0 of a user namespace, at times with no other variable than this.
    const bool root = ::geteuid() == 0 && maps_every_id();
    return root ? "/run/gpurun" : std::string(runtime_directory) + "/gpurun";
}

sys::Fd Store::directory(bool make) const {
    sys::Fd fd = sys::try_open(root_, O_PATH | O_DIRECTORY);
    if (!fd && errno == EACCES) throw Error(errno, "open " + root_);
    if (!fd && make) {
        try {
            sys::make_directories(root_, 0700);
        } catch (const Error& error) {
            throw Error(error.code, error.message + hint(error.code));
        }
        fd = sys::open(root_, O_PATH | O_DIRECTORY);
    }
    return fd;
}

NewRecord Store::create(const Record& record, std::string_view config) {
    const sys::Fd root = directory(true);
    sys::Fd file = sys::try_open_at(root, file_name(record.id), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                    sys::Resolve::anywhere, 0600);
    if (!file) {
        if (errno == EEXIST) throw Error("container with given ID already exists: " + record.id);
        throw Error(errno, format("create the record of container {} in {}{}", record.id, root_, hint(errno)));
    }
    std::string text = first_line(record);
    const std::size_t room = text.size() - 1;
    try {
        sys::write_all(file, text.append(config), "record");
    } catch (...) {
        ::unlinkat(root.get(), file_name(record.id).c_str(), 0);
        throw;
    }
    return {std::move(file), room, text.size()};
}

void Store::keep(NewRecord& made, std::string_view compiled) {
    if (!made.file) return;  // Another file has taken its place.
    overwrite(made.file, std::string(1, '\0').append(compiled), made.size);
}

void Store::save(const Record& record, NewRecord& made) {
    std::string line = json::write(record);
    if (!made.file || line.size() > made.room) {
        made.file.reset();  // Another file takes its place.
        return save(record);
    }
    line.resize(made.room, ' ');
    overwrite(made.file, line, 0);
}

void Store::save(const Record& record) {
    const sys::Fd root = directory();
    const sys::Fd file = sys::open_at(root, file_name(record.id), O_RDWR | O_NOFOLLOW);
    const std::string old = read_line(file, root_ + "/" + file_name(record.id));
    std::string line = json::write(record);
    if (line.size() <= old.size()) {
        line.resize(old.size(), ' ');
        return overwrite(file, line, 0);
    }
    sys::replace_file_at(root, file_name(record.id), first_line(record).append(behind_line(file, file_name(record.id))),
                         0600);
}

void Store::save(const Record& record, std::string_view config) {
    sys::replace_file_at(directory(), file_name(record.id), first_line(record).append(config), 0600);
}

std::optional<Record> Store::try_load(const std::string& id) const {
    const sys::Fd root = directory();
    const sys::Fd file = sys::try_open_at(root, file_name(id), O_RDONLY | O_NOFOLLOW);
    if (!file) {
        if (errno == ENOENT || errno == EBADF) return std::nullopt;
        throw not_opened(errno, id, root_);
    }
    const std::string name = root_ + "/" + file_name(id);
    return parse_record(file, name, read_line(file, name));
}

Record Store::load(const std::string& id) const {
    check_id(id);
    auto record = try_load(id);
    if (!record) throw no_container(id, root_);
    return *std::move(record);
}

std::string Store::load_config(const std::string& id) const {
    std::string config = behind_line(open_record(directory(), id, root_), file_name(id));
    return config.substr(0, config.find('\0'));
}

Stored Store::load_with_config(const std::string& id) const {
    check_id(id);
    const sys::Fd file = open_record(directory(), id, root_);
    const std::string name = root_ + "/" + file_name(id);
    std::string text = sys::read_all(file, name);
    const auto end = text.find('\n');
    if (end == std::string::npos) throw Error(name + " is cut short");
    auto record = parse_record(file, name, std::string_view(text).substr(0, end));
    const auto config_end = std::min(text.size(), text.find('\0', end));
    return {std::move(record), text.substr(end + 1, config_end - end - 1),
            text.substr(std::min(text.size(), config_end + 1))};
}

void Store::remove(const Record& record) noexcept {
    const sys::Fd root = sys::try_open(root_, O_PATH | O_DIRECTORY);
    if (!root) return;
    if (!record.socket.empty()) ::unlinkat(root.get(), record.socket.c_str(), 0);
    ::unlinkat(root.get(), file_name(record.id).c_str(), 0);
}

std::vector<std::string> Store::ids() const {
    std::vector<std::string> ids;
    for (auto& name : sys::list_directory(sys::FdRef(AT_FDCWD), root_))
        if (name.ends_with(suffix)) ids.push_back(name.substr(0, name.size() - suffix.size()));
    std::sort(ids.begin(), ids.end());
    return ids;
}

sys::Fd Store::lock(const std::string& id) const {
    check_id(id);
    sys::Fd file = open_locked(directory(), id, root_);
    if (!file) throw no_container(id, root_);
    return file;
}

std::optional<LockedRecord> Store::try_load_locked(const std::string& id) const {
    check_id(id);
    sys::Fd file = open_locked(directory(), id, root_);
    if (!file) return std::nullopt;
    const std::string name = root_ + "/" + file_name(id);
    auto record = parse_record(file, name, read_line(file, name));
    return LockedRecord{std::move(record), std::move(file)};
}

LockedRecord Store::load_locked(const std::string& id) const {
    auto locked = try_load_locked(id);
    if (!locked) throw no_container(id, root_);
    return *std::move(locked);
}

}  // namespace gpurun::state
