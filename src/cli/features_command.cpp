#include <gpurun/security.h>
#include <gpurun/spec.h>
#include <version.h>

#include "cli/command.h"

namespace gpurun::cli {
namespace {

int run(const container::Context&, const Arguments&) {
    const spec::FeatureLists lists{
        .capabilities = security::capability_names(),
        .seccomp_flags = security::supported_seccomp_flags(),
        .has_checkpoint = true,
        .annotations = {{"org.gpurun.version", GPURUN_VERSION}, {"org.gpurun.commit", GPURUN_COMMIT}},
    };
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
