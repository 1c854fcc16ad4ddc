// SPDX-License-Identifier: Apache-2.0
// Values of options as people write them: "16MiB", "10s", "true", "round_robin", "3.1.1, 5.0".
// Sizes without a unit are bytes, times without a unit are seconds.
#pragma once

#include "base/option.hpp"
#include "base/result.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gv::server {

/// What is wrong with a value, and what to write instead.
struct value_error {
    std::string what;
    std::string remedy;
};

/// How the values of an option are written, for documents and help.
enum class value_kind : std::uint8_t { boolean, number, fraction, size, time, text, list, choice };

[[nodiscard]] result<bool, value_error> parse_boolean(std::string_view text);
[[nodiscard]] result<std::uint64_t, value_error> parse_number(std::string_view text);
[[nodiscard]] result<double, value_error> parse_fraction(std::string_view text);
/// B, KiB, MiB, GiB and TiB are powers of 1024; kB, MB, GB and TB of 1000; upper or lower case.
[[nodiscard]] result<byte_size, value_error> parse_size(std::string_view text);
/// ms, s, min, h, d.
[[nodiscard]] result<std::chrono::milliseconds, value_error> parse_time(std::string_view text);
/// Position of `text` in `names`.
[[nodiscard]] result<std::size_t, value_error>
parse_choice(std::string_view text, std::span<const std::string_view> names);

/// With the largest unit that leaves a whole number: "16MiB", "1536B", "0".
[[nodiscard]] std::string to_text(byte_size size);
/// The same: "30d", "1500ms", "0".
[[nodiscard]] std::string to_text(std::chrono::milliseconds time);
[[nodiscard]] std::string to_text(std::uint64_t number);
[[nodiscard]] std::string to_text(double fraction);

/// As a TOML string, quoted and escaped.
[[nodiscard]] std::string toml_quoted(std::string_view text);

/// `items` with `between` between them.
[[nodiscard]] std::string join(std::span<const std::string_view> items, std::string_view between);

/// The one of `candidates` that `text` is most likely a misspelling of; empty if none is close.
/// Lifetime: points into `candidates`.
[[nodiscard]] std::string_view closest(std::string_view text,
                                       std::span<const std::string_view> candidates);

/// "did you mean 'x'?", or an empty text.
[[nodiscard]] std::string did_you_mean(std::string_view text,
                                       std::span<const std::string_view> candidates);

} // namespace gv::server
