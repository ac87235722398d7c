#include <gpurun/error.h>

#include <cstdint>
#include <cstdlib>

#include "gpu/cdi_file.h"

// What is accepted must survive being written and read again in both forms.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gpurun::gpu;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const char* name : {"fuzz.yaml", "fuzz.json"}) {
        cdi::File file;
        try {
            file = cdi::read(name, text);
        } catch (const gpurun::Error&) {
            continue;
        }
        try {
            if (cdi::write_json(cdi::read("again.yaml", cdi::write_yaml(file))) != cdi::write_json(file)) std::abort();
        } catch (const gpurun::Error&) {
            std::abort();
        }
    }
    return 0;
}
