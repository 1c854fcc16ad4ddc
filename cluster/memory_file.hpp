// SPDX-License-Identifier: Apache-2.0
// A file in memory only, for a library that reads by path what must be on no disk.
#pragma once

#include <string>
#include <string_view>

namespace gv::cluster {

class memory_file {
  public:
    /// Errors: throws std::system_error if the process has no descriptor left.
    explicit memory_file(std::string_view text);
    ~memory_file();
    memory_file(const memory_file&) = delete;
    memory_file& operator=(const memory_file&) = delete;

    /// Whoever opens path() sees all of the old text or all of the new. Errors: as the constructor;
    /// the old text stays.
    void replace(std::string_view text);
    [[nodiscard]] std::string path() const;

  private:
    int descriptor_;
};

} // namespace gv::cluster
