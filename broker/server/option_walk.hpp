// SPDX-License-Identifier: Apache-2.0
// From a struct of options to option_refs, by walking its fields. Costs the compiler seconds:
// include it in one source (and in the test of it).
#pragma once

#include "base/described.hpp"
#include "broker/server/option_ref.hpp"

#include <concepts>
#include <type_traits>
#include <utility>

namespace gv::server {

/// How the values of one type are read and written.
template <typename T>
struct value_codec;

template <>
struct value_codec<bool> {
    static constexpr value_kind kind = value_kind::boolean;
    static auto parse(std::string_view text) { return parse_boolean(text); }
    static std::string print(bool value) { return value ? "true" : "false"; }
};

template <std::unsigned_integral T>
struct value_codec<T> {
    static constexpr value_kind kind = value_kind::number;
    static auto parse(std::string_view text) { return parse_number(text); }
    static std::string print(std::uint64_t value) { return to_text(value); }
};

template <>
struct value_codec<double> {
    static constexpr value_kind kind = value_kind::fraction;
    static auto parse(std::string_view text) { return parse_fraction(text); }
    static std::string print(double value) { return to_text(value); }
};

template <>
struct value_codec<byte_size> {
    static constexpr value_kind kind = value_kind::size;
    static auto parse(std::string_view text) { return parse_size(text); }
    static std::string print(byte_size value) { return to_text(value); }
};

template <>
struct value_codec<std::chrono::milliseconds> {
    static constexpr value_kind kind = value_kind::time;
    static auto parse(std::string_view text) { return parse_time(text); }
    static std::string print(std::chrono::milliseconds value) { return to_text(value); }
};

template <>
struct value_codec<std::string> {
    static constexpr value_kind kind = value_kind::text;
    static result<std::string, value_error> parse(std::string_view text) {
        return std::string(text);
    }
    static std::string print(const std::string& value) { return value; }
};

template <>
struct value_codec<text_list> {
    static constexpr value_kind kind = value_kind::list;
    static result<text_list, value_error> parse(std::string_view text) { return split_list(text); }
    static std::string print(const text_list& value) {
        const std::vector<std::string_view> views(value.begin(), value.end());
        return join(views, ", ");
    }
};

template <typename T>
    requires std::is_enum_v<T>
struct value_codec<T> {
    static constexpr value_kind kind = value_kind::choice;
    static result<T, value_error> parse(std::string_view text) {
        const auto position = parse_choice(text, choices(T{}));
        if (!position) {
            return failure(position.error());
        }
        return static_cast<T>(*position);
    }
    static std::string print(T value) {
        return std::string(choices(T{})[static_cast<std::size_t>(value)]);
    }
};

/// Whether a value of `kind` may be written in TOML as `form`; the error if not.
[[nodiscard]] std::optional<value_error> check_shape(value_kind kind, const raw_value& raw);
/// `text`, printed by a codec, as TOML.
[[nodiscard]] std::string as_toml(value_kind kind, const std::string& text, const text_list* items);
[[nodiscard]] value_error out_of_range(std::string_view given, std::string_view range);

template <typename T>
class typed_option_ref final : public option_ref {
  public:
    typed_option_ref(std::string path, option<T>& target)
        : option_ref(std::move(path)), target_(target) {}

    std::string_view name() const override { return row().name; }
    std::string_view doc() const override { return row().doc; }
    std::string_view since() const override { return row().since; }
    reload applies() const override { return row().applies; }
    stability_level stability() const override { return row().stability; }
    bool is_secret() const override { return row().is_secret; }
    value_kind kind() const override { return codec::kind; }

    std::span<const std::string_view> names() const override {
        if constexpr (std::is_enum_v<T>) {
            return choices(T{});
        } else {
            return {};
        }
    }

