// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/password_file.hpp"
#include "broker/auth/text_file.hpp"
#include "tests/broker/auth/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace gv::auth {
namespace {

bool accepts(const password_table& table, std::string_view user, std::string_view password) {
    const auto* found = table.find(user);
    return found != nullptr && found->password && verify_password(*found->password, password);
}

struct known_user {
    const char* name;
    const char* password;
};

constexpr known_user sample_users[] = {
    {"alice", "secret"}, {"bob", "hunter2"}, {"carol smith", "p\xc3\xa4ssword with spaces"},
    {"dave", "x:$y$"},   {"eve", "x"},       {"emp", ""},
    {"frank", "abc"},
};

TEST(PasswordFile, ReadsWhatMosquittoPasswdWrote) {
    const auto load = load_password_file("tests/broker/auth/data/mosquitto_passwd.txt");
    ASSERT_TRUE(load.table);
    EXPECT_TRUE(load.problems.empty());
    EXPECT_EQ(load.table->size(), std::size(sample_users));
    for (const auto& [name, password] : sample_users) {
        EXPECT_TRUE(accepts(*load.table, name, password)) << name;
        EXPECT_FALSE(accepts(*load.table, name, std::string(password) + "x")) << name;
    }
    EXPECT_EQ(load.table->find("bob")->password->scheme, hash_scheme::sha512);
    EXPECT_EQ(load.table->find("eve")->password->iterations, 20'000U);
    EXPECT_EQ(load.table->find("carol smith")->password_line, 3U);
}

TEST(PasswordFile, ReadsWhatTheInstalledMosquittoPasswdWrites) {
    if (std::system("command -v mosquitto_passwd >/dev/null") != 0) {
        GTEST_SKIP() << "mosquitto_passwd is not installed";
    }
    const temporary_folder folder;
    const std::string path = folder / "passwords";
    const std::string head = "mosquitto_passwd -b ";
    ASSERT_EQ(std::system((head + "-c " + path + " new 'one two'").c_str()), 0);
    ASSERT_EQ(std::system((head + "-H sha512 " + path + " old 'three$'").c_str()), 0);
    const auto load = load_password_file(path);
    ASSERT_TRUE(load.table);
    EXPECT_TRUE(load.problems.empty());
    EXPECT_TRUE(accepts(*load.table, "new", "one two"));
    EXPECT_TRUE(accepts(*load.table, "old", "three$"));
    EXPECT_FALSE(accepts(*load.table, "new", "three$"));
}

TEST(PasswordFile, ReadsBackItsOwnEntries) {
    const std::string text =
        "u:" + format_credential(make_password_hash("pw", hash_scheme::pbkdf2_sha512, 10)) + "\r\n"
        + "# comment: $7$\n\n   \n"
        + " v : " + format_credential(make_password_hash("qw", hash_scheme::sha512, 1)) + " \n"
        + "u:" + format_credential(make_scram_credential("pw", 4'096));
    const auto load = parse_password_file(text, "p");
    EXPECT_TRUE(load.problems.empty());
    EXPECT_EQ(load.table->size(), 2U);
    EXPECT_TRUE(accepts(*load.table, "u", "pw"));
    EXPECT_TRUE(accepts(*load.table, "v", "qw"));
    ASSERT_TRUE(load.table->find("u")->scram);
    EXPECT_EQ(load.table->find("u")->scram_line, 6U);
    EXPECT_EQ(load.table->find("w"), nullptr);
}

TEST(PasswordHash, HasTheSaltSizeThatMosquittoInsistsOn) {
    for (const auto scheme : {hash_scheme::sha512, hash_scheme::pbkdf2_sha512}) {
        EXPECT_EQ(make_password_hash("pw", scheme, 10).salt.size(), 12U);
    }
}

TEST(PasswordFile, ReportsEachBadLineAndKeepsTheOthers) {
    const std::string hash(88, 'A'); // 66 bytes: too long
    const auto good = format_credential(make_password_hash("pw", hash_scheme::sha512, 1));
    const auto load = parse_password_file("no colon\n" // 1
                                          ":" + good
                                              + "\n"                // 2
                                                "plain:secret\n"    // 3
                                                "kind:$5$a$b\n"     // 4
                                                "few:$7$101$AAAA\n" // 5
                                                "zero:$7$0$AAAA$"
                                              + hash
                                              + "\n" // 6
                                                "much:$7$99999999999$AAAA$"
                                              + hash
                                              + "\n" // 7
                                                "salt:$6$A$"
                                              + hash
                                              + "\n" // 8
                                                "long:$6$AAAA$"
                                              + hash
                                              + "\n" // 9
                                                "ok:"
                                              + good
                                              + "\n" // 10
                                                "ok:"
                                              + good
                                              + "\n"                                       // 11
                                                "few:$scram-sha-256$4095$AAAA$AAAA$AAAA\n" // 12
                                                "empty:\n",                                // 13
                                          "passwords");
    std::vector<std::string> places;
    for (const auto& problem : load.problems) {
        places.push_back(problem.place);
        EXPECT_FALSE(problem.what.empty());
        EXPECT_FALSE(problem.remedy.empty());
    }
    EXPECT_THAT(places, testing::ElementsAre("passwords:1", "passwords:2", "passwords:3",
                                             "passwords:4", "passwords:5", "passwords:6",
                                             "passwords:7", "passwords:8", "passwords:9",
                                             "passwords:11", "passwords:12", "passwords:13"));
    EXPECT_EQ(load.problems[2].remedy,
              "hash the passwords of the file with \"grapevine passwd -U\"");
    EXPECT_THAT(load.problems[9].what, testing::HasSubstr("line 10"));
    EXPECT_EQ(load.table->size(), 1U);
    EXPECT_TRUE(accepts(*load.table, "ok", "pw"));
}

TEST(PasswordFile, SaysWhyAFileCannotBeRead) {
    const auto missing = load_password_file("/nonexistent/passwords");
    EXPECT_FALSE(missing.table);
    ASSERT_EQ(missing.problems.size(), 1U);
    EXPECT_EQ(missing.problems[0].place, "/nonexistent/passwords");
    EXPECT_THAT(missing.problems[0].what, testing::HasSubstr("No such file"));
    EXPECT_FALSE(load_password_file("/").table);
}

TEST(PasswordTable, TheDecoyOfANameIsAlwaysTheSame) {
    const auto empty = parse_password_file("", "p");
    EXPECT_EQ(empty.table->password_decoy("x"), nullptr);
    EXPECT_EQ(empty.table->scram_decoy("x"), nullptr);
    const auto load = load_password_file("tests/broker/auth/data/mosquitto_passwd.txt");
    const auto* decoy = load.table->password_decoy("mallory");
    ASSERT_NE(decoy, nullptr);
    EXPECT_EQ(load.table->password_decoy("mallory"), decoy);
}

} // namespace
} // namespace gv::auth
