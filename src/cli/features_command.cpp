#include <gpurun/security.h>
#include <gpurun/spec.h>
#include <version.h>

#include "cli/command.h"
#include "spec/seccomp_names.h"

namespace gpurun::cli {
namespace {

template <std::size_t Size>
std::vector<std::string> strings(const std::string_view (&names)[Size]) {
    return {names, names + Size};
}

int run(const container::Context&, const Arguments&) {
    const spec::FeatureLists lists{
        .capabilities = security::capability_names(),
        .seccomp_actions = strings(spec::seccomp_actions),
        .seccomp_operators = strings(spec::seccomp_operators),
        .seccomp_architectures = strings(spec::seccomp_architectures),
        .seccomp_known_flags = strings(spec::seccomp_flags),
        .seccomp_supported_flags = security::supported_seccomp_flags(),
        .has_checkpoint = false,
        .annotations = {{"org.gpurun.version", GPURUN_VERSION}, {"org.gpurun.commit", GPURUN_COMMIT}}};
    print(spec::features(lists) + "\n");
    return 0;
}

}  // namespace

const Command features_command{.name = "features",
                               .usage = "",
                               .summary = "print what this build supports, as JSON",
                               .options = {},
                               .order = Order::any,
                               .fewest = 0,
                               .most = 0,
                               .protects = false,
                               .run = run};

}  // namespace gpurun::cli