    std::string range() const override {
        if constexpr (has_range) {
            const bool has_floor = row().min != option_lowest<T>;
            const bool has_ceiling = row().max != option_highest<T> || sizeof(T) <= 2;
            if (has_ceiling) {
                return codec::print(row().min) + " to " + codec::print(row().max);
            }
            return has_floor ? "at least " + codec::print(row().min) : std::string();
        } else {
            return {};
        }
    }

    std::optional<value_error> read(const raw_value& raw) override {
        if (auto wrong = check_shape(kind(), raw)) {
            return wrong;
        }
        if constexpr (std::is_same_v<T, text_list>) {
            if (raw.form == raw_value::shape::list) {
                target_ = raw.items;
                return std::nullopt;
            }
        }
        auto parsed = codec::parse(raw.text);
        if (!parsed) {
            return parsed.error();
        }
        return assign(std::move(*parsed), raw.text);
    }

    void reset() override { target_ = *option<T>(row()); }
    bool take_pi() override {
        if (row().pi) {
            target_ = option<T>::from_literal(*row().pi);
        }
        return row().pi.has_value();
    }
    std::string pi_toml() const override {
        return row().pi ? toml_of(option<T>::from_literal(*row().pi)) : std::string();
    }
    bool is_default() const override { return *option<T>(row()) == *target_; }
    std::string text() const override { return codec::print(*target_); }
    std::string toml() const override { return toml_of(*target_); }

  private:
    using codec = value_codec<T>;
    static constexpr bool has_range =
        codec::kind != value_kind::boolean && codec::kind != value_kind::text
        && codec::kind != value_kind::list && codec::kind != value_kind::choice;

    const option_row<T>& row() const { return target_.row(); }

    static std::string toml_of(const T& value) {
        if constexpr (std::is_same_v<T, text_list>) {
            return as_toml(codec::kind, codec::print(value), &value);
        } else {
            return as_toml(codec::kind, codec::print(value), nullptr);
        }
    }

    /// `Parsed` is wider than `T` for the smaller integers, so the range is checked before.
    template <typename Parsed>
    std::optional<value_error> assign(Parsed parsed, std::string_view given) {
        if constexpr (has_range) {
            if (parsed < Parsed{row().min} || parsed > Parsed{row().max}) {
                return out_of_range(given, range());
            }
        }
        target_ = static_cast<T>(std::move(parsed));
        return std::nullopt;
    }

    option<T>& target_;
};

namespace detail {

template <typename T>
void collect(const std::string& prefix, option<T>& field, section_ref& into) {
    const std::string_view name = field.row().name;
    into.options.push_back(std::make_unique<typed_option_ref<T>>(
        prefix + std::string(name.substr(name.rfind('.') + 1)), field));
}
inline void collect(const std::string& /*prefix*/, section& field, section_ref& into) {
    into.row = field.row();
}
/// What is neither is no business of the configuration.
template <typename Other>
void collect(const std::string& /*prefix*/, Other& /*field*/, section_ref& /*into*/) {}

} // namespace detail

/// The section that the struct `group` describes. `index` is its place in an array of tables.
template <typename Group>
section_ref section_of(Group& group, std::optional<std::size_t> index = std::nullopt) {
    section_ref out;
    out.index = index;
    std::string prefix;
    for_each_field(group, [&](auto& field) {
        detail::collect(prefix, field, out);
        if (prefix.empty()) {
            // The section comes first, and names those that follow.
            prefix = std::string(out.row.name) + "."
                     + (index ? std::to_string(*index) + "." : std::string());
        }
    });
    return out;
}

/// The sections of `all`, a struct of groups and lists of groups, in order of declaration.
template <typename All>
std::vector<section_ref> sections_of(All& all) {
    std::vector<section_ref> out;
    for_each_field(all, [&](auto& group) {
        if constexpr (requires { group.items; }) {
            for (std::size_t index = 0; index < group.items.size(); ++index) {
                out.push_back(section_of(group.items[index], index));
            }
        } else {
            out.push_back(section_of(group));
        }
    });
    return out;
}

} // namespace gv::server
