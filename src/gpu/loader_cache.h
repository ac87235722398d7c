#pragma once

#include <gpurun/gpu.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The dynamic linker's cache (/etc/ld.so.cache) as glibc 2.2 and later read it: "glibc-ld.so.cache1.1", alone or
/// behind a table in the older format. The text is not trusted: it comes from the image as well as from the host.
namespace gpurun::gpu {

/// One line of the cache; views into the cache's text.
struct LoaderCacheRow {
    std::string_view soname;
    std::string_view path;
    std::int32_t flags = 0;        ///< See CacheEntry::flags.
    std::uint32_t os_version = 0;  ///< Minimal kernel; unused since glibc 2.32.
    std::uint64_t capabilities =
        0;  ///< Hardware capabilities; with bit 62 an index into LoaderCache::capability_names.
};

/// A parsed cache.
struct LoaderCache {
    std::vector<LoaderCacheRow> rows;                ///< In the file's order.
    std::vector<std::string_view> capability_names;  ///< glibc-hwcaps directories, such as "x86-64-v3".
    std::string_view generator;                      ///< What wrote the file.

    /// The first row for \a soname with exactly these \a flags; null when there is none.
    const LoaderCacheRow* find(std::string_view soname, std::int32_t flags) const noexcept;
};

/// Reads a cache; \a text must outlive the result. Nothing when it is no cache, is larger than 8 MiB or contradicts
/// itself.
std::optional<LoaderCache> parse_loader_cache(std::string_view text);

/// The file for these rows, in the order that the loader's search needs.
std::string write_loader_cache(LoaderCache cache);

/// The loader's order of names: digits are compared as numbers and stand behind other characters. Negative, 0 or
/// positive.
int compare_sonames(std::string_view left, std::string_view right) noexcept;

}  // namespace gpurun::gpu
