#pragma once

#include <gpurun/cgroup.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The parts of translate(). Pure.
namespace gpurun::cgroup {

std::vector<Write> translate_v1(const spec::Resources& resources);
std::vector<Write> translate_v2(const spec::Resources& resources);

/// pids and rdma: the same files on v1 and v2.
void add_pids_and_rdma(std::vector<Write>& writes, const spec::Resources& resources);

/// linux.resources.unified as writes, one per line of a value; their controller is the key's first part, or "unified"
/// on hybrid.
void add_unified(std::vector<Write>& writes, const spec::Resources& resources, bool hybrid);

/// cpu.shares (2–262144) as cpu.weight (1–10000): through 2→1, 1024→100, 262144→10000.
std::uint64_t weight_of_shares(std::uint64_t shares);

/// blkio.weight (10–1000) as io.weight (1–10000).
std::uint64_t io_weight_of(std::uint64_t weight);

/// memory.swap.max in bytes (-1: max) for the spec's memory+swap; nothing when swap is not to be touched. Throws Error
/// when memory is unlimited or above \a swap.
std::optional<std::int64_t> swap_alone(std::optional<std::int64_t> swap, std::optional<std::int64_t> memory);

/// Throws Error when \a swap, memory and swap together, is less than \a memory alone; -1 is no limit.
void require_sum(std::int64_t swap, std::int64_t memory);

/// memory.swappiness; nothing when it is not set, which engines also say as -1 that became unsigned. Throws Error above
/// 100.
std::optional<std::uint64_t> swappiness_of(const spec::Memory& memory);

/// Throws Error when \a text would be more than one word of a kernel file; \a property names it.
void require_word(std::string_view text, std::string_view property);

/// \a weight when it is set; 0 counts as not set. Throws Error outside 10–1000.
std::optional<std::uint64_t> checked_weight(std::optional<std::uint16_t> weight, std::string_view property);

/// Throws Error unless \a size is spelled as the kernel does, such as "2MB".
void require_page_size(const std::string& size);

/// Set and not 0: many callers send 0 for "leave it".
template <typename Number>
bool is_set(const std::optional<Number>& value) {
    return value && *value != 0;
}

}  // namespace gpurun::cgroup
