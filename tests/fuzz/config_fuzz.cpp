// Any text is a config or an Error; what was read is written and read again without a change, and reading never depends
// on more than the text.
#include <gpurun/error.h>
#include <gpurun/spec.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "json/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gpurun;
    const std::string text(reinterpret_cast<const char*>(data), size);
    try {
        const spec::Spec config = spec::parse(text, "fuzz");
        const std::string written = spec::to_json(config);
        if (spec::to_json(spec::parse(written, "written")) != written) std::abort();
        spec::validate(config);
    } catch (const Error& error) {
        json::locate(text, error.message.substr(0, error.message.find(": ")));
    }
    try {
        spec::read_resources(text, "fuzz");
    } catch (const Error&) {
    }
    return 0;
}
