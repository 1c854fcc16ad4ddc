// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/client.hpp"

#include "tests/conformance/scram_client.hpp"

#include <algorithm>
#include <cstdlib>

namespace gv::conformance {
namespace {

using std::chrono::milliseconds;

/// Where the specification lets a server close with or without saying why, Grapevine says why and
/// is held to it. For other brokers the saying is optional.
bool answers_are_optional() {
    static const bool are = std::getenv("CONFORMANCE_OPTIONAL_ANSWERS") != nullptr;
    return are;
}

/// For a connection that cannot be asked with PINGREQ.
constexpr milliseconds silence{150};

constexpr const char* scram_method = "SCRAM-SHA-256";
constexpr int continue_authentication = 0x18;
constexpr int reauthenticate = 0x19;

json scram_packet(int reason, const json& data) {
    return {
        {"packet", "auth"},
        {"reason", reason},
        {"properties", {{"authentication_method", scram_method}, {"authentication_data", data}}}};
}

/// A session that is kept, in the words of this version.
void keep_session(json& fields, protocol_level level) {
    fields["clean_start"] = fields.value("clean_start", false);
    if (level < 5) {
        return;
    }
    auto properties = fields.value("properties", json::object());
    if (!properties.contains("session_expiry_interval")) {
        properties["session_expiry_interval"] = 3600;
    }
    fields["properties"] = properties;
}

/// Fields of CONNECT with the defaults of a case filled in.
json connect_packet(json fields, const std::string& name, protocol_level level) {
    fields["packet"] = "connect";
    if (!fields.contains("client_id")) {
        fields["client_id"] = name;
    }
    if (fields.value("persistent", false)) {
        keep_session(fields, level);
    }
    fields.erase("persistent");
    fields.erase("version");
    return fields;
}

json subscribe_fields(const json& what) {
    if (what.is_string() || what.contains("hex") || what.contains("repeat")) {
        return {{"filters", json::array({{{"filter", what}}})}};
    }
    if (!what.contains("filter")) {
        return what;
    }
    json fields = json::object();
    json one = json::object();
    for (const auto& [name, value] : what.items()) {
        (name == "properties" || name == "id" ? fields : one)[name] = value;
    }
    fields["filters"] = json::array({one});
    return fields;
}

json unsubscribe_fields(const json& what) {
    return what.is_string() ? json{{"filters", json::array({what})}} : what;
}

/// A pattern for a packet of this type, with "topic" meaning the topic behind an alias.
json publish_pattern(json pattern) {
    pattern["packet"] = "publish";
    if (pattern.contains("topic")) {
        pattern["resolved_topic"] = pattern.at("topic");
        pattern.erase("topic");
    }
    return pattern;
}

} // namespace

void client::open() { wire_.open(); }

void client::connect(const json& fields, const json& expectation) {
    try_connect(fields);
    json pattern = expectation.is_object() ? expectation : json::object();
    pattern["packet"] = "connack";
    if (!pattern.contains("reason")) {
        pattern["reason"] = 0;
    }
    check(pattern, wire_.next());
}

void client::try_connect(const json& fields) {
    auto given = fields.is_object() ? fields : json::object();
    wire_.set_level(given.value("version", given_.level));
    if (!wire_.is_there() || wire_.is_closed() || wire_.is_accepted()) {
        open();
    }
    wire_.send(connect_packet(std::move(given), given_.name, wire_.level()));
}

void client::log_in(json fields, const json& expectation) {
    scram_client scram(fields.at("scram").at("username"), fields.at("scram").at("password"));
    fields.erase("scram");
    fields["properties"]["authentication_method"] = scram_method;
    fields["properties"]["authentication_data"] = scram.first();
    try_connect(fields);
    answer_challenge(scram);
    json pattern = expectation.is_object() ? expectation : json::object();
    pattern.update({{"packet", "connack"}, {"reason", 0}});
    pattern["properties"]["authentication_method"] = scram_method;
    pattern["properties"]["authentication_data"] = scram.expected_end();
    check(pattern, wire_.next());
}

void client::log_in_again(const json& fields) {
    scram_client scram(fields.at("username"), fields.at("password"));
    wire_.send(scram_packet(reauthenticate, scram.first()));
    answer_challenge(scram);
    check(scram_packet(0, scram.expected_end()), wire_.next());
}

void client::answer_challenge(scram_client& scram) {
    const auto challenge = wire_.next();
    check(scram_packet(continue_authentication, {{"any", true}}), challenge);
    const auto data = challenge.at("properties").at("authentication_data").get<std::string>();
    wire_.send(scram_packet(continue_authentication, scram.final(data)));
}

void client::send(const json& packets) {
    if (packets.is_object()) {
        return wire_.send(packets);
    }
    wire_.send_together(packets);
}

void client::send_raw(const json& bytes) {
    wire_.write(bytes.is_string() ? bytes_of_hex(bytes.get<std::string>()) : text_of(bytes),
                "bytes " + printable(bytes));
}

void client::request(const char* type, json fields, const char* answer, const json& expectation) {
    fields["packet"] = type;
    if (!fields.contains("id")) {
        fields["id"] = fresh_id();
    }
    wire_.send(fields);
    json pattern = expectation.is_object() ? expectation : json::object();
    pattern["packet"] = answer;
    check(pattern, wire_.next_of(answer, number_of(fields.at("id"))));
}

void client::subscribe(const json& what, const json& expectation) {
    const auto fields = subscribe_fields(what);
    auto pattern = expectation.is_object() ? expectation : json::object();
    if (!pattern.contains("reasons")) {
        for (const auto& one : fields.at("filters")) {
            pattern["reasons"].push_back(number_of(one.value("qos", json(0))));
        }
    }
    request("subscribe", fields, "suback", pattern);
}

void client::fail_to_subscribe(const json& what) {
    auto fields = subscribe_fields(what);
    fields["packet"] = "subscribe";
    fields["id"] = fresh_id();
    wire_.send(fields);
    if (!wire_.fill(patience()) || wire_.inbox().front().at("packet") == "disconnect") {
        return expect_closed({});
    }
    const auto answer = wire_.next_of("suback", number_of(fields.at("id")));
    for (const auto& reason : answer.at("reasons")) {
        demand(reason >= 0x80,
               given_.name + " was granted what is not allowed: " + printable(reason));
    }
}

void client::unsubscribe(const json& what, const json& expectation) {
    request("unsubscribe", unsubscribe_fields(what), "unsuback", expectation);
}

void client::publish(json fields, const json& expectation) {
    fields["packet"] = "publish";
    const auto qos = number_of(fields.value("qos", json(0)));
    if (qos > 0 && !fields.contains("id")) {
        fields["id"] = fresh_id();
    }
    wire_.send(fields);
    if (qos == 0) {
        settle();
        return;
    }
    const auto id = number_of(fields.at("id"));
    const auto first = wire_.next_of(qos == 1 ? "puback" : "pubrec", id);
    json pattern = expectation.is_object() ? expectation : json::object();
    if (!pattern.contains("reason")) {
        pattern["reason"] = {{"one_of", {0, 0x10}}};
    }
    pattern["packet"] = first.at("packet");
    check(pattern, first);
    if (qos == 2 && first.value("reason", 0) < 0x80) {
        wire_.send({{"packet", "pubrel"}, {"id", id}});
        check({{"packet", "pubcomp"}, {"reason", 0}}, wire_.next_of("pubcomp", id));
    }
}

void client::ping() {
    wire_.send({{"packet", "pingreq"}});
    wire_.next_of("pingresp", 0);
}

// Nothing acknowledges QoS 0, and another connection's next packet may be read before this one. The
// first answer says that the PUBLISH was read, the second that it was handed to the other threads.
void client::settle() {
    if (!given_.where.settle()) {
        fence();
        fence();
        given_.where.carry();
    }
}

void client::fence() {
    if (wire_.is_there() && !wire_.is_closed() && wire_.is_accepted()) {
        wire_.send({{"packet", "pingreq"}});
        try {
            wire_.next_of("pingresp", 0);
        } catch (const step_failure&) {
            // Closed instead of answering: whether that was right is for the case's own steps.
            demand(wire_.is_closed(), given_.name + " got no PINGRESP");
        }
    }
}

void client::expect(const json& pattern) { check(pattern, wire_.next()); }

void client::expect_any(json patterns) {
    while (!patterns.empty()) {
        match_one_of(patterns, wire_.next());
    }
}

void client::receive(const json& pattern) {
    const auto packet = wire_.next();
    check(publish_pattern(pattern), packet);
    if (pattern.value("acknowledged", true)) {
        acknowledge(packet);
    }
}

void client::receive_any(json patterns) {
    for (auto& pattern : patterns) {
        pattern = publish_pattern(pattern);
    }
    while (!patterns.empty()) {
        const auto packet = wire_.next();
        match_one_of(patterns, packet);
        acknowledge(packet);
    }
}

void client::match_one_of(json& patterns, const json& packet) {
    std::string complaints;
    for (auto at = patterns.begin(); at != patterns.end(); ++at) {
        const auto problem = mismatch(visible_at(*at, wire_.level()), packet, given_.names);
        if (problem.empty()) {
            patterns.erase(at);
            return;
        }
        complaints += "\n  " + problem + ", where expected was " + printable(*at);
    }
    throw step_failure(given_.name + " received " + printable(packet)
                       + ", which is none of those expected:" + complaints);
}

void client::acknowledge(const json& packet) {
    const auto qos = packet.at("qos").get<int>();
    if (qos == 0) {
        return;
    }
    const auto id = packet.at("id").get<std::uint32_t>();
    wire_.send({{"packet", qos == 1 ? "puback" : "pubrec"}, {"id", id}});
    if (qos == 2) {
        check({{"packet", "pubrel"}, {"reason", 0}}, wire_.next_of("pubrel", id));
        wire_.send({{"packet", "pubcomp"}, {"id", id}});
    }
}

void client::check(const json& pattern, const json& packet) {
    auto wanted = pattern;
    wanted.erase("acknowledged");
    const auto problem = mismatch(visible_at(wanted, wire_.level()), packet, given_.names);
    demand(problem.empty(), given_.name + ": " + problem + "\nexpected " + printable(pattern)
                                + "\nreceived " + printable(packet));
}

void client::expect_nothing() {
    demand(wire_.is_there(), given_.name + " has no connection");
    if (wire_.inbox().empty() && !wire_.is_closed()) {
        wire_.fill(wire_.is_accepted() ? milliseconds(0) : silence);
    }
    demand(wire_.inbox().empty(),
           given_.name + " was to receive nothing and received "
               + (wire_.inbox().empty() ? "" : printable(wire_.inbox().front())));
    demand(!wire_.is_closed(), given_.name + " was to stay connected and was closed");
}

void client::expect_open() {
    wire_.fill(milliseconds(0));
    demand(wire_.inbox().empty() && !wire_.is_closed(), given_.name + " was to be left in peace");
}

void client::expect_closed(const json& how) {
    const bool is_named = how.is_object() && how.contains("reason");
    if (wire_.fill(patience())) {
        const auto packet = wire_.next();
        demand(wire_.level() == 5,
               given_.name + " was to be closed and received " + printable(packet));
        json pattern{{"packet", "disconnect"}};
        if (is_named) {
            pattern.update(how);
        }
        check(pattern, packet);
        const bool end = !wire_.fill(patience()) && wire_.is_closed();
        demand(end, given_.name + " was sent DISCONNECT but not closed");
        return;
    }
    demand(wire_.is_closed(), given_.name + " was to be closed and was not");
    demand(wire_.level() < 5 || !is_named || answers_are_optional() || how.at("reason").is_null(),
           given_.name + " was closed without a DISCONNECT");
}

void client::expect_refused(const json& how) {
    const auto answer = how.value(wire_.level() == 5 ? "reason" : "return_code", json());
    const bool may_be_silent = answers_are_optional() || how.value("optional", false);
    const bool is_silent = may_be_silent && !wire_.fill(patience()) && wire_.is_closed();
    if (!answer.is_null() && !is_silent) {
        json pattern{{"packet", "connack"}, {"reason", answer}, {"session_present", false}};
        if (how.contains("properties")) {
            pattern["properties"] = how.at("properties");
        }
        check(pattern, wire_.next());
    }
    demand(!wire_.fill(patience()) && wire_.is_closed(),
           given_.name + " was to be refused and closed, and was not");
}

void client::disconnect(json fields) {
    auto packet = fields.is_object() ? std::move(fields) : json::object();
    packet["packet"] = "disconnect";
    wire_.send(packet);
    demand(!wire_.fill(patience()) && wire_.is_closed(),
           given_.name + " sent DISCONNECT and was not closed in peace");
}

void client::cut() {
    // A reset overtakes what was written before it; what the case has sent shall arrive first.
    if (!given_.where.settle()) {
        fence();
    }
    wire_.cut();
}

std::uint32_t client::fresh_id() { return ++last_id_; }

} // namespace gv::conformance
