#include <gpurun/spec.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "json/json.h"
#include "spec/tables.h"

using namespace gpurun;
using spec::CgroupNamespace;
using spec::NamespaceType;
using spec::Privilege;

namespace {

spec::Spec default_spec(Privilege privilege, CgroupNamespace cgroup_namespace) {
    spec::Spec value = spec::parse(spec::default_config(privilege, cgroup_namespace), "default");
    spec::validate(value);
    return value;
}

/// The parts of `features` that engines read.
struct Flag {
    bool enabled = false;
};
struct Extensions {
    Flag idmap;
};
struct ReadLinux {
    std::vector<std::string> namespaces;
    Extensions extensions;
};
struct ReadFeatures {
    std::string minimum, maximum;
    std::vector<std::string> hooks, mount_options, unsafe;
    ReadLinux linux;
    std::map<std::string, std::string> annotations;
};

bool holds(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

template <>
struct gpurun::json::Fields<Flag> {
    static constexpr Field value[] = {required<&Flag::enabled>("enabled")};
};
template <>
struct gpurun::json::Fields<Extensions> {
    static constexpr Field value[] = {required<&Extensions::idmap>("idmap")};
};
template <>
struct gpurun::json::Fields<ReadLinux> {
    static constexpr Field value[] = {required<&ReadLinux::namespaces>("namespaces"),
                                      required<&ReadLinux::extensions>("mountExtensions")};
};
template <>
struct gpurun::json::Fields<ReadFeatures> {
    static constexpr Field value[] = {
        required<&ReadFeatures::minimum>("ociVersionMin"),
        required<&ReadFeatures::maximum>("ociVersionMax"),
        required<&ReadFeatures::hooks>("hooks"),
        required<&ReadFeatures::mount_options>("mountOptions"),
        required<&ReadFeatures::unsafe>("potentiallyUnsafeConfigAnnotations"),
        required<&ReadFeatures::linux>("linux"),
        required<&ReadFeatures::annotations>("annotations"),
    };
};

BOOST_AUTO_TEST_SUITE(spec_output)

BOOST_AUTO_TEST_CASE(the_default_config_is_runcs) {
    const auto config = default_spec(Privilege::root, CgroupNamespace::hosts);
    BOOST_TEST(config.oci_version == "1.3.0");
    BOOST_TEST(config.process->terminal);
    BOOST_TEST(config.process->args.at(0) == "sh");
    BOOST_TEST(config.process->capabilities->bounding.size() == 3u);
    BOOST_TEST(config.process->rlimits.at(0).soft == 1024u);
    BOOST_TEST(config.root->readonly);
    BOOST_TEST(config.mounts.size() == 7u);
    BOOST_TEST(config.linux->namespaces.size() == 5u);
    BOOST_TEST(config.linux->resources->devices.at(0).access == "rwm");
    BOOST_TEST(config.linux->masked_paths.size() == 11u);
    BOOST_TEST(!spec::find_namespace(*config.linux, NamespaceType::cgroup));
}

BOOST_AUTO_TEST_CASE(the_default_config_is_indented_with_tabs) {
    BOOST_TEST(spec::default_config(Privilege::root, CgroupNamespace::own)
                   .starts_with("{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n\t\t\"terminal\": "
                                "true,\n\t\t\"user\": {\n\t\t\t\"uid\": 0,"));
}

BOOST_AUTO_TEST_CASE(on_cgroup_v2_the_default_config_has_a_cgroup_namespace) {
    const auto config = default_spec(Privilege::root, CgroupNamespace::own);
    BOOST_TEST(spec::find_namespace(*config.linux, NamespaceType::cgroup));
}

BOOST_AUTO_TEST_CASE(the_rootless_default_config_asks_for_nothing_that_needs_root) {
    const auto config = default_spec(Privilege::rootless, CgroupNamespace::own);
    BOOST_TEST(spec::find_namespace(*config.linux, NamespaceType::user));
    BOOST_TEST(!spec::find_namespace(*config.linux, NamespaceType::network));
    BOOST_TEST(!config.linux->resources.has_value());
    BOOST_TEST(config.linux->uid_mappings.at(0).host_id == ::geteuid());
    for (const auto& mount : config.mounts) {
        BOOST_TEST(mount.type != "sysfs");
        BOOST_TEST(!holds(mount.options, "gid=5"));
    }
}

BOOST_AUTO_TEST_CASE(features_say_what_engines_look_for) {
    const auto features =
        json::read<ReadFeatures>("features", spec::features({.has_checkpoint = true, .annotations = {{"a", "b"}}}));
    BOOST_TEST(features.minimum == "1.0.0");
    BOOST_TEST(features.maximum == "1.3.0");
    BOOST_TEST(holds(features.mount_options, "rro"));
    BOOST_TEST(holds(features.linux.namespaces, "user"));
    BOOST_TEST(holds(features.linux.namespaces, "time"));
    BOOST_TEST(features.linux.extensions.idmap.enabled);
    BOOST_TEST(features.hooks.size() == 6u);
    BOOST_TEST(holds(features.unsafe, "org.systemd.property."));
    BOOST_TEST(features.annotations.at("org.opencontainers.runc.checkpoint.enabled") == "true");
    BOOST_TEST(features.annotations.at("run.oci.crun.checkpoint.enabled") == "true");
    BOOST_TEST(features.annotations.at("a") == "b");
}

BOOST_AUTO_TEST_SUITE_END()
