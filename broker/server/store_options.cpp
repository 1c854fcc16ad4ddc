// SPDX-License-Identifier: Apache-2.0
#include "broker/server/store_options.hpp"

#include "broker/server/command_words.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace gv::server {

namespace {

constexpr std::array<std::pair<std::string_view, store_task>, 6> tasks{{
    {"check", store_task::check},
    {"stats", store_task::stats},
    {"export", store_task::export_lines},
    {"import", store_task::import_file},
    {"help", store_task::help},
    {"--help", store_task::help},
}};

class option_reader {
  public:
    result<store_options, std::string> read(std::span<const std::string_view> args) {
        const command_words words = read_words(
            args, [this](std::string_view option) { return on_flag(option); },
            [this](std::string_view name) { return target_of(name) != nullptr; },
            [this](std::string_view name, std::string_view value) { *target_of(name) = value; });
        if (!words.wrong.empty()) {
            return failure(words.wrong);
        }
        positions_ = words.positions;
        const std::string wrong = words.wants_help ? std::string() : check_together();
        if (!wrong.empty()) {
            return failure(wrong);
        }
        return std::move(options_);
    }

  private:
    bool on_flag(std::string_view option) {
        options_.as_json = options_.as_json || option == "--json";
        options_.merges = options_.merges || option == "--merge";
        return option == "--json" || option == "--merge";
    }

    [[nodiscard]] std::string* target_of(std::string_view name) {
        return name == "--folder"                   ? &options_.folder
               : name == "-c" || name == "--config" ? &options_.config_file
                                                    : nullptr;
    }

    // These return what is wrong; empty: nothing.

    std::string check_together() {
        if (positions_.empty()) {
            return "say what to do: check, stats, export or import; see --help";
        }
        const auto* const found = std::ranges::find(tasks, positions_.front(),
                                                    [](const auto& each) { return each.first; });
        if (found == tasks.end()) {
            return "\"" + std::string(positions_.front())
                   + "\" is neither check, stats, export nor import; see --help";
        }
        options_.task = found->second;
        if (options_.merges && options_.task != store_task::import_file) {
            return "--merge is for import";
        }
        if (options_.as_json && options_.task != store_task::check) {
            return "--json is for check";
        }
        return take_file();
    }

    std::string take_file() {
        const std::size_t files = positions_.size() - 1;
        if (options_.task == store_task::import_file && files != 1) {
            return "import takes exactly one FILE; see --help";
        }
        if (options_.task == store_task::export_lines && files > 1) {
            return "export takes one FILE at most; see --help";
        }
        if (files == 1) {
            options_.file = positions_.back();
        }
        if (files > 0
            && (options_.task == store_task::check || options_.task == store_task::stats)) {
            return std::string(positions_.front()) + " takes no file; see --help";
        }
        return {};
    }

    std::vector<std::string_view> positions_;
    store_options options_;
};

} // namespace

result<store_options, std::string> parse_store_options(std::span<const std::string_view> args) {
    return option_reader().read(args);
}

std::string_view store_usage() noexcept {
    return "Usage: grapevine store check [options]         read every file and every row, say what "
           "is broken\n"
           "       grapevine store stats [options]         say what the store holds\n"
           "       grapevine store export [options] [FILE] write it as JSON lines to FILE\n"
           "       grapevine store import [options] FILE   add what FILE holds\n"
           "\n"
           "  --folder DIR   the store (default: that of the configuration)\n"
           "  -c FILE        the configuration of the broker; without it the environment and the\n"
           "                 defaults say where the store is\n"
           "  --json         check prints JSON lines\n"
           "  --merge        import into a store that holds something: sessions that are there "
           "stay\n"
           "                 as they are, and of two retained messages the newer stays\n"
           "  -h, --help     print this\n"
           "\n"
           "FILE to import is what export wrote, or the mosquitto.db of a Mosquitto 1.6 or 2 that "
           "was\n"
           "stopped. \"-\", and no FILE to export to, are standard input and output.\n"
           "\n"
           "check, stats and export change nothing and may run beside a broker: they show what "
           "the\n"
           "store held when they began. import needs the store for itself: stop the broker first.\n"
           "Exit code: 0 done, 1 failed or something is broken, 2 a command line without sense.\n";
}

} // namespace gv::server
