// SPDX-License-Identifier: Apache-2.0
// grapevine_docs [--check] FOLDER: writes the documents that follow from the declarations of
// options and metrics into the tree at FOLDER. With --check it writes nothing, names those that are
// stale, and fails if there is any.
#include "broker/server/documents.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct document {
    std::string_view path;
    std::string (*make)();
};

constexpr std::array<document, 3> documents{{
    {"docs/configuration.md", gv::server::configuration_page},
    {"docs/metrics.md", gv::server::metrics_page},
    {"deploy/grapevine.example.toml", gv::server::example_config},
}};

bool is_current(const std::filesystem::path& path, const std::string& wanted) {
    std::ifstream file(path, std::ios::binary);
    const std::string present{std::istreambuf_iterator<char>(file), {}};
    return present == wanted;
}

bool write(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    return !file.fail();
}

/// Whether the document at `root` is as it should be afterwards.
bool handle(const std::filesystem::path& root, const document& each, bool only_check) {
    const std::filesystem::path path = root / each.path;
    const std::string text = each.make();
    if (is_current(path, text)) {
        return true;
    }
    if (only_check) {
        std::fprintf(stderr, "%s is stale; run: grapevine_docs %s\n", path.c_str(), root.c_str());
        return false;
    }
    if (!write(path, text)) {
        std::fprintf(stderr, "%s cannot be written\n", path.c_str());
        return false;
    }
    std::printf("wrote %s\n", path.c_str());
    return true;
}

} // namespace

int main(int count, char** arguments) {
    const std::vector<std::string_view> given(arguments + 1, arguments + count);
    const bool only_check = !given.empty() && given.front() == "--check";
    if (given.size() != (only_check ? 2U : 1U)) {
        std::fputs("usage: grapevine_docs [--check] FOLDER\n", stderr);
        return 2;
    }
    bool is_good = true;
    for (const document& each : documents) {
        is_good = handle(given.back(), each, only_check) && is_good;
    }
    return is_good ? 0 : 1;
}
