// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/passwd_command.hpp"

#include "broker/auth/crypto.hpp"
#include "broker/auth/passwd_options.hpp"
#include "broker/auth/password_edit.hpp"
#include "broker/auth/password_hash.hpp"
#include "broker/auth/password_prompt.hpp"
#include "broker/auth/text_file.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace gv::auth {

namespace {

enum exit_code : int { done = 0, failed = 1, misused = 2 };

void say(const std::string& text) {
    std::fputs(("grapevine passwd: " + text + "\n").c_str(), stderr);
}

int report(const problem& what) {
    say(what.place + ": " + what.what + "; " + what.remedy);
    return failed;
}

std::vector<std::string> credentials_for(std::string_view password, const passwd_options& options,
                                         bool wants_scram) {
    std::vector<std::string> lines{
        format_credential(make_password_hash(password, options.scheme, options.iterations))};
    if (wants_scram) {
        const auto iterations = std::max(options.iterations, scram_iterations_min);
        lines.push_back(format_credential(make_scram_credential(password, iterations)));
    }
    return lines;
}

int write(const passwd_options& options, std::string_view text) {
    const auto written = replace_text_file(options.file, text);
    return written ? done : report(written.error());
}

/// The password of the command line, or of the person at the terminal.
result<std::string, std::string> password_of(const passwd_options& options) {
    if (options.is_batch) {
        return options.password;
    }
    return ask_new_password();
}

void warn_of_normalisation(std::string_view password) {
    if (std::ranges::any_of(password, [](char c) { return (c & 0x80) != 0; })) {
        say("note: the password is not ASCII; SCRAM clients that normalise it differently from how "
            "it was typed here will not get in");
    }
}

int set_password(const passwd_options& options) {
    std::string text;
    if (!options.creates_file) {
        auto before = read_text_file(options.file);
        if (!before) {
            before.error().remedy += ", or make it with -c";
            return report(before.error());
        }
        text = std::move(*before);
    }
    auto password = password_of(options);
    if (!password) {
        say(password.error());
        return failed;
    }
    // A SCRAM entry that kept the old password would be a second way in.
    const bool wants_scram = options.wants_scram || has_scram_entry(text, options.username);
    if (wants_scram) {
        warn_of_normalisation(*password);
    }
    const auto lines = credentials_for(*password, options, wants_scram);
    wipe(*password);
    return write(options, with_user(text, options.username, lines));
}

int remove_user(const passwd_options& options) {
    const auto text = read_text_file(options.file);
    if (!text) {
        return report(text.error());
    }
    if (!has_user(*text, options.username)) {
        return report({.place = options.file,
                       .what = "there is no user \"" + options.username + "\"",
                       .remedy = "check the spelling"});
    }
    return write(options, with_user(*text, options.username, {}));
}

int upgrade(const passwd_options& options) {
    const auto text = read_text_file(options.file);
    if (!text) {
        return report(text.error());
    }
    const auto changed = with_hashed_passwords(*text, options.file, [&](std::string_view password) {
        return credentials_for(password, options, options.wants_scram);
    });
    if (!changed) {
        std::ranges::for_each(changed.error(), report);
        return failed;
    }
    return write(options, *changed);
}

} // namespace

int passwd_main(std::span<const std::string_view> args) {
    const auto options = parse_passwd_options(args);
    if (!options) {
        say(options.error());
        return misused;
    }
    switch (options->task) {
    case passwd_task::set:
        return set_password(*options);
    case passwd_task::remove:
        return remove_user(*options);
    case passwd_task::upgrade:
        return upgrade(*options);
    case passwd_task::help:
        break;
    }
    std::fputs(std::string(passwd_usage()).c_str(), stdout);
    return done;
}

} // namespace gv::auth
