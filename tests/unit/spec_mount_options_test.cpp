#include <gpurun/error.h>
#include <gpurun/mount_options.h>
#include <linux/mount.h>

#include <boost/test/unit_test.hpp>

#include "base/text.h"

using namespace gpurun;
using spec::MountOptions;

namespace {

MountOptions parse(std::string_view text) {
    std::vector<std::string> options;
    for (const auto word : words(text)) options.emplace_back(word);
    return spec::parse_mount_options(options);
}

struct Attributes {
    std::string_view options;
    std::uint64_t set, clear;
};

constexpr Attributes attributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"ro rw", 0, MOUNT_ATTR_RDONLY},
    {"rw ro", MOUNT_ATTR_RDONLY, 0},
    {"nosuid nodev noexec", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0},
    {"nosuid suid dev", 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"noatime strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"strictatime relatime", 0, MOUNT_ATTR__ATIME},
    {"noatime atime", 0, MOUNT_ATTR__ATIME},
    {"norelatime", 0, 0},
    {"nostrictatime", 0, 0},
    {"strictatime nostrictatime", 0, MOUNT_ATTR__ATIME},
    {"noatime nostrictatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"nosymfollow", 0x00200000, 0},
    {"defaults async sync lazytime", 0, 0},
};

/// Every word of config.md's table of mount options.
constexpr std::string_view specified =
    "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec "
    "noiversion nolazytime "
    "nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec "
    "rnoatime rnodev "
    "rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave "
    "rstrictatime rsuid "
    "rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap";

}  // namespace

BOOST_AUTO_TEST_SUITE(spec_mount_options)

BOOST_AUTO_TEST_CASE(the_later_of_two_contradicting_words_holds_and_the_access_time_is_one_choice) {
    for (const auto& [options, set, clear] : attributes) BOOST_TEST_CONTEXT(options) {
            BOOST_TEST(parse(options).attr_set == set);
            BOOST_TEST(parse(options).attr_clear == clear);
        }
}

BOOST_AUTO_TEST_CASE(flags_for_mount_say_the_same_and_the_super_blocks_too) {
    BOOST_TEST(parse("ro sync nodev").flags == std::uint64_t{MS_RDONLY | MS_SYNCHRONOUS | MS_NODEV});
    BOOST_TEST(parse("ro rw sync async").cleared_flags == std::uint64_t{MS_RDONLY | MS_SYNCHRONOUS});
    BOOST_TEST(parse("lazytime iversion dirsync mand silent").flags ==
               std::uint64_t{MS_LAZYTIME | MS_I_VERSION | MS_DIRSYNC | MS_MANDLOCK | MS_SILENT});
    BOOST_TEST(parse("noatime strictatime").flags == std::uint64_t{MS_STRICTATIME});
}

BOOST_AUTO_TEST_CASE(recursive_words_are_kept_apart) {
    const MountOptions options = parse("rbind ro rro rnosuid rdev rnoatime");
    BOOST_TEST((options.bind == spec::Bind::recursive));
    BOOST_TEST(options.attr_set == std::uint64_t{MOUNT_ATTR_RDONLY});
    BOOST_TEST(options.recursive_set == std::uint64_t{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME});
    BOOST_TEST(options.recursive_clear == std::uint64_t{MOUNT_ATTR_NODEV | MOUNT_ATTR__ATIME});
}

BOOST_AUTO_TEST_CASE(propagation_is_a_list_in_order) {
    const MountOptions options = parse("rslave shared");
    BOOST_TEST(options.propagation == (std::vector<std::uint64_t>{MS_SLAVE | MS_REC, MS_SHARED}),
               boost::test_tools::per_element());
    BOOST_TEST(spec::propagation_flags("rshared") == std::uint64_t{MS_SHARED | MS_REC});
    BOOST_TEST(spec::propagation_flags("ro") == 0u);
}

BOOST_AUTO_TEST_CASE(unknown_words_are_the_file_systems_data) {
    const MountOptions options = parse("size=64m nosuid mode=755 context=\"a,b\"");
    BOOST_TEST(options.data == (std::vector<std::string>{"size=64m", "mode=755", "context=\"a,b\""}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(words_of_their_own_kind_are_recognised) {
    const MountOptions options = parse("bind remount tmpcopyup copy-symlink src-nofollow dest-nofollow ridmap");
    BOOST_TEST((options.bind == spec::Bind::bind));
    BOOST_TEST((options.remount && options.copy_up && options.copy_symlink && options.source_nofollow &&
                options.target_nofollow));
    BOOST_TEST((options.id_map == spec::IdMap::recursive));
    BOOST_TEST(options.data.empty());
}

BOOST_AUTO_TEST_CASE(every_word_of_the_spec_is_known_and_listed) {
    const auto names = spec::mount_option_names();
    for (const auto word : words(specified)) BOOST_TEST_CONTEXT(word) {
            BOOST_TEST(spec::is_mount_option(word));
            BOOST_TEST((std::find(names.begin(), names.end(), word) != names.end()));
        }
    BOOST_TEST(!spec::is_mount_option("size=1m"));
}

BOOST_AUTO_TEST_CASE(mappings_in_the_option_are_read) {
    const MountOptions options = parse("bind idmap=uids=0-1-10#@10-11-10;gids=0-100-10");
    BOOST_TEST((options.id_map == spec::IdMap::idmap));
    const auto mappings = spec::parse_id_map(options.id_map_mappings);
    BOOST_TEST(mappings.uids.size() == 2u);
    BOOST_TEST((mappings.uids.at(1).mapping == spec::IdMapping{10, 11, 10}));
    BOOST_TEST(mappings.uids.at(1).is_relative);
    BOOST_TEST((mappings.gids.at(0).mapping == spec::IdMapping{0, 100, 10}));
    for (const auto text : {"", "uids=", "uids=1-2", "uids=1-2-0", "uids=a-b-c", "x=1-2-3", "uids=1-2-3;"})
        BOOST_CHECK_THROW(spec::parse_id_map(text), Error);
}

BOOST_AUTO_TEST_SUITE_END()
