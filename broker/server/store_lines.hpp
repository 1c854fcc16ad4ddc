// SPDX-License-Identifier: Apache-2.0
// Reads the JSON lines that store_export.hpp writes, and adds what they say to a store.
#pragma once

#include "base/result.hpp"
#include "broker/server/store_import.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace gv::server {

class line_importer {
  public:
    /// `name` is that of what is read, for errors. Lifetime: `to` outlives it. Without `to` lines
    /// are only checked. `life`: how often the store's node has started; lives of the node that
    /// wrote the lines come before that.
    line_importer(std::string name, store_import* to, boot_id life);
    ~line_importer();

    /// An empty line is nothing. Errors: what is wrong in the line, with its number; nothing of it
    /// was added.
    [[nodiscard]] result<void, problem> read(std::string_view line);
    /// After the last line.
    void finish();

  private:
    class reader;
    std::unique_ptr<reader> reader_;
};

} // namespace gv::server
