#include "gpu/loader_cache.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <set>
#include <tuple>

namespace gpurun::gpu {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view old_magic = "ld.so-1.7.0";
constexpr std::string_view new_magic = "glibc-ld.so.cache1.1";
constexpr std::uint32_t extension_magic = 0xEAA42174;
constexpr std::uint32_t generator_tag = 0, capabilities_tag = 1;
constexpr std::uint64_t extension_bit = std::uint64_t{1} << 62;
constexpr std::uint8_t little_endian = 2;

// A full desktop's cache has some 400 KB.
constexpr std::size_t max_size = 8u << 20;
constexpr std::size_t max_name = 4096;
constexpr std::size_t max_capabilities = 256;

struct OldHeader {
    char magic[12];
    std::uint32_t count;
};
struct OldRow {
    std::int32_t flags;
    std::uint32_t key, value;
};
struct Header {
    char magic[20];
    std::uint32_t count, strings_size;
    std::uint8_t flags, padding[3];
    std::uint32_t extension_offset, unused[3];
};
struct Row {
    std::int32_t flags;
    std::uint32_t key, value, os_version;
    std::uint64_t capabilities;
};
struct ExtensionHeader {
    std::uint32_t magic, count;
};
struct ExtensionRow {
    std::uint32_t tag, flags, offset, size;
};
static_assert(sizeof(OldHeader) == 16 && sizeof(OldRow) == 12 && sizeof(Header) == 48 && sizeof(Row) == 24);

template <typename Record>
bool get(std::string_view text, std::size_t offset, Record& record) {
    if (offset > text.size() || sizeof record > text.size() - offset) return false;
    std::memcpy(&record, text.data() + offset, sizeof record);
    return true;
}

// Strings are read against a budget: thousands of rows that point at one long string would make the work quadratic.
class Strings {
 public:
    Strings(std::string_view text, std::size_t budget) : text_(text), budget_(budget) {}

    std::optional<std::string_view> at(std::size_t offset) {
        if (offset >= text_.size()) return std::nullopt;
        const auto window = text_.substr(offset, max_name);
        const auto end = window.find('\0');
        if (end == std::string_view::npos || end >= budget_) return std::nullopt;
        budget_ -= end + 1;
        return window.substr(0, end);
    }

