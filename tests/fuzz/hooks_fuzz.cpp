#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "gpu/hooks_recognise.h"

// Each line is a hook, its words the path and arguments. Whatever they are: taken or left, none is lost.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gpurun;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    spec::Hooks hooks;
    for (const auto line : split(text, '\n')) {
        spec::Hook hook;
        for (const auto word : words(line)) hook.args.emplace_back(word);
        if (!hook.args.empty()) hook.path = hook.args.front();
        hooks.create_container.push_back(std::move(hook));
    }
    const bool has_some = gpu::has_recognised_hooks(hooks);
    const auto before = hooks.create_container.size();
    const auto orders = gpu::take_hooks(hooks);
    if (has_some != (hooks.create_container.size() < before) || gpu::has_recognised_hooks(hooks)) std::abort();
    for (const auto& link : orders.links)
        if (!link.path.starts_with('/') || link.path.find("/../") != std::string::npos) std::abort();
    return 0;
}
