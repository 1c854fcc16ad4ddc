// SPDX-License-Identifier: Apache-2.0
// An option: a value that carries its own row (name, what it does, default, range, when a change
// applies). Structs of options are walked by base/described.hpp; nothing is listed twice. An option
// holds one of: bool, an unsigned integer, double, byte_size, milliseconds, std::string,
// text_list, or an enum with a choices() function beside it.
//
//     struct mqtt_options {
//         section about{{.name = "mqtt", .doc = "What clients may ask for."}};
//         option<byte_size> packet_size_max{{.name = "mqtt.packet_size_max", .doc = "…",
//                                            .def = 16_MiB, .min = 128_B, .max = 256_MiB}};
//     };
//     const byte_size limit = *options.mqtt.packet_size_max;
#pragma once

#include "base/units.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace gv {

using text_list = std::vector<std::string>;

/// When a changed value takes effect after a reload.
enum class reload : std::uint8_t { live, new_connections, restart };

enum class stability_level : std::uint8_t { stable, experimental };

/// How defaults and limits are written in a row: literal text for strings and lists ("a, b").
template <typename T>
using option_literal =
    std::conditional_t<std::is_same_v<T, std::string> || std::is_same_v<T, text_list>,
                       std::string_view, T>;

/// The ends of the range of a type, for rows that set none. Sizes and times fit in what a
/// configuration file can hold, 63 bits.
template <typename T>
inline constexpr T option_lowest{};
template <typename T>
inline constexpr T option_highest{};
template <typename T>
    requires std::is_arithmetic_v<T>
inline constexpr T option_highest<T> = std::numeric_limits<T>::max();
template <>
inline constexpr byte_size option_highest<byte_size>{std::uint64_t{1} << 62};
template <>
inline constexpr std::chrono::milliseconds option_highest<std::chrono::milliseconds> =
    std::chrono::hours{24 * 36'500};

template <typename T>
struct option_row {
    std::string_view name; ///< dotted, as in the file; unique
    std::string_view doc;  ///< what it does, and what larger and smaller values cost
    option_literal<T> def{};
    option_literal<T> min = option_lowest<option_literal<T>>;
    option_literal<T> max = option_highest<option_literal<T>>;
    reload applies = reload::live;
    stability_level stability = stability_level::stable;
    std::string_view since = "0.1";
    bool is_secret = false; ///< never printed
    /// The default under the profile `pi` (storage.profile), where it is another.
    std::optional<option_literal<T>> pi = std::nullopt;
};

/// "a, b" as a list.
[[nodiscard]] inline text_list split_list(std::string_view text) {
    text_list items;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        std::string_view item = text.substr(0, comma);
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
        while (item.starts_with(' ')) {
            item.remove_prefix(1);
        }
        while (item.ends_with(' ')) {
            item.remove_suffix(1);
        }
        if (!item.empty()) {
            items.emplace_back(item);
        }
    }
    return items;
}

template <typename T>
class option {
  public:
    using value_type = T;

    /// Starts with the default of its row.
    explicit option(const option_row<T>& row) : row_(row), value_(from_literal(row.def)) {}

    [[nodiscard]] const T& operator*() const noexcept { return value_; }
    [[nodiscard]] const T* operator->() const noexcept { return &value_; }
    /// Sets without checking the range: for tests and for code that checked.
    option& operator=(T value) {
        value_ = std::move(value);
        return *this;
    }
    [[nodiscard]] const option_row<T>& row() const noexcept { return row_; }

    /// What a row says, as a value.
    [[nodiscard]] static T from_literal(const option_literal<T>& literal) {
        if constexpr (std::is_same_v<T, text_list>) {
            return split_list(literal);
        } else {
            return T(literal);
        }
    }

  private:
    option_row<T> row_;
    T value_;
};

/// First member of a struct of options: the table of the file they stand in, and what they share.
struct section_row {
    std::string_view name;
    std::string_view doc;
};

class section {
  public:
    explicit section(const section_row& row) : row_(row) {}
    [[nodiscard]] const section_row& row() const noexcept { return row_; }

  private:
    section_row row_;
};

/// An array of tables in the file: any number of `Item`, a struct of options.
template <typename Item>
struct option_list {
    using item_type = Item;
    std::vector<Item> items;

    [[nodiscard]] auto begin() const noexcept { return items.begin(); }
    [[nodiscard]] auto end() const noexcept { return items.end(); }
};

} // namespace gv
