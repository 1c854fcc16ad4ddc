// SPDX-License-Identifier: Apache-2.0
#include "broker/server/store_command.hpp"

#include "broker/server/cluster_identity.hpp"
#include "broker/server/derive.hpp"
#include "broker/server/environment.hpp"
#include "broker/server/line_file.hpp"
#include "broker/server/load.hpp"
#include "broker/server/mosquitto_import.hpp"
#include "broker/server/persistence.hpp"
#include "broker/server/store_check.hpp"
#include "broker/server/store_export.hpp"
#include "broker/server/store_lines.hpp"
#include "broker/server/store_options.hpp"
#include "broker/server/store_text.hpp"
#include "storage/offline_store.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

namespace gv::server {

namespace {

constexpr int done = 0;
constexpr int failed = 1;
constexpr int misused = 2;
constexpr std::size_t longest_max = 10;
constexpr std::string_view from_standard_input = "-";

int report(const problem& wrong) {
    std::fprintf(stderr, "grapevine store: %s: %s; %s\n", wrong.place.c_str(), wrong.what.c_str(),
                 wrong.remedy.c_str());
    return failed;
}

void say(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// Of a file of which only is asked whether it can be read.
class nobody final : public storage::mosquitto_reader {
  public:
    void on_header(const storage::mosquitto_header&) override {}
    void on_message(const storage::mosquitto_message&) override {}
    void on_client(const storage::mosquitto_client&) override {}
    void on_delivery(const storage::mosquitto_delivery&) override {}
    void on_subscription(const storage::mosquitto_subscription&) override {}
    void on_retained(std::uint64_t) override {}
    void on_unknown(std::uint32_t) override {}
};

[[nodiscard]] bool is_empty(const storage::table_source& store) {
    std::string key;
    return !store.seek(storage::table::sessions, {}, key)
           && !store.seek(storage::table::retained, {}, key);
}

[[nodiscard]] problem unreadable(const std::string& path) {
    return {.place = path,
            .what = "the file cannot be read",
            .remedy = "check its name and who may read it"};
}

[[nodiscard]] result<std::string, problem> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    if (!in.is_open() || in.bad()) {
        return failure(unreadable(path));
    }
    return bytes;
}

/// Enough to tell what it is.
[[nodiscard]] result<std::string, problem> read_beginning(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes(64, '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!in.is_open() || in.bad() || std::filesystem::is_directory(path)) {
        return failure(unreadable(path));
    }
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    return bytes;
}

void say_counts(const char* head, const std::map<std::string, std::size_t>& counts) {
    for (const auto& [what, count] : counts) {
        std::printf("%s: %zu %s\n", head, count, what.c_str());
    }
}

int say_summary(const import_summary& added) {
    std::printf("imported: %zu sessions, %zu subscriptions, %zu queued messages, %zu releases and "
                "%zu inbound identifiers of QoS 2, %zu retained messages\n",
                added.sessions, added.subscriptions, added.queued, added.released, added.inbound,
                added.retained);
    say_counts("changed", added.changed);
    say_counts("left out", added.left_out);
    return done;
}

void set(command_line& flags, const std::string& option, const std::string& value) {
    flags.assignments.push_back(
        {.path = option, .value = {.text = value, .items = {}}, .place = "--folder"});
}

/// One run of the command.
class store_command {
  public:
    store_command(store_options wanted, options values)
        : wanted_(std::move(wanted)), values_(std::move(values)) {
        folder_ = store_folder(values_);
    }

    int run() {
        switch (wanted_.task) {
        case store_task::import_file:
            return import_file();
        case store_task::check:
            return check();
        case store_task::stats:
            return look(&store_command::stats);
        case store_task::export_lines:
            return look(&store_command::export_all);
        case store_task::help:
            break;
        }
        return done;
    }

  private:
    int look(int (store_command::*how)(const storage::offline_store& store)) {
        const auto opened = storage::open_offline_store(folder_);
        return opened ? (this->*how)(**opened) : report(opened.error());
    }

    int check() const {
        const auto found = check_store(folder_);
        if (!found) {
            return report(found.error());
        }
        say(wanted_.as_json ? check_lines(*found) : check_text(*found));
        for (const problem& each : found->problems) {
            report(each);
        }
        return found->is_sound() ? done : failed;
    }

    int stats(const storage::offline_store& store) {
        say(stats_text(stats_of(store, longest_max),
                       [&store](storage::table which) { return store.disk_bytes(which); }));
        return done;
    }

    int export_all(const storage::offline_store& store) {
        auto to = line_file::open(wanted_.file);
        if (!to) {
            return report(to.error());
        }
        const export_report made =
            export_lines(store, [&to](std::string_view line) { to->write(line); });
        for (const auto& [what, count] : made.left_out) {
            std::fprintf(stderr, "grapevine store: left out: %zu %s; see check\n", count,
                         what.c_str());
        }
        if (const auto written = to->finish(); !written) {
            return report(written.error());
        }
        if (!made.is_readable) {
            return report({.place = folder_,
                           .what = "the store cannot be read to its end",
                           .remedy = "what could be read was written; see check"});
        }
        return made.left_out.empty() ? done : failed;
    }

