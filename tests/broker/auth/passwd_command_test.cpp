// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/passwd_command.hpp"
#include "broker/auth/password_file.hpp"
#include "broker/auth/text_file.hpp"
#include "tests/broker/auth/temporary_folder.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <vector>

namespace gv::auth {
namespace {

using testing::HasSubstr;

struct outcome {
    int code;
    std::string errors;
};

outcome run(std::initializer_list<std::string_view> args) {
    const std::vector<std::string_view> list(args);
    testing::internal::CaptureStderr();
    const int code = passwd_main(list);
    return {code, testing::internal::GetCapturedStderr()};
}

/// Standard input reads `text` while it lives.
class typed_input {
  public:
    explicit typed_input(std::string_view text) : before_(::dup(STDIN_FILENO)) {
        int ends[2];
        if (::pipe(ends) != 0
            || ::write(ends[1], text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
            std::abort();
        }
        ::close(ends[1]);
        ::dup2(ends[0], STDIN_FILENO);
        ::close(ends[0]);
    }
    ~typed_input() {
        ::dup2(before_, STDIN_FILENO);
        ::close(before_);
    }
    typed_input(const typed_input&) = delete;
    typed_input& operator=(const typed_input&) = delete;

  private:
    int before_;
};

class PasswdCommand : public testing::Test {
  protected:
    void write(std::string_view text) const { std::ofstream(path) << text; }
    [[nodiscard]] std::string text() const { return read_text_file(path).value_or("unreadable"); }
    [[nodiscard]] bool accepts(std::string_view user, std::string_view password) const {
        const auto load = load_password_file(path);
        const auto* found = load.table ? load.table->find(user) : nullptr;
        return found != nullptr && found->password && verify_password(*found->password, password);
    }

    temporary_folder folder;
    std::string path = folder / "passwords";
};

TEST_F(PasswdCommand, MakesAFileThatOnlyItsOwnerReads) {
    const auto made = run({"-c", "-b", path, "alice", "secret"});
    EXPECT_EQ(made.code, 0) << made.errors;
    EXPECT_EQ(made.errors, "");
    EXPECT_TRUE(accepts("alice", "secret"));
    EXPECT_FALSE(accepts("alice", "Secret"));
    EXPECT_THAT(text(), testing::StartsWith("alice:$7$10000$"));
    struct stat about{};
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 07777, 0600U);
}

TEST_F(PasswdCommand, ReplacesOneUserAndLeavesTheRestAsItIs) {
    write("# ours\r\nbob:$6$x$y\r\n\nalice:old\ncarol:plain");
    ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
    EXPECT_EQ(run({"-b", path, "alice", "-new"}).code, 0);
    EXPECT_TRUE(accepts("alice", "-new"));
    EXPECT_THAT(text(), testing::StartsWith("# ours\r\nbob:$6$x$y\r\n\nalice:$7$"));
    EXPECT_THAT(text(), testing::EndsWith("\ncarol:plain"));
    EXPECT_EQ(run({"-b", "--iterations=7", path, "dave", "pw"}).code, 0);
    EXPECT_THAT(text(), HasSubstr("\ncarol:plain\ndave:$7$7$"));
    struct stat about{};
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 07777, 0640U);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / ""), {}), 1)
        << "a temporary file was left";
}

TEST_F(PasswdCommand, ChangesTheTargetOfASymbolicLink) {
    write("alice:old\n");
    const std::string link = folder / "link";
    std::filesystem::create_symlink(path, link);
    EXPECT_EQ(run({"-b", link, "alice", "new"}).code, 0);
    EXPECT_TRUE(std::filesystem::is_symlink(link));
    EXPECT_TRUE(accepts("alice", "new"));
}

