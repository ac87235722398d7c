#include <gpurun/error.h>
#include <gpurun/spec.h>

#include "json/json.h"
#include "spec/tables.h"
#include "sys/file.h"

namespace gpurun::spec {
namespace {

/// Engines' configs are 10 to 60 kB; a bigger file than this is no config but an attack or a mistake.
constexpr std::size_t max_config = 16u << 20;

}  // namespace

Spec parse(const std::string& text, const std::string& name) { return json::read<Spec>(name, text); }

Spec read(const std::string& path) { return parse(sys::read_file(path, max_config), path); }

Process read_process(const std::string& path) { return json::read<Process>(path, sys::read_file(path, max_config)); }

Resources read_resources(const std::string& text, const std::string& name) { return json::read<Resources>(name, text); }

std::string to_json(const Spec& spec) { return json::write(spec); }
std::string to_json(const State& state) { return json::write(state); }
std::string to_json(const Process& process) { return json::write(process); }

}  // namespace gpurun::spec
