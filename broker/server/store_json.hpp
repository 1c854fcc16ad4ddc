// SPDX-License-Identifier: Apache-2.0
// What a store holds, as JSON: the values in the lines of `grapevine store export`
// (docs/operations.md describes them). Only the files store_json, store_check, store_export and
// store_lines know the JSON library.
#pragma once

#include "base/message.hpp"
#include "storage/format.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

// Writing. A field that says nothing (false, 0, never, empty) is left away.

/// "2026-11-21T07:13:22.123Z"; a number of milliseconds beyond the year 2255.
[[nodiscard]] boost::json::value date_json(std::uint64_t milliseconds);
void put_date(boost::json::object& to, std::string_view name, std::uint64_t milliseconds);
/// A stamp is a date and a count within its millisecond, in NAME_count.
void put_stamp(boost::json::object& to, std::string_view name, hybrid_time stamp);
[[nodiscard]] std::string hex_json(std::uint64_t value);
[[nodiscard]] boost::json::object message_json(const publication& what);
/// "463012-1-0-17": slot, boot, shard and number.
[[nodiscard]] std::string body_name(const storage::body_id& body);

/// Reads the fields of one object. What is wrong first is kept; getters then give zeros.
class json_fields {
  public:
    /// Lifetime: `from` and `problem` outlive it. `where` stands before each name in problems.
    json_fields(const boost::json::object& from, std::string& problem, std::string where = {})
        : from_(from), problem_(problem), where_(std::move(where)) {}

    enum class need : std::uint8_t { required, optional };

    [[nodiscard]] std::uint64_t number(std::string_view name, std::uint64_t max,
                                       need how = need::optional);
    [[nodiscard]] bool has(std::string_view name) const { return from_.contains(name); }
    [[nodiscard]] bool flag(std::string_view name);
    /// At most 65,535 bytes.
    [[nodiscard]] std::string text(std::string_view name, need how = need::optional);
    [[nodiscard]] std::optional<std::string> optional_text(std::string_view name);
    [[nodiscard]] std::uint64_t hex(std::string_view name);
    /// Milliseconds since 1970; 0 if it is not there.
    [[nodiscard]] std::uint64_t date(std::string_view name);
    [[nodiscard]] hybrid_time stamp(std::string_view name);
    [[nodiscard]] qos quality(std::string_view name);
    [[nodiscard]] std::optional<storage::body_id> body(std::string_view name);
    [[nodiscard]] std::vector<std::uint32_t> numbers(std::string_view name);
    /// Null if it is not there.
    [[nodiscard]] const boost::json::object* object(std::string_view name,
                                                    need how = need::optional);
    /// "payload" in base64, or "text" as it is where there is none; of any size.
    [[nodiscard]] std::string payload();
    /// Somebody else reads this field.
    void pass(std::string_view name) { asked_.push_back(name); }
    /// Every field was asked for; else one of the others is the problem.
    void finish();

    void fail(std::string_view name, std::string_view what);
    [[nodiscard]] std::string place(std::string_view name) const {
        return where_ + std::string(name);
    }

  private:
    [[nodiscard]] const boost::json::value* find(std::string_view name, need how);

    const boost::json::object& from_;
    std::string& problem_;
    std::string where_;
    std::vector<std::string_view> asked_;
};

/// A message that was read, and the bytes that it views.
struct message_value {
    std::string topic;
    std::string properties;
    std::string payload;
    envelope header{};

    [[nodiscard]] publication view() const {
        return {.header = header, .topic = topic, .properties = properties, .payload = payload};
    }
};
/// The field `name` of `from`, as message_json() writes it; `text` serves where there is no
/// `payload`.
[[nodiscard]] message_value read_message(json_fields& from, std::string_view name,
                                         std::string& problem);

} // namespace gv::server