    // Opened for writing first, so that nobody else writes to it meanwhile.
    int import_file() {
        if (const auto checked = check_file(); !checked) {
            return report(checked.error());
        }
        const auto to = open_store(values_, certified_id(values_));
        if (!to) {
            return report(to.error());
        }
        const auto before = storage::open_offline_store(folder_);
        const auto added = before ? import_into(**to, **before) : failure(before.error());
        (*to)->close();
        return added ? say_summary(*added) : report(added.error());
    }

    /// Reads a file to its end and adds nothing.
    [[nodiscard]] result<void, problem> check_file() {
        if (wanted_.file == from_standard_input) {
            return {};
        }
        const auto begins = read_beginning(wanted_.file);
        if (!begins) {
            return failure(begins.error());
        }
        is_mosquitto_ = storage::is_mosquitto_db(*begins);
        if (!is_mosquitto_) {
            return read_lines(nullptr, boot_id{});
        }
        auto bytes = read_file(wanted_.file);
        if (!bytes) {
            return failure(bytes.error());
        }
        bytes_ = *std::move(bytes);
        nobody reader;
        return read_mosquitto_db(bytes_, wanted_.file, reader);
    }

    [[nodiscard]] result<import_summary, problem> import_into(storage::store& to,
                                                              const storage::table_source& before) {
        if (!wanted_.merges && !is_empty(before)) {
            return failure(problem{.place = folder_,
                                   .what = "the store is not empty",
                                   .remedy = "give --merge to add to it, or another --folder"});
        }
        store_import adding(to, before);
        const auto read =
            is_mosquitto_ ? read_mosquitto(to.node(), adding) : read_lines(&adding, to.node().boot);
        auto added = adding.finish();
        return read ? std::move(added) : failure(read.error());
    }

    [[nodiscard]] result<void, problem> read_mosquitto(const storage::node_record& node,
                                                       store_import& to) const {
        const auto read = import_mosquitto_db(bytes_,
                                              {.name = wanted_.file,
                                               .now = std::chrono::system_clock::now(),
                                               .written = written(),
                                               .node = node.node,
                                               .boot = node.boot,
                                               .shards = shard_count_of(values_)},
                                              to);
        if (!read) {
            return failure(read.error());
        }
        if (!read->is_final) {
            say("note: Mosquitto wrote this file while it ran; what happened afterwards is not in "
                "it\n");
        }
        return {};
    }

    [[nodiscard]] result<void, problem> read_lines(store_import* to, boot_id life) const {
        std::ifstream file;
        const bool is_file = wanted_.file != from_standard_input;
        if (is_file) {
            file.open(wanted_.file, std::ios::binary);
        }
        std::istream& in = is_file ? file : std::cin;
        line_importer lines(is_file ? wanted_.file : "standard input", to, life);
        bool is_empty = true;
        for (std::string line; std::getline(in, line); is_empty = false) {
            if (auto read = lines.read(line); !read) {
                return read;
            }
        }
        if (in.bad() || (is_file && !file.is_open())) {
            return failure(unreadable(wanted_.file));
        }
        if (is_empty) {
            return failure(problem{.place = is_file ? wanted_.file : "standard input",
                                   .what = "there is nothing in it, not even the line of a node",
                                   .remedy = "export or copy it again"});
        }
        lines.finish();
        return {};
    }

    [[nodiscard]] wall_time written() const {
        std::error_code unknown;
        const auto time = std::filesystem::last_write_time(wanted_.file, unknown);
        const wall_time now = std::chrono::system_clock::now();
        return unknown ? now
                       : std::min(now, std::chrono::time_point_cast<wall_time::duration>(
                                           std::chrono::file_clock::to_sys(time)));
    }

    store_options wanted_;
    options values_;
    std::string folder_;
    bool is_mosquitto_ = false; ///< what is imported
    std::string bytes_;         ///< of it, then
};

} // namespace

int store_main(std::span<const std::string_view> args) {
    auto wanted = parse_store_options(args);
    if (!wanted) {
        std::fprintf(stderr, "grapevine store: %s\n", wanted.error().c_str());
        return misused;
    }
    if (wanted->task == store_task::help) {
        std::fputs(std::string(store_usage()).c_str(), stdout);
        return done;
    }
    command_line flags;
    flags.config_file = wanted->config_file;
    set(flags, "storage.enabled", "true");
    if (!wanted->folder.empty()) {
        set(flags, "storage.folder", wanted->folder);
    }
    loaded_options loaded = load_options(flags, process_environment(), profile_here);
    for (const problem& each : loaded.problems) {
        report(each);
    }
    if (!loaded.problems.empty()) {
        return failed;
    }
    return store_command(*std::move(wanted), std::move(loaded.values)).run();
}

} // namespace gv::server