 private:
    std::string_view text_;
    std::size_t budget_;
};

// Offsets of the extension count from the file's start, those of its names, as all names', from the newer table's.
bool read_extension(std::string_view text, std::uint32_t offset, Strings& strings, LoaderCache& cache) {
    ExtensionHeader header{};
    if (!get(text, offset, header) || header.magic != extension_magic) return false;
    for (std::uint32_t index = 0; index < header.count; ++index) {
        ExtensionRow row{};
        if (!get(text, offset + sizeof header + index * sizeof row, row)) return false;
        if (row.offset > text.size() || row.size > text.size() - row.offset) return false;
        if (row.tag == generator_tag) cache.generator = text.substr(row.offset, row.size);
        if (row.tag != capabilities_tag) continue;
        if (row.size % 4 != 0 || row.size / 4 > max_capabilities) return false;
        for (std::uint32_t at = 0; at < row.size; at += 4) {
            std::uint32_t name = 0;
            if (!get(text, row.offset + at, name)) return false;
            const auto string = strings.at(name);
            if (!string) return false;
            cache.capability_names.push_back(*string);
        }
    }
    return true;
}

// Where the newer table begins in a file that starts with the older one; 0 when there is only the older one.
std::size_t new_table_behind(std::string_view text, std::uint32_t old_count) {
    const std::uint64_t end = sizeof(OldHeader) + std::uint64_t{old_count} * sizeof(OldRow);
    const std::uint64_t aligned = (end + 7) & ~std::uint64_t{7};
    return aligned < text.size() && text.substr(aligned).starts_with(new_magic) ? aligned : 0;
}

std::optional<LoaderCache> parse_old(std::string_view text, std::uint32_t count) {
    const std::uint64_t end = sizeof(OldHeader) + std::uint64_t{count} * sizeof(OldRow);
    if (end > text.size()) return std::nullopt;
    Strings strings(text.substr(end), 4 * text.size());
    LoaderCache cache;
    cache.rows.reserve(count);
    for (std::uint32_t index = 0; index < count; ++index) {
        OldRow row{};
        if (!get(text, sizeof(OldHeader) + index * sizeof row, row)) return std::nullopt;
        const auto soname = strings.at(row.key), path = strings.at(row.value);
        if (!soname || !path) return std::nullopt;
        cache.rows.push_back({.soname = *soname, .path = *path, .flags = row.flags});
    }
    return cache;
}

std::optional<LoaderCache> parse_new(std::string_view file, std::size_t table) {
    const auto text = file.substr(table);
    Header header{};
    if (!get(text, 0, header)) return std::nullopt;
    // 0 is what writers before glibc 2.33 left; 1 and 3 are "invalid" and big endian.
    if ((header.flags & 3) != 0 && (header.flags & 3) != little_endian) return std::nullopt;
    if (header.count > (text.size() - sizeof header) / sizeof(Row)) return std::nullopt;
    Strings strings(text, 4 * text.size());
    LoaderCache cache;
    if (header.extension_offset != 0 && !read_extension(file, header.extension_offset, strings, cache))
        return std::nullopt;
    cache.rows.reserve(header.count);
    for (std::uint32_t index = 0; index < header.count; ++index) {
        Row row{};
        if (!get(text, sizeof header + index * sizeof row, row)) return std::nullopt;
        const auto soname = strings.at(row.key), path = strings.at(row.value);
        if (!soname || !path) return std::nullopt;
        // A name that isn't there: the loader would skip the row as well.
        if ((row.capabilities & extension_bit) != 0 &&
            static_cast<std::uint32_t>(row.capabilities) >= cache.capability_names.size())
            continue;
        cache.rows.push_back({.soname = *soname,
                              .path = *path,
                              .flags = row.flags,
                              .os_version = row.os_version,
                              .capabilities = row.capabilities});
    }
    return cache;
}

constexpr bool is_digit(char character) { return character >= '0' && character <= '9'; }

// The number at \a at, which moves behind it. Saturates, so that the order stays an order whatever the name.
std::uint64_t take_number(std::string_view text, std::size_t& at) {
    std::uint64_t value = 0;
    for (; at < text.size() && is_digit(text[at]); ++at)
        value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(text[at] - '0'), UINT32_MAX);
    return value;
}

// The loader stops at the first row of a name that has no named capabilities, so those with come first; their own order
// is kept.
bool stands_before(const LoaderCacheRow& left, const LoaderCacheRow& right) {
    if (const int order = compare_sonames(left.soname, right.soname); order != 0) return order > 0;
    if (left.flags != right.flags) return left.flags > right.flags;
    const bool left_named = (left.capabilities & extension_bit) != 0,
               right_named = (right.capabilities & extension_bit) != 0;
    if (left_named != right_named) return left_named;
    return !left_named && left.capabilities > right.capabilities;
}

template <typename Record>
void put(std::string& text, std::size_t offset, const Record& record) {
    std::memcpy(text.data() + offset, &record, sizeof record);
}

std::uint32_t append_string(std::string& text, std::string_view string) {
    const auto offset = static_cast<std::uint32_t>(text.size());
    text.append(string).push_back('\0');
    return offset;
}

void append_extension(std::string& text, const LoaderCache& cache, const std::vector<std::uint32_t>& names) {
    text.resize((text.size() + 3) & ~std::size_t{3});
    const auto directory = text.size();
    const auto names_offset = directory + sizeof(ExtensionHeader) + 2 * sizeof(ExtensionRow);
    const auto names_size = names.size() * sizeof(std::uint32_t);
    text.resize(names_offset + names_size);
    put(text, directory, ExtensionHeader{extension_magic, 2});
    const ExtensionRow rows[] = {
        {generator_tag, 0, static_cast<std::uint32_t>(names_offset + names_size),
         static_cast<std::uint32_t>(cache.generator.size())},
        {capabilities_tag, 0, static_cast<std::uint32_t>(names_offset), static_cast<std::uint32_t>(names_size)}};
    put(text, directory + sizeof(ExtensionHeader), rows);
    if (names_size != 0) std::memcpy(text.data() + names_offset, names.data(), names_size);
    text.append(cache.generator);
    const auto offset = static_cast<std::uint32_t>(directory);
    put(text, offsetof(Header, extension_offset), offset);
}

}  // namespace

