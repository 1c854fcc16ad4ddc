// SPDX-License-Identifier: Apache-2.0
// Small text files that people edit: read whole, walked line by line, replaced whole.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gv::auth {

/// Walks lines. A line ends with LF, CR LF, or the end of the text.
class line_reader {
  public:
    explicit line_reader(std::string_view text) noexcept : rest_(text) {}

    /// Moves to the next line; false at the end.
    bool advance() noexcept;
    /// Without its ending.
    [[nodiscard]] std::string_view line() const noexcept { return line_; }
    /// From 1.
    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }

  private:
    std::string_view rest_;
    std::string_view line_;
    std::uint32_t number_ = 0;
};

/// Without blanks and tabs at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

/// "acl.conf:12".
[[nodiscard]] std::string place_of(std::string_view file, std::uint32_t line);

/// The whole file. Errors: a problem that names the file; also if it is no regular file or larger
/// than 256 MiB.
[[nodiscard]] result<std::string, problem> read_text_file(const std::string& path);

/// Replaces the content of `path` so that a reader, or a crash, finds the old content or the new
/// one, whole: written beside it, synced, renamed. A symbolic link stays, its target is replaced.
/// Mode and owner are kept; a new file has mode 0600. Errors: a problem; `path` is then unchanged.
[[nodiscard]] result<void, problem> replace_text_file(const std::string& path,
                                                      std::string_view content);

} // namespace gv::auth
