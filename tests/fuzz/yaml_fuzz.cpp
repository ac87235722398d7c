// Any text is a YAML document with the tables' types or an Error.
#include <gpurun/error.h>
#include <gpurun/spec.h>

#include <cstdint>
#include <cstdlib>

#include "json/json.h"
#include "spec/tables.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gpurun;
    try {
        const auto config = json::read_yaml<spec::Spec>("fuzz", {reinterpret_cast<const char*>(data), size});
        const std::string written = spec::to_json(config);
        // JSON is YAML, so the writer's text must mean the same to both parsers.
        if (spec::to_json(json::read_yaml<spec::Spec>("written", written)) != written) std::abort();
        spec::validate(config);
    } catch (const Error&) {
    }
    return 0;
}
