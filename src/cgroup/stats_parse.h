#pragma once

#include <gpurun/cgroup.h>

#include <string_view>

/// The texts of statistics files. Pure; what cannot be read as a number counts as absent.
namespace gpurun::cgroup {

/// "user 5\nsystem 7\n"
std::map<std::string, std::uint64_t> parse_flat(std::string_view text);
/// "max" is 2^64-1.
std::uint64_t parse_amount(std::string_view text);
/// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull …"
Pressure parse_pressure(std::string_view text);
/// "0-3,7"
std::vector<std::uint16_t> parse_list(std::string_view text);
/// v1: "8:0 Read 4096"; lines without a device (totals) are left out. Appends.
void parse_blkio(std::string_view text, std::vector<BlkioStats::Entry>& entries);
/// v2: io.stat, "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0"
void parse_io_stat(std::string_view text, BlkioStats& stats);
/// rdma.current, "mlx5_0 hca_handle=2 hca_object=200"
std::map<std::string, RdmaStats> parse_rdma(std::string_view text);
/// "hugepages-2048kB" → "2MB"; empty for other names.
std::string page_size_of(std::string_view directory);

}  // namespace gpurun::cgroup
