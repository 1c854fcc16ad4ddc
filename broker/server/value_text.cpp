// SPDX-License-Identifier: Apache-2.0
#include "broker/server/value_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

namespace gv::server {

namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
    /// Whether values are printed in it; the others are only read.
    bool is_printed = true;
};

constexpr std::uint64_t kibi = 1024;
constexpr std::uint64_t kilo = 1000;

// Largest first: the first printed one that divides a value is the one it is written in.
constexpr std::array<unit, 9> size_units{{{"TiB", kibi* kibi* kibi* kibi},
                                          {"GiB", kibi* kibi* kibi},
                                          {"MiB", kibi* kibi},
                                          {"KiB", kibi},
                                          {"TB", kilo* kilo* kilo* kilo, false},
                                          {"GB", kilo* kilo* kilo, false},
                                          {"MB", kilo* kilo, false},
                                          {"kB", kilo, false},
                                          {"B", 1}}};

constexpr std::array<unit, 6> time_units{{{"d", 86'400'000},
                                          {"h", 3'600'000},
                                          {"min", 60'000},
                                          {"m", 60'000, false},
                                          {"s", 1000},
                                          {"ms", 1}}};

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view left, std::string_view right) {
    return std::ranges::equal(left, right, [](char a, char b) { return lower(a) == lower(b); });
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

struct quantity {
    std::uint64_t number = 0;
    std::string_view unit;
};

/// "16 MiB" as 16 and "MiB".
bool split_quantity(std::string_view text, quantity& out) {
    const auto* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, out.number);
    if (error != std::errc{}) {
        return false;
    }
    out.unit = {rest, static_cast<std::size_t>(end - rest)};
    while (out.unit.starts_with(' ')) {
        out.unit.remove_prefix(1);
    }
    return true;
}

/// The value in the smallest unit; `plain` is the factor of a number without a unit.
bool scale_quantity(std::string_view text, std::span<const unit> units, std::uint64_t plain,
                    std::uint64_t& out) {
    quantity given;
    if (!split_quantity(text, given)) {
        return false;
    }
    std::uint64_t factor = plain;
    if (!given.unit.empty()) {
        const auto found = std::ranges::find_if(
            units, [&](const unit& each) { return same_word(each.name, given.unit); });
        if (found == units.end()) {
            return false;
        }
        factor = found->factor;
    }
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (given.number > largest / factor) {
        return false;
    }
    out = given.number * factor;
    return true;
}

std::string in_units(std::uint64_t value, std::span<const unit> units) {
    if (value == 0) {
        return "0";
    }
    for (const unit& each : units) {
        if (each.is_printed && value % each.factor == 0) {
            return std::to_string(value / each.factor).append(each.name);
        }
    }
    return std::to_string(value);
}

/// Number of insertions, deletions, replacements and swaps of neighbours that turn one into the
/// other (optimal string alignment).
std::size_t edit_distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> before(to.size() + 1);
    std::vector<std::size_t> above(to.size() + 1);
    std::vector<std::size_t> row(to.size() + 1);
    for (std::size_t j = 0; j <= to.size(); ++j) {
        above[j] = j;
    }
    for (std::size_t i = 1; i <= from.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= to.size(); ++j) {
            const std::size_t replaced = above[j - 1] + (from[i - 1] == to[j - 1] ? 0U : 1U);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, above);
        std::swap(above, row);
    }
    return above[to.size()];
}

std::string_view last_word(std::string_view path) {
    const std::size_t dot = path.rfind('.');
    return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

/// A right name in the wrong section is one step away, as a wrong letter is; the beginning of a
/// name is two.
std::size_t path_distance(std::string_view from, std::string_view to) {
    const std::string_view given = last_word(from);
    const std::string_view wanted = last_word(to);
    const std::size_t distance =
        std::min(edit_distance(from, to), edit_distance(given, wanted) + 1);
    const bool is_beginning = given.size() > 2 && wanted.starts_with(given);
    return is_beginning ? std::min<std::size_t>(distance, 2) : distance;
}

void append_escaped(std::string& out, char c) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
        out.append({'\\', c});
    } else if (byte < 0x20 || byte == 0x7f) {
        out.append("\\u00").append({hex[byte >> 4], hex[byte & 15]});
    } else {
        out.push_back(c);
    }
}

} // namespace

result<bool, value_error> parse_boolean(std::string_view text) {
    if (same_word(text, "true")) {
        return true;
    }
    if (same_word(text, "false")) {
        return false;
    }
    return failure(value_error{quoted(text) + " is neither true nor false", "write true or false"});
}

result<std::uint64_t, value_error> parse_number(std::string_view text) {
    quantity given;
    if (split_quantity(text, given) && given.unit.empty()) {
        return given.number;
    }
    return failure(
        value_error{quoted(text) + " is not a whole number", "write digits only, such as 100"});
}

result<double, value_error> parse_fraction(std::string_view text) {
    double value = 0;
    const auto* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc{} && rest == end && std::isfinite(value)) {
        return value;
    }
    return failure(value_error{quoted(text) + " is not a number", "write a number such as 0.5"});
}

result<byte_size, value_error> parse_size(std::string_view text) {
    byte_size size;
    if (scale_quantity(text, size_units, 1, size.value)) {
        return size;
    }
    return failure(value_error{quoted(text) + " is not a size",
                               "write a whole number with a unit, such as 512B, 64KiB or 16MiB"});
}

result<std::chrono::milliseconds, value_error> parse_time(std::string_view text) {
    std::uint64_t milliseconds = 0;
    if (scale_quantity(text, time_units, 1000, milliseconds)) {
        return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds));
    }
    return failure(value_error{quoted(text) + " is not a time",
                               "write a whole number with a unit, such as 100ms, 10s or 30d"});
}

result<std::size_t, value_error> parse_choice(std::string_view text,
                                              std::span<const std::string_view> names) {
    const auto found =
        std::ranges::find_if(names, [&](std::string_view name) { return same_word(name, text); });
    if (found != names.end()) {
        return static_cast<std::size_t>(found - names.begin());
    }
    std::string remedy = "write one of: " + join(names, ", ");
    if (const std::string hint = did_you_mean(text, names); !hint.empty()) {
        remedy = hint + " (" + remedy + ")";
    }
    return failure(value_error{quoted(text) + " is not one of the choices", remedy});
}

std::string to_text(byte_size size) { return in_units(size.value, size_units); }

std::string to_text(std::chrono::milliseconds time) {
    return in_units(static_cast<std::uint64_t>(time.count()), time_units);
}

std::string to_text(std::uint64_t number) { return std::to_string(number); }

std::string to_text(double fraction) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), fraction);
    std::string text(digits.data(), end.ptr);
    // TOML tells 1.0 from 1, and so does the reader of a document.
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string toml_quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        append_escaped(out, c);
    }
    return out + "\"";
}

std::string join(std::span<const std::string_view> items, std::string_view between) {
    std::string out;
    for (const std::string_view item : items) {
        out.append(out.empty() ? "" : between).append(item);
    }
    return out;
}

std::string_view closest(std::string_view text, std::span<const std::string_view> candidates) {
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(2, last_word(text).size() / 3) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = path_distance(text, candidate);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates) {
    const std::string_view best = closest(text, candidates);
    return best.empty() ? std::string() : "did you mean '" + std::string(best) + "'?";
}

} // namespace gv::server
