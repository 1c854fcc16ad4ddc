// SPDX-License-Identifier: Apache-2.0
// Where an export goes: standard output, or a file that is there when it is whole.
#pragma once

#include "base/result.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace gv::server {

class line_file {
  public:
    /// `path`: "-" is standard output. A file is written beside its place, as PATH.part, for its
    /// owner alone to read. Errors: a problem for a person.
    [[nodiscard]] static result<line_file, problem> open(const std::string& path);

    void write(std::string_view text) { std::fwrite(text.data(), 1, text.size(), to_.get()); }
    /// Brings the file to its place, on disk; what was there before is replaced. Errors: a problem
    /// for a person; the place is then as it was.
    [[nodiscard]] result<void, problem> finish();

  private:
    struct closer {
        void operator()(std::FILE* file) const {
            if (file != stdout) {
                std::fclose(file);
            }
        }
    };
    line_file(std::FILE* to, std::string path) : to_(to), path_(std::move(path)) {}
    [[nodiscard]] problem unwritable() const;

    std::unique_ptr<std::FILE, closer> to_;
    std::string path_; ///< empty: standard output
};

} // namespace gv::server
