#include <cstdint>
#include <cstdlib>

#include "gpu/loader_cache.h"

// What is merged must read back, with our entry found, whatever the image's cache was.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gpurun::gpu;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const std::string merged = merge_loader_cache(text, {{"libcuda.so.1", "/driver/libcuda.so.1", 0x0303}});
    const auto cache = parse_loader_cache(merged);
    const auto* row = cache ? cache->find("libcuda.so.1", 0x0303) : nullptr;
    if (row == nullptr || row->path != "/driver/libcuda.so.1") std::abort();
    return 0;
}