TEST_F(PasswdCommand, ScramEntriesFollowThePassword) {
    EXPECT_EQ(run({"-c", "-b", "--scram", "--iterations", "5000", path, "alice", "one"}).code, 0);
    auto load = load_password_file(path);
    ASSERT_TRUE(load.table->find("alice")->scram);
    EXPECT_EQ(load.table->find("alice")->scram->iterations, 5'000U);
    const auto before = load.table->find("alice")->scram->stored_key;
    // Not asked for this time; but the old password must not stay good.
    EXPECT_EQ(run({"-b", "-H", "sha512", path, "alice", "two"}).code, 0);
    load = load_password_file(path);
    ASSERT_TRUE(load.table->find("alice")->scram);
    EXPECT_NE(load.table->find("alice")->scram->stored_key, before);
    EXPECT_TRUE(accepts("alice", "two"));
    EXPECT_EQ(load.problems, std::vector<problem>());
    EXPECT_EQ(run({"-D", path, "alice"}).code, 0);
    EXPECT_EQ(text(), "");
    EXPECT_THAT(run({"-b", "--scram", path, "u", "p\xc3\xa4"}).errors, HasSubstr("not ASCII"));
}

TEST_F(PasswdCommand, RemovesAUser) {
    write("a:1\nb:2\n# a:3\na:4\n");
    EXPECT_EQ(run({"-D", path, "a"}).code, 0);
    EXPECT_EQ(text(), "b:2\n# a:3\n");
    const auto again = run({"-D", path, "a"});
    EXPECT_EQ(again.code, 1);
    EXPECT_THAT(again.errors, HasSubstr(path + ": there is no user \"a\""));
}

TEST_F(PasswdCommand, UpgradesPlainPasswords) {
    EXPECT_EQ(run({"-c", "-b", path, "old", "kept"}).code, 0);
    const auto hashed = text();
    write("# plain\n\nu1:plain text \n" + hashed + "u2:$ecret\n");
    EXPECT_EQ(run({"-U", path}).code, 0);
    EXPECT_TRUE(accepts("u1", "plain text "));
    EXPECT_TRUE(accepts("u2", "$ecret"));
    EXPECT_TRUE(accepts("old", "kept"));
    EXPECT_THAT(text(), testing::StartsWith("# plain\n\nu1:$7$"));
    EXPECT_THAT(text(), HasSubstr(hashed));
    EXPECT_EQ(load_password_file(path).problems, std::vector<problem>());
}

TEST_F(PasswdCommand, UpgradeChangesNothingIfALineIsWrong) {
    const std::string before = "u1:plain\nno colon\nu2:$7$101$x$y\nu3:\n";
    write(before);
    const auto refused = run({"-U", path});
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.errors, HasSubstr(path + ":2: "));
    EXPECT_THAT(refused.errors, HasSubstr(path + ":3: begins like a hash"));
    EXPECT_THAT(refused.errors, HasSubstr(path + ":4: "));
    EXPECT_EQ(text(), before);
}

TEST_F(PasswdCommand, AsksTwiceForThePassword) {
    {
        const typed_input input("secret\nsecret\n");
        const auto asked = run({"-c", path, "alice"});
        EXPECT_EQ(asked.code, 0) << asked.errors;
        EXPECT_EQ(asked.errors, "Password: Reenter password: ");
    }
    EXPECT_TRUE(accepts("alice", "secret"));
    for (const auto* typed : {"one\ntwo\n", "\n\n", "", "one\n", "\x03\n"}) {
        const typed_input input(typed);
        EXPECT_EQ(run({path, "alice"}).code, 1) << typed;
    }
    EXPECT_TRUE(accepts("alice", "secret"));
}

TEST_F(PasswdCommand, SaysWhatIsWrongWithTheCommandLine) {
    for (const auto& args : std::initializer_list<std::vector<std::string_view>>{
             {},
             {"file"},
             {"file", "user", "password"}, // without -b
             {"-b", "file", "user"},
             {"-b", "file", "user", ""},
             {"-c", "-D", "file", "user"},
             {"-c", "-U", "file"},
             {"-D", "-U", "file"},
             {"-U", "file", "user"},
             {"-x", "file", "user"},
             {"-H"},
             {"-H", "md5", "file", "user"},
             {"--iterations", "0", "file", "user"},
             {"--iterations=10k", "file", "user"},
             {"--iterations=10000001", "file", "user"},
             {"--scram=yes", "file", "user"},
             {"--scram", "-I", "101", "file", "user"},
             {"file", "a:b"},
             {"file", ""},
             {"file", "#a"},
             {"file", " a"},
             {"file", "a\nb"},
         }) {
        testing::internal::CaptureStderr();
        const int code = passwd_main(args);
        const auto said = testing::internal::GetCapturedStderr();
        EXPECT_EQ(code, 2) << testing::PrintToString(args);
        EXPECT_THAT(said, testing::StartsWith("grapevine passwd: "));
    }
    EXPECT_THAT(run({"file", "user", "password"}).errors, HasSubstr("give -b"));
}

TEST_F(PasswdCommand, SaysWhyAFileCannotBeUsed) {
    const auto missing = run({"-b", folder / "none", "u", "p"});
    EXPECT_EQ(missing.code, 1);
    EXPECT_THAT(missing.errors, HasSubstr("No such file"));
    EXPECT_THAT(missing.errors, HasSubstr("make it with -c"));
    const auto no_folder = run({"-c", "-b", folder / "none/p", "u", "p"});
    EXPECT_EQ(no_folder.code, 1);
    EXPECT_THAT(no_folder.errors, HasSubstr("folder exists"));
}

TEST_F(PasswdCommand, HelpGoesToStandardOutput) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(run({"--help"}).code, 0);
    EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::StartsWith("Usage: grapevine"));
}

} // namespace
} // namespace gv::auth
