// SPDX-License-Identifier: Apache-2.0
// Options without their types: what sources, documents, the printed configuration and the reload
// diff work on. option_walk.hpp makes them from a struct of options.
#pragma once

#include "base/option.hpp"
#include "broker/server/value_text.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

/// A value as a source holds it. Typed sources (TOML) tell text from number; environment and
/// command line give bare text, which may be either.
struct raw_value {
    enum class shape : std::uint8_t { bare, text, number, boolean, list };
    shape form = shape::bare;
    std::string text;
    text_list items; ///< of a list
};

/// One option of one object. Lifetime: refers to that object.
class option_ref {
  public:
    virtual ~option_ref() = default;

    /// "mqtt.packet_size_max", "listeners.0.port".
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    /// Its name in the table it stands in: "packet_size_max".
    [[nodiscard]] std::string_view key() const noexcept;

    // The columns of its row.
    [[nodiscard]] virtual std::string_view name() const = 0;
    [[nodiscard]] virtual std::string_view doc() const = 0;
    [[nodiscard]] virtual std::string_view since() const = 0;
    [[nodiscard]] virtual reload applies() const = 0;
    [[nodiscard]] virtual stability_level stability() const = 0;
    [[nodiscard]] virtual bool is_secret() const = 0;

    [[nodiscard]] virtual value_kind kind() const = 0;
    /// Of a choice; else empty.
    [[nodiscard]] virtual std::span<const std::string_view> names() const = 0;
    /// "128B to 256MiB", "at least 1", or empty if anything goes.
    [[nodiscard]] virtual std::string range() const = 0;

    /// Sets the value, or leaves it as it was and says why.
    [[nodiscard]] virtual std::optional<value_error> read(const raw_value& raw) = 0;
    virtual void reset() = 0;
    /// Sets the default of the profile `pi`. False if it is that of all profiles; nothing is set.
    virtual bool take_pi() = 0;
    /// That default as TOML; empty: that of all profiles.
    [[nodiscard]] virtual std::string pi_toml() const = 0;
    [[nodiscard]] virtual bool is_default() const = 0;
    /// The value as read() takes it.
    [[nodiscard]] virtual std::string text() const = 0;
    [[nodiscard]] virtual std::string toml() const = 0;

  protected:
    explicit option_ref(std::string path) : path_(std::move(path)) {}

  private:
    std::string path_;
};

using option_refs = std::vector<std::unique_ptr<option_ref>>;

/// A table of the configuration, with the options that stand in it.
struct section_ref {
    section_row row;
    /// Of an array of tables, which item this is.
    std::optional<std::size_t> index;
    option_refs options;
};

/// "live", "new connections", "restart".
[[nodiscard]] std::string_view applies_text(reload applies) noexcept;

/// What is shown instead of a secret.
inline constexpr std::string_view hidden_text = "(hidden)";

} // namespace gv::server
