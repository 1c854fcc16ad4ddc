// SPDX-License-Identifier: Apache-2.0
#include "broker/server/store_options.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace gv::server {

namespace {

result<store_options, std::string> parse(const std::vector<std::string_view>& args) {
    return parse_store_options(args);
}

TEST(StoreOptions, NameATaskAndAStore) {
    const auto check = parse({"check", "--folder", "/x"});
    ASSERT_TRUE(check);
    EXPECT_EQ(check->task, store_task::check);
    EXPECT_EQ(check->folder, "/x");
    EXPECT_FALSE(check->as_json);
    EXPECT_TRUE(parse({"check", "--json"})->as_json);
    const auto import = parse({"-c", "a.toml", "import", "--merge", "-"});
    ASSERT_TRUE(import);
    EXPECT_EQ(import->task, store_task::import_file);
    EXPECT_EQ(import->config_file, "a.toml");
    EXPECT_EQ(import->file, "-");
    EXPECT_TRUE(import->merges);
    EXPECT_EQ(parse({"export", "--folder=/y"})->folder, "/y");
    EXPECT_EQ(parse({"export"})->file, "-");
    EXPECT_EQ(parse({"export", "a.jsonl"})->file, "a.jsonl");
    EXPECT_EQ(parse({"stats", "-h"})->task, store_task::help);
}

TEST(StoreOptions, SayWhatMakesNoSense) {
    const std::vector<std::pair<std::vector<std::string_view>, std::string>> cases{
        {{}, "say what to do: check, stats, export or import; see --help"},
        {{"chek"}, "\"chek\" is neither check, stats, export nor import; see --help"},
        {{"check", "x"}, "check takes no file; see --help"},
        {{"import"}, "import takes exactly one FILE; see --help"},
        {{"export", "a", "b"}, "export takes one FILE at most; see --help"},
        {{"stats", "x", "y"}, "stats takes no file; see --help"},
        {{"import", "a", "b"}, "import takes exactly one FILE; see --help"},
        {{"stats", "--merge"}, "--merge is for import"},
        {{"stats", "--json"}, "--json is for check"},
        {{"stats", "--folder"}, "--folder needs a value"},
        {{"stats", "--folder="}, "--folder needs a value"},
        {{"stats", "--fodler", "x"}, "the option --fodler is not known; see --help"},
    };
    for (const auto& [args, what] : cases) {
        const auto parsed = parse(args);
        ASSERT_FALSE(parsed) << what;
        EXPECT_EQ(parsed.error(), what);
    }
}

} // namespace

} // namespace gv::server
