#define BOOST_TEST_MODULE plan
#include <fcntl.h>
#include <gpurun/error.h>
#include <gpurun/plan.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "base/text.h"
#include "sys/file.h"

using namespace gpurun;

namespace {

// A machine that no test depends on: every fact that a plan needs is here.
plan::Host host(cgroup::Layout layout) {
    plan::Host host{.known_capabilities = (1ull << 41) - 1};
    host.cgroup = {.layout = layout, .path = "/box"};
    if (layout == cgroup::Layout::v2)
        host.cgroup.directories = {{.path = "/sys/fs/cgroup/box"}};
    else
        host.cgroup.directories = {{.controllers = {"cpu", "cpuacct"}, .path = "/sys/fs/cgroup/cpu,cpuacct/box"},
                                   {.controllers = {"memory"}, .path = "/sys/fs/cgroup/memory/box"}};
    return host;
}

std::string plan_text(const std::string& name, cgroup::Layout layout, bool run) {
    const auto spec = spec::read(format("{}/{}.json", GOLDEN, name));
    const plan::Options options{.id = "box", .bundle = "/bundle", .pid_file = "/run/box.pid", .run = run};
    return plan::print(plan::build_create(spec, host(layout), options, {}));
}

void compare(const std::string& golden, const std::string& text) {
    const std::string path = format("{}/{}.txt", GOLDEN, golden);
    if (std::getenv("GPURUN_ACCEPT") != nullptr) {
        const sys::Fd file = sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        sys::write_all(file, text, path);
    }
    const auto expected = sys::read_file(path);
    const auto lines = split(text, '\n'), wanted = split(expected, '\n');
    for (std::size_t i = 0; i < std::max(lines.size(), wanted.size()); ++i)
        BOOST_TEST((i < lines.size() ? lines[i] : "(no line)") == (i < wanted.size() ? wanted[i] : "(no line)"),
                   format("{}.txt:{}: \"{}\"", golden, i + 1, i < lines.size() ? lines[i] : "(no line)"));
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_default_config_on_v1_and_v2) {
    compare("default-v1", plan_text("default", cgroup::Layout::v1, false));
    compare("default-v2", plan_text("default", cgroup::Layout::v2, false));
}

BOOST_AUTO_TEST_CASE(run_awaits_no_start) { compare("default-run", plan_text("default", cgroup::Layout::v2, true)); }

BOOST_AUTO_TEST_CASE(a_user_namespace_with_hooks_devices_and_limits) {
    compare("full", plan_text("full", cgroup::Layout::v2, false));
}

BOOST_AUTO_TEST_CASE(every_barrier_that_one_lane_awaits_the_other_passes) {
    for (const auto* name : {"default", "full"}) {
        const auto spec = spec::read(format("{}/{}.json", GOLDEN, name));
        const auto plan =
            plan::build_create(spec, host(cgroup::Layout::v1), {.id = "box", .bundle = "/bundle", .run = true}, {});
        const auto passes = [](const std::vector<plan::Step>& lane, plan::Barrier barrier) {
            return std::any_of(lane.begin(), lane.end(), [barrier](const auto& step) {
                const auto* pass = std::get_if<plan::step::Pass>(&step);
                return pass != nullptr && pass->barrier == barrier;
            });
        };
        for (const auto& step : plan.host)
            if (const auto* await = std::get_if<plan::step::Await>(&step))
                BOOST_TEST(passes(plan.container, await->barrier));
        for (const auto& step : plan.container)
            if (const auto* await = std::get_if<plan::step::Await>(&step))
                BOOST_TEST((await->barrier == plan::Barrier::start || passes(plan.host, await->barrier)));
    }
}

BOOST_AUTO_TEST_CASE(a_program_waits_until_its_oom_score_is_set_unless_a_start_comes_first) {
    const auto spec = spec::read(format("{}/full.json", GOLDEN));
    BOOST_REQUIRE(spec.process->oom_score_adj.has_value());
    const auto awaits = [](const plan::Plan& plan) {
        return std::any_of(plan.container.begin(), plan.container.end(), [](const auto& step) {
            const auto* await = std::get_if<plan::step::Await>(&step);
            return await != nullptr && await->barrier == plan::Barrier::placed;
        });
    };
    const plan::Options create{.id = "box", .bundle = "/bundle"}, run{.id = "box", .bundle = "/bundle", .run = true};
    const auto machine = host(cgroup::Layout::v2);
    BOOST_TEST(!awaits(plan::build_create(spec, machine, create, {})));
    BOOST_TEST(awaits(plan::build_create(spec, machine, run, {})));
    BOOST_TEST(awaits(plan::build_exec(spec, *spec.process, machine, create)));
}
