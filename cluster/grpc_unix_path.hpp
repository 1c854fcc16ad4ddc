// SPDX-License-Identifier: Apache-2.0
// Unix sockets by paths of any length: a socket's address has room for 107 bytes, a folder may be
// deeper. So the folder is opened, and the socket named through /proc.
#pragma once

#include "base/result.hpp"

#include <string>

namespace gv::cluster {

class open_folder {
  public:
    /// Errors: what the system says.
    [[nodiscard]] static result<open_folder, std::string> open(const std::string& path);
    ~open_folder();
    open_folder(open_folder&& other) noexcept;
    open_folder& operator=(open_folder&&) = delete;

    /// A short path to what is in it. Lifetime: it means something as long as this.
    [[nodiscard]] std::string path_to(const std::string& name) const;

  private:
    explicit open_folder(int descriptor) noexcept : descriptor_(descriptor) {}
    int descriptor_;
};

/// The folder that the path is in, and its name there.
struct split_path {
    std::string folder;
    std::string name;
};
[[nodiscard]] split_path split(const std::string& path);

/// Whether somebody accepts connections there.
[[nodiscard]] bool is_listening(const std::string& path);

} // namespace gv::cluster