int compare_sonames(std::string_view left, std::string_view right) noexcept {
    std::size_t i = 0, j = 0;
    while (i < left.size() && j < right.size()) {
        const bool left_digit = is_digit(left[i]), right_digit = is_digit(right[j]);
        if (left_digit != right_digit) return left_digit ? 1 : -1;
        if (left_digit) {
            const auto a = take_number(left, i), b = take_number(right, j);
            if (a != b) return a < b ? -1 : 1;
        } else if (left[i] != right[j]) {
            return left[i] < right[j] ? -1 : 1;
        } else {
            ++i, ++j;
        }
    }
    return static_cast<int>(i < left.size()) - static_cast<int>(j < right.size());
}

const LoaderCacheRow* LoaderCache::find(std::string_view soname, std::int32_t flags) const noexcept {
    for (const auto& row : rows)
        if (row.flags == flags && row.soname == soname) return &row;
    return nullptr;
}

std::optional<LoaderCache> parse_loader_cache(std::string_view text) {
    if (text.size() > max_size) return std::nullopt;
    if (text.starts_with(new_magic)) return parse_new(text, 0);
    OldHeader header{};
    if (!text.starts_with(old_magic) || !get(text, 0, header)) return std::nullopt;
    if (const auto offset = new_table_behind(text, header.count)) return parse_new(text, offset);
    return parse_old(text, header.count);
}

std::string write_loader_cache(LoaderCache cache) {
    std::stable_sort(cache.rows.begin(), cache.rows.end(), stands_before);
    std::string text(sizeof(Header) + cache.rows.size() * sizeof(Row), '\0');
    std::size_t at = sizeof(Header);
    for (const auto& row : cache.rows) {
        const auto path = append_string(text, row.path);
        // The name is nearly always the path's end, so one string serves both.
        const auto soname = row.path.ends_with(row.soname)
                                ? path + static_cast<std::uint32_t>(row.path.size() - row.soname.size())
                                : append_string(text, row.soname);
        put(text, at, Row{row.flags, soname, path, row.os_version, row.capabilities});
        at += sizeof(Row);
    }
    std::vector<std::uint32_t> names;
    for (const auto name : cache.capability_names) names.push_back(append_string(text, name));

    Header header{};
    std::memcpy(header.magic, new_magic.data(), new_magic.size());
    header.count = static_cast<std::uint32_t>(cache.rows.size());
    header.strings_size = static_cast<std::uint32_t>(text.size() - at);
    header.flags = little_endian;
    put(text, 0, header);
    if (!names.empty() || !cache.generator.empty()) append_extension(text, cache, names);
    return text;
}

std::string merge_loader_cache(const std::string& existing, const std::vector<CacheEntry>& entries) {
    LoaderCache cache = parse_loader_cache(existing).value_or(LoaderCache{});
    std::set<std::pair<std::string_view, std::int32_t>> ours;
    std::vector<LoaderCacheRow> rows;
    for (const auto& entry : entries)
        if (ours.emplace(entry.soname, entry.flags).second)
            rows.push_back({.soname = entry.soname, .path = entry.path, .flags = entry.flags});
    // Also those in directories for newer processors, which the loader would prefer.
    std::erase_if(cache.rows, [&](const auto& row) { return ours.contains({row.soname, row.flags}); });
    cache.rows.insert(cache.rows.end(), rows.begin(), rows.end());
    return write_loader_cache(std::move(cache));
}

}  // namespace gpurun::gpu
