#include <gpurun/spec.h>

#include "cli/command.h"

namespace gpurun::cli {
namespace {

int run(const container::Context&, const Arguments&) {
    print(spec::features() + "\n");
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
