// gpurun-helper: the work that must not happen in the runtime's own process. Started by gpurun with a bare environment;
// prints its answer on stdout, one sentence on stderr when there is none.
#include <gpurun/error.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "base/text.h"
#include "helper/criu.h"
#include "helper/net_devices.h"
#include "helper/nvml.h"
#include "helper/systemd.h"

using namespace gpurun;

namespace {

struct SubCommand {
    std::string_view name;
    std::string (*run)(const std::vector<std::string>& arguments);
};

constexpr SubCommand sub_commands[] = {
    {"criu", helper::criu}, {"net-devices", helper::net_devices}, {"nvml", helper::nvml}, {"systemd", helper::systemd}};

int fail(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    return 1;
}

}  // namespace

int main(int count, char** words) {
    try {
        for (const auto& row : sub_commands) {
            if (count < 2 || row.name != words[1]) continue;
            const std::string answer = row.run(std::vector<std::string>(words + 2, words + count));
            return std::fwrite(answer.data(), 1, answer.size(), stdout) == answer.size() && std::fflush(stdout) == 0
                       ? 0
                       : 1;
        }
        return fail("gpurun-helper is started by gpurun");
    } catch (const Error& error) {
        return fail(error.text());
    } catch (const std::exception& error) {
        return fail(error.what());
    }
}
