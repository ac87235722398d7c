#include <cstdint>

#include "gpu/elf_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gpurun::gpu;
    const ElfSource source(std::string_view(reinterpret_cast<const char*>(data), size));
    if (const auto elf = read_elf(source)) static_cast<void>(loader_cache_flags(*elf));
    static_cast<void>(read_elf_note(source, ".note.cuda.fwd_compatibility", "NVIDIA Corporation"));
    return 0;
}
