// SPDX-License-Identifier: Apache-2.0
#include "broker/server/documents.hpp"
#include "broker/server/load.hpp"
#include "broker/server/option_table.hpp"
#include "broker/server/profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

namespace gv::server {

std::ostream& operator<<(std::ostream& out, storage_profile which) {
    return out << storage_profile_names[static_cast<std::size_t>(which)];
}

namespace {

using testing::HasSubstr;

constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;

storage_profile chosen(machine_facts machine, storage_profile wanted = storage_profile::automatic) {
    return choose_profile(wanted, machine).kind;
}

TEST(Profile, IsOfAMachineByItsMemoryAndDisk) {
    using enum device_kind;
    struct row {
        std::uint64_t mebibytes;
        device_kind device;
        storage_profile expected;
    };
    for (const row& each :
         {row{512, other, storage_profile::pi}, row{1024, other, storage_profile::pi},
          row{1025, other, storage_profile::server}, row{512, unknown, storage_profile::pi},
          row{8192, unknown, storage_profile::server}, row{8192, card, storage_profile::pi},
          row{8192, usb_disk, storage_profile::pi}, row{0, card, storage_profile::pi},
          row{0, unknown, storage_profile::server}, row{0, other, storage_profile::server}}) {
        EXPECT_EQ(chosen({.memory_bytes = each.mebibytes * mebibyte, .device = each.device}),
                  each.expected)
            << each.mebibytes << " MiB, device " << static_cast<int>(each.device);
    }
}

TEST(Profile, ThatIsAskedForIsTakenOnAnyMachine) {
    const machine_facts small{.memory_bytes = 64 * mebibyte, .device = device_kind::card};
    EXPECT_EQ(chosen(small, storage_profile::server), storage_profile::server);
    EXPECT_EQ(chosen({.memory_bytes = mebibyte << 20}, storage_profile::pi), storage_profile::pi);
}

TEST(Profile, SaysWhyItIsTheOne) {
    const auto why = [](machine_facts machine) {
        return choose_profile(storage_profile::automatic, machine).why;
    };
    EXPECT_EQ(why({.memory_bytes = 700 * mebibyte}), "700 MiB of memory");
    EXPECT_THAT(why({.device = device_kind::card}), HasSubstr("SD card"));
    EXPECT_THAT(why({.device = device_kind::usb_disk}), HasSubstr("USB"));
    EXPECT_THAT(why({}), HasSubstr("nothing is known"));
    EXPECT_EQ(choose_profile(storage_profile::pi, {}).why, "storage.profile");
}

loaded_options load(const std::vector<std::string_view>& arguments) {
    return load_options(parse_command_line(arguments), {});
}

TEST(Profile, GivesItsDefaultsToWhatNobodySet) {
    const loaded_options pi = load({"--storage.profile", "pi", "--storage.cache", "32MiB",
                                    "--limits.queue_full", "drop_oldest"});
    EXPECT_EQ(*pi.values.storage.write_buffer, 12_MiB);
    EXPECT_EQ(*pi.values.limits.queue_bytes_per_session_max, 64_MiB);
    EXPECT_FALSE(*pi.values.storage.preallocate);
    EXPECT_EQ(*pi.values.storage.cache, 32_MiB) << "set, to what is a default elsewhere";
    EXPECT_EQ(*pi.values.storage.salvage, true) << "it has no word on this";
    EXPECT_EQ(pi.origins.at("storage.cache"), "--storage.cache");
    EXPECT_EQ(pi.origins.at("storage.write_buffer"), "profile pi");
    const std::string printed = print_config(pi.values, pi.origins);
    EXPECT_THAT(printed, HasSubstr("write_buffer = \"12MiB\"  # profile pi\n"));
    EXPECT_THAT(printed, HasSubstr("profile = \"pi\"  # --storage.profile\n"));
}

TEST(Profile, ServerIsWhatTheDefaultsAreFor) {
    const loaded_options server = load({"--storage.profile", "server"});
    EXPECT_EQ(*server.values.storage.write_buffer, 64_MiB);
    EXPECT_FALSE(server.origins.contains("storage.write_buffer"));
}

TEST(Profile, IsPrintedAsWhatItBecame) {
    const loaded_options loaded = load_options(parse_command_line({}), {}, [](const options&) {
        return choose_profile(storage_profile::automatic, {.memory_bytes = 512 * mebibyte});
    });
    EXPECT_THAT(print_config(loaded.values, loaded.origins),
                HasSubstr("profile = \"auto\"  # default, here pi: 512 MiB of memory\n"));
}

TEST(Profile, OfARunningBrokerIsKept) {
    const auto running = [](const options&) {
        return profile_choice{.kind = storage_profile::pi, .why = "it was"};
    };
    const loaded_options fresh =
        load_options(parse_command_line({{"--storage.profile", "server"}}), {}, running);
    EXPECT_EQ(*fresh.values.limits.queue_bytes_per_session_max, 64_MiB);
    EXPECT_EQ(fresh.profile.why, "it was");
}

// A pi that is given more than a server would be a slip.
TEST(Profile, PiIsWithinTheRangeOfEachOption) {
    options all = documented_options();
    for (const section_ref& section : sections(all)) {
        for (const auto& each : section.options) {
            if (each->take_pi()) {
                const std::string text = each->text();
                EXPECT_EQ(each->read({.text = text, .items = {}}), std::nullopt) << each->path();
                EXPECT_FALSE(each->is_default()) << each->path();
                EXPECT_FALSE(each->pi_toml().empty()) << each->path();
            }
        }
    }
}

} // namespace
} // namespace gv::server
