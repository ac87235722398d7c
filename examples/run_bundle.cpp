// Lists the machine's GPUs, then makes a container from a bundle, starts it and waits for it: what `gpurun run` does,
// by the library. Build:  g++ -std=c++20 run_bundle.cpp $(pkg-config --cflags --libs gpurun)
#include <gpurun/container.h>
#include <gpurun/error.h>
#include <gpurun/inventory.h>
#include <sys/wait.h>

#include <cstdio>

using namespace gpurun;

namespace {

void list_gpus() {
    const auto found = gpu::inventory();
    if (!found) return static_cast<void>(std::puts("no NVIDIA driver"));
    std::printf("NVIDIA driver %s\n", found->version.c_str());
    for (const auto& gpu : found->gpus)
        std::printf("GPU %u: %s %s at %s\n", gpu.index, gpu.model.c_str(), gpu.uuid.c_str(), gpu.bus_id.c_str());
}

int run(const container::Context& context, const container::CreateOptions& options) {
    container::create(context, options);
    const auto created = container::state(context, options.id);
    std::printf("%s is %s\n", options.id.c_str(), spec::name(created.status));
    std::fflush(stdout);
    container::start(context, options.id);
    // The container's first process is a child of the process that created it.
    int status = 0;
    ::waitpid(static_cast<pid_t>(created.record.pid), &status, 0);
    container::remove(context, options.id, false);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int main(int count, char** words) {
    if (count != 4) {
        std::fprintf(stderr, "usage: %s RECORDS BUNDLE ID\n", words[0]);
        return 2;
    }
    try {
        list_gpus();
        return run({.root = words[1]}, {.id = words[3], .bundle = words[2]});
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.text().c_str());
        return 1;
    }
}
