// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/password_prompt.hpp"

#include "broker/auth/crypto.hpp"

#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

namespace gv::auth {

namespace {

constexpr std::size_t password_bytes_max = 65'535;
constexpr char interrupt = '\x03';

/// No echo while it lives. Signals are off too, or Ctrl-C would leave the terminal silent; instead
/// Ctrl-C ends the line, and the reader sees it there.
class silent_terminal {
  public:
    silent_terminal() {
        if (::tcgetattr(STDIN_FILENO, &before_) != 0) {
            return; // not a terminal
        }
        termios silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
        silent.c_cc[VEOL] = static_cast<cc_t>(interrupt);
        is_silent_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
    }
    ~silent_terminal() {
        if (is_silent_) {
            ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
            std::fputc('\n', stderr); // the one that was not echoed
        }
    }
    silent_terminal(const silent_terminal&) = delete;
    silent_terminal& operator=(const silent_terminal&) = delete;

  private:
    termios before_{};
    bool is_silent_ = false;
};

/// Byte by byte: what follows the line belongs to somebody else.
result<std::string, std::string> read_line() {
    std::string line;
    for (;;) {
        char next = 0;
        const ssize_t count = ::read(STDIN_FILENO, &next, 1);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0 || next == interrupt) {
            return failure(std::string("no password was given"));
        }
        if (next == '\n') {
            return line;
        }
        if (line.size() == password_bytes_max) {
            return failure(std::string("a password has at most 65,535 bytes"));
        }
        line += next;
    }
}

result<std::string, std::string> ask(const char* prompt) {
    std::fputs(prompt, stderr);
    std::fflush(stderr);
    const silent_terminal silence;
    return read_line();
}

} // namespace

result<std::string, std::string> ask_new_password() {
    auto first = ask("Password: ");
    if (!first) {
        return first;
    }
    if (first->empty()) {
        return failure(std::string("the password is empty"));
    }
    auto second = ask("Reenter password: ");
    if (!second) {
        return second;
    }
    const bool is_same = *first == *second;
    wipe(*second);
    if (!is_same) {
        return failure(std::string("the two passwords are not the same"));
    }
    return std::move(*first);
}

} // namespace gv::auth
