// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/cases.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>

namespace gv::conformance {
namespace {

json read_json(const std::filesystem::path& path) {
    std::ifstream in(path);
    try {
        return json::parse(in);
    } catch (const json::exception& error) {
        throw std::runtime_error(path.string() + ": " + error.what());
    }
}

test_case case_of(const json& row, const std::string& file) {
    test_case made;
    made.file = file;
    made.name = row.at("name").get<std::string>();
    made.statements = row.at("statements").get<std::vector<std::string>>();
    made.versions = row.at("versions").get<std::vector<protocol_level>>();
    made.options = row.value("options", json::object());
    made.files = row.value("files", json::object());
    made.steps = row.at("steps");
    return made;
}

std::vector<std::filesystem::path> json_files(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".json") {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    return files;
}

} // namespace

std::string test_case::test_name(protocol_level level) const {
    std::string made = level == 3 ? "v31_" : level == 4 ? "v311_" : "v5_";
    for (const char letter : name) {
        const auto* spelled = letter == '#' ? "_hash_" : letter == '+' ? "_plus_" : "_";
        const bool is_plain = std::isalnum(static_cast<unsigned char>(letter)) != 0;
        made += is_plain ? std::string(1, letter) : letter == '/' ? "_slash_" : spelled;
    }
    const auto is_pair = [](char left, char right) { return left == '_' && right == '_'; };
    made.erase(std::unique(made.begin(), made.end(), is_pair), made.end());
    return made;
}

std::vector<test_case> load_cases(const std::filesystem::path& folder) {
    std::vector<test_case> cases;
    for (const auto& path : json_files(folder)) {
        for (const auto& row : read_json(path)) {
            try {
                cases.push_back(case_of(row, path.filename().string()));
            } catch (const json::exception& error) {
                throw std::runtime_error(path.string() + ": " + row.value("name", "a case") + ": "
                                         + error.what());
            }
        }
    }
    return cases;
}

std::vector<std::string> load_statements(const std::filesystem::path& folder) {
    std::vector<std::string> identifiers;
    for (const std::string version : {"v3", "v5"}) {
        for (const auto& row : read_json(folder / ("statements_" + version + ".json"))) {
            identifiers.push_back(version + ":" + row.at("id").get<std::string>());
        }
    }
    return identifiers;
}

} // namespace gv::conformance
