// SPDX-License-Identifier: Apache-2.0
// A broker of its own for one case: started with the case's options, listening on a free port of
// 127.0.0.1, ended with the object.
#pragma once

#include "tests/conformance/world.hpp"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gv::conformance {

/// A folder of its own under the system's temporary folder, removed with the object.
class scratch_folder {
  public:
    scratch_folder();
    ~scratch_folder();
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    /// Writes the file and returns its path.
    std::string write(const std::string& name, const std::string& text) const;

  private:
    std::filesystem::path path_;
};

/// Options by name, "{file}" already replaced.
using option_values = std::map<std::string, std::string>;

/// How a kind of broker is started.
struct launch {
    std::vector<std::string> command;
    std::filesystem::path output; ///< both of its output streams
    std::uint16_t port = 0;       ///< 0: it writes its port to `ports_file`
    std::filesystem::path ports_file;
};

class broker_process {
  public:
    /// Errors: std::runtime_error, with the broker's output, if it does not listen within 10 s.
    explicit broker_process(const launch& how);
    ~broker_process();
    broker_process(const broker_process&) = delete;
    broker_process& operator=(const broker_process&) = delete;
    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// Of its pages, on 127.0.0.1. Requires: it writes its ports to a file.
    [[nodiscard]] std::uint16_t admin_port() const;

  private:
    void await_listening(const launch& how);

    std::filesystem::path ports_file_;
    pid_t pid_ = -1;
    std::uint16_t port_ = 0;
};

} // namespace gv::conformance
