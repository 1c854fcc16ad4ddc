// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/passwd_options.hpp"

#include <charconv>
#include <utility>

namespace gv::auth {

namespace {

constexpr std::size_t username_bytes_max = 65'535; // what a CONNECT can carry
constexpr std::size_t password_bytes_max = 65'535;

std::unexpected<std::string> refuse(std::string why) { return failure(std::move(why)); }

/// Reads options, then positions, then checks what they say together.
class option_reader {
  public:
    explicit option_reader(std::span<const std::string_view> args) : rest_(args) {}

    result<passwd_options, std::string> read() {
        while (!rest_.empty() && rest_.front().size() > 1 && rest_.front().front() == '-') {
            const std::string_view option = take();
            if (option == "--") {
                break;
            }
            if (auto done = on_option(option); !done) {
                return failure(done.error());
            }
            if (options_.task == passwd_task::help) {
                return options_;
            }
        }
        if (auto done = check_together(); !done) {
            return failure(done.error());
        }
        if (auto done = read_positions(); !done) {
            return failure(done.error());
        }
        return std::move(options_);
    }

  private:
    std::string_view take() {
        const std::string_view first = rest_.front();
        rest_ = rest_.subspan(1);
        return first;
    }

    result<void, std::string> on_option(std::string_view option) {
        const std::size_t equals =
            option.starts_with("--") ? option.find('=') : std::string_view::npos;
        if (equals != std::string_view::npos) {
            return on_value(option.substr(0, equals), option.substr(equals + 1));
        }
        if (option == "-H" || option == "-I" || option == "--iterations") {
            if (rest_.empty()) {
                return refuse(std::string(option) + " needs a value");
            }
            return on_value(option, take());
        }
        return on_flag(option);
    }

    result<void, std::string> on_flag(std::string_view option) {
        if (option == "-c") {
            options_.creates_file = true;
        } else if (option == "-b") {
            options_.is_batch = true;
        } else if (option == "-D") {
            removes_ = true;
        } else if (option == "-U") {
            upgrades_ = true;
        } else if (option == "--scram") {
            options_.wants_scram = true;
        } else if (option == "-h" || option == "--help") {
            options_.task = passwd_task::help;
        } else {
            return refuse("the option " + std::string(option) + " is not known; see --help");
        }
        return {};
    }

    result<void, std::string> on_value(std::string_view option, std::string_view value) {
        if (option == "-H") {
            return on_scheme(value);
        }
        if (option == "-I" || option == "--iterations") {
            return on_iterations(value);
        }
        return refuse("the option " + std::string(option) + " takes no value; see --help");
    }

    result<void, std::string> on_scheme(std::string_view value) {
        if (value != "sha512" && value != "sha512-pbkdf2") {
            return refuse("-H takes sha512-pbkdf2 or sha512");
        }
        options_.scheme = value == "sha512" ? hash_scheme::sha512 : hash_scheme::pbkdf2_sha512;
        return {};
    }

    result<void, std::string> on_iterations(std::string_view value) {
        const char* end = value.data() + value.size();
        const auto [stop, error] = std::from_chars(value.data(), end, options_.iterations);
        if (error != std::errc() || stop != end || options_.iterations == 0
            || options_.iterations > iterations_max) {
            return refuse("--iterations takes a number between 1 and "
                          + std::to_string(iterations_max));
        }
        return {};
    }

    result<void, std::string> check_together() {
        if (removes_ && upgrades_) {
            return refuse("-D and -U exclude each other");
        }
        if (options_.creates_file && (removes_ || upgrades_)) {
            return refuse("-c makes a new file, which -D and -U have nothing to do in");
        }
        if (options_.wants_scram && options_.iterations < scram_iterations_min) {
            return refuse("--scram needs --iterations of at least "
                          + std::to_string(scram_iterations_min));
        }
        options_.task = removes_    ? passwd_task::remove
                        : upgrades_ ? passwd_task::upgrade
                                    : passwd_task::set;
        options_.is_batch = options_.is_batch && options_.task == passwd_task::set;
        return {};
    }

    result<void, std::string> read_positions() {
        const std::size_t wanted = options_.task == passwd_task::upgrade ? 1
                                   : options_.is_batch                   ? 3
                                                                         : 2;
        if (rest_.size() != wanted) {
            return refuse(wrong_count(wanted));
        }
        options_.file = take();
        if (options_.task == passwd_task::upgrade) {
            return {};
        }
        options_.username = take();
        if (options_.is_batch) {
            options_.password = take();
        }
        return check_names();
    }

    [[nodiscard]] std::string wrong_count(std::size_t wanted) const {
        if (wanted == 2 && rest_.size() == 3 && options_.task == passwd_task::set) {
            return "give -b to pass the password on the command line";
        }
        const std::string_view names = wanted == 1   ? "FILE"
                                       : wanted == 2 ? "FILE USER"
                                                     : "FILE USER PASSWORD";
        return "after the options come exactly " + std::string(names) + "; see --help";
    }

    result<void, std::string> check_names() {
        const std::string_view name = options_.username;
        if (name.empty() || name.size() > username_bytes_max) {
            return refuse("a username has 1 to 65,535 bytes");
        }
        if (name.find_first_of(std::string_view(":\n\r\0", 4)) != std::string_view::npos) {
            return refuse("a username must not hold \":\" or a line break");
        }
        if (name.front() == '#' || name.find_first_of(" \t") == 0
            || name.find_last_of(" \t") == name.size() - 1) {
            return refuse("a username must not begin with \"#\", nor begin or end with a blank");
        }
        if (options_.is_batch
            && (options_.password.empty() || options_.password.size() > password_bytes_max)) {
            return refuse("a password has 1 to 65,535 bytes");
        }
        return {};
    }

    std::span<const std::string_view> rest_;
    passwd_options options_;
    bool removes_ = false;
    bool upgrades_ = false;
};

} // namespace

result<passwd_options, std::string> parse_passwd_options(std::span<const std::string_view> args) {
    return option_reader(args).read();
}

std::string_view passwd_usage() noexcept {
    return "Usage: grapevine passwd [options] FILE USER              set a password, asking for "
           "it\n"
           "       grapevine passwd [options] -b FILE USER PASSWORD  set a password\n"
           "       grapevine passwd -D FILE USER                     remove a user\n"
           "       grapevine passwd [options] -U FILE                hash the plain passwords of "
           "FILE\n"
           "\n"
           "  -c               make FILE anew; what it held is lost\n"
           "  -b               batch: the password is on the command line, visible to others\n"
           "  -D               remove USER\n"
           "  -U               replace plain passwords by hashes; hashed ones stay as they are\n"
           "  -H KIND          sha512-pbkdf2 (default) or sha512 (weak; for old files)\n"
           "  --scram          also write what the user needs to log in by SCRAM-SHA-256\n"
           "  --iterations N   work per guess and per log-in, 1 to 10,000,000 (default 10,000);\n"
           "                   also -I N. --scram needs at least 4,096\n"
           "  -h, --help       print this\n"
           "\n"
           "A running broker takes the new file over when it is told to reload (SIGHUP).\n";
}

} // namespace gv::auth
