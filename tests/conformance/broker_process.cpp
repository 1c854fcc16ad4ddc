// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/broker_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ; // NOLINT(readability-redundant-declaration)

namespace gv::conformance {
namespace {

std::string contents(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

pid_t spawn(const launch& how) {
    std::vector<char*> arguments;
    for (const auto& word : how.command) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, how.output.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    pid_t pid = -1;
    const int error =
        posix_spawnp(&pid, arguments.front(), &files, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    if (error != 0) {
        throw std::runtime_error("cannot start " + how.command.front() + ": error "
                                 + std::to_string(error));
    }
    return pid;
}

bool accepts(std::uint16_t port) {
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool is_up =
        ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(probe);
    return is_up;
}

/// The port of the listener on 127.0.0.1 in a file with a line for each, the first one if `name`
/// is empty; 0 while it is not there.
std::uint16_t port_in(const std::filesystem::path& ports_file, const std::string& name = {}) {
    const auto text = contents(ports_file);
    const std::string address = name + " 127.0.0.1:"; // behind the name, which may look the same
    const auto at = text.find(address);
    const auto end = text.find('\n', at);
    if (at == std::string::npos || end == std::string::npos) {
        return 0;
    }
    return static_cast<std::uint16_t>(std::atoi(text.c_str() + at + address.size()));
}

} // namespace

scratch_folder::scratch_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "conformance-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("cannot make a folder like " + pattern);
    }
    path_ = pattern;
}

scratch_folder::~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string scratch_folder::write(const std::string& name, const std::string& text) const {
    const auto path = path_ / name;
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read
                                           | std::filesystem::perms::owner_write);
    return path.string();
}

broker_process::broker_process(const launch& how)
    : ports_file_(how.ports_file), pid_(spawn(how)), port_(how.port) {
    await_listening(how);
}

std::uint16_t broker_process::admin_port() const { return port_in(ports_file_, "admin"); }

broker_process::~broker_process() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
}

void broker_process::await_listening(const launch& how) {
    using namespace std::chrono_literals;
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < until) {
        if (port_ == 0) {
            port_ = port_in(how.ports_file);
        }
        if (port_ != 0 && accepts(port_)) {
            return;
        }
        if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
            throw std::runtime_error("the broker ended at once: " + contents(how.output));
        }
        std::this_thread::sleep_for(2ms);
    }
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    throw std::runtime_error("the broker does not listen: " + contents(how.output));
}

} // namespace gv::conformance
