// SPDX-License-Identifier: Apache-2.0
#include "broker/server/config_file.hpp"

#include "broker/server/option_table.hpp"

#include <toml++/toml.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace gv::server {

namespace {

class file_reader {
  public:
    file_reader(std::string_view name, std::vector<problem>& problems)
        : name_(name), problems_(problems) {}

    std::vector<assignment> read(const toml::table& root) {
        for (const auto& [key, node] : root) {
            read_top(key.str(), node);
        }
        return std::move(given_);
    }

    std::string place(const toml::source_region& source) const {
        return name_ + ":" + std::to_string(source.begin.line);
    }

  private:
    void read_top(std::string_view key, const toml::node& node) {
        if (!node.is_table() && !node.is_array_of_tables()) {
            problems_.push_back(unknown_option(key, place(node.source())));
        } else if (!is_section(key)) {
            const std::string hint = did_you_mean(key, section_names());
            report(node, "[" + std::string(key) + "] is not a section",
                   hint.empty() ? "the sections are " + join(section_names(), ", ") : hint);
        } else if (is_list_section(key)) {
            read_list(key, node);
        } else if (const toml::table* table = node.as_table()) {
            read_table(std::string(key), *table);
        } else {
            report(node, "[[" + std::string(key) + "]] is one table, not a list of them",
                   "write [" + std::string(key) + "] once");
        }
    }

    void read_list(std::string_view key, const toml::node& node) {
        const toml::array* list = node.as_array();
        if (list == nullptr) {
            report(node, "[" + std::string(key) + "] is a list of tables",
                   "write [[" + std::string(key) + "]], once for each");
            return;
        }
        for (std::size_t index = 0; index < list->size(); ++index) {
            read_table(std::string(key) + "." + std::to_string(index),
                       *list->get(index)->as_table());
        }
    }

    void read_table(const std::string& path, const toml::table& table) {
        for (const auto& [key, node] : table) {
            assignment each{.path = path + "." + std::string(key.str()),
                            .value = {},
                            .place = place(key.source())};
            if (read_value(node, each)) {
                given_.push_back(std::move(each));
            }
        }
    }

    bool read_value(const toml::node& node, assignment& into) {
        using shape = raw_value::shape;
        if (const auto* text = node.as_string()) {
            into.value = {shape::text, text->get(), {}};
        } else if (const auto* number = node.as_integer()) {
            into.value = {shape::number, std::to_string(number->get()), {}};
        } else if (const auto* fraction = node.as_floating_point()) {
            into.value = {shape::number, to_text(fraction->get()), {}};
        } else if (const auto* boolean = node.as_boolean()) {
            into.value = {shape::boolean, boolean->get() ? "true" : "false", {}};
        } else if (const auto* list = node.as_array()) {
            return read_items(*list, into);
        } else {
            report(node, into.path + ": no option has a value of this kind",
                   "write text in quotes, a number, true, false or a list");
            return false;
        }
        return true;
    }

    bool read_items(const toml::array& list, assignment& into) {
        into.value.form = raw_value::shape::list;
        for (const toml::node& item : list) {
            const auto* text = item.as_string();
            if (text == nullptr) {
                report(item, into.path + ": the items of a list are texts",
                       "put each item in quotes");
                return false;
            }
            into.value.items.push_back(text->get());
        }
        return true;
    }

    void report(const toml::node& node, std::string what, std::string remedy) {
        problems_.push_back({place(node.source()), std::move(what), std::move(remedy)});
    }

    static bool is_section(std::string_view key) {
        for (const std::string_view known : section_names()) {
            if (known == key) {
                return true;
            }
        }
        return false;
    }

    std::string name_;
    std::vector<problem>& problems_;
    std::vector<assignment> given_;
};

} // namespace

std::vector<assignment> read_config_text(std::string_view text, std::string_view name,
                                         std::vector<problem>& problems) {
    file_reader reader(name, problems);
    try {
        return reader.read(toml::parse(text, name));
    } catch (const toml::parse_error& failed) {
        problems.push_back({reader.place(failed.source()), std::string(failed.description()),
                            "correct the TOML there; nothing after it was read"});
        return {};
    }
}

std::vector<assignment> read_config_file(const std::string& path, std::vector<problem>& problems) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string text;
    std::array<char, 4096> chunk{};
    while (file.read(chunk.data(), chunk.size()), file.gcount() > 0) {
        text.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
    }
    // A folder opens, but reading it fails.
    if (!file.is_open() || file.bad()) {
        problems.push_back({path, std::string("cannot be read: ") + std::strerror(errno),
                            "give the path of a file that this user may read"});
        return {};
    }
    return read_config_text(text, path, problems);
}

} // namespace gv::server
