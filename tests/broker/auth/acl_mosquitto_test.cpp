// SPDX-License-Identifier: Apache-2.0
// Compares our answers with those of a real mosquitto, recorded by record_mosquitto_acl.py. Where
// we differ on purpose we are stricter, and the difference is named here.
#include "broker/auth/acl.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <map>
#include <set>

namespace gv::auth {
namespace {

nlohmann::json recorded() {
    std::ifstream file("tests/broker/auth/data/mosquitto_acl.json");
    return nlohmann::json::parse(file);
}

const std::map<std::string, action> actions{
    {"publish", action::publish}, {"receive", action::receive}, {"subscribe", action::subscribe}};

/// Cases in which something is denied here that Mosquitto 2.0.11 allows.
const std::set<std::string> stricter{
    "slash in values",            // a "/" in %u or %c may not add levels
    "dollar in values",           // nor a "$" reach the topics of the server
    "pattern deny against topic", // deny wins over "topic" rules too, not only over patterns
    "subscribe denied",           // SUBSCRIBE is refused where nothing could ever be delivered
};

TEST(AclAgainstMosquitto, AnswersTheSameSaveWhereItIsStricterOnPurpose) {
    const auto all = recorded();
    std::size_t compared = 0;
    std::set<std::string> differing;
    for (const auto& one : all["cases"]) {
        const std::string name = one["name"];
        const std::string text = one["acl"];
        const auto load = parse_acl_file(text, "acl.conf");
        ASSERT_TRUE(load.table) << name;
        const acl_authoriser asked(load.table);
        for (const auto& check : one["checks"]) {
            const std::string client_id = check["client_id"];
            const auto& user = check["username"];
            const std::string username = user.is_null() ? "" : user.get<std::string>();
            const std::string topic = check["topic"];
            subject who{.client_id = client_id, .username = std::nullopt};
            if (!user.is_null()) {
                who.username = username;
            }
            const auto ours =
                asked.view_of(who)->check(actions.at(check["action"].get<std::string>()), topic);
            ++compared;
            if (ours.allowed == check["allowed"].get<bool>()) {
                continue;
            }
            differing.insert(name);
            EXPECT_TRUE(stricter.contains(name) && !ours.allowed)
                << name << ": " << check << "; ours: " << ours.rule << "\n"
                << text;
        }
    }
    EXPECT_GT(compared, 1'500U);
    EXPECT_EQ(differing, stricter) << "a named difference is none";
}

} // namespace
} // namespace gv::auth
