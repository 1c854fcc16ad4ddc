// SPDX-License-Identifier: Apache-2.0
// Packets as lines of the log, at level trace. Never payloads or secrets: see describe().
#include "base/log.hpp"
#include "broker/mqtt/describe.hpp"
#include "broker/session/front.hpp"

namespace gv::session {

void front::trace_received(std::uint8_t first_byte, std::string_view body) const {
    const auto packet = mqtt::decode(first_byte, body, version_, mqtt::peer::client);
    log::trace({.client = client_id_}, "received",
               {{"packet", packet ? mqtt::describe(*packet) : mqtt::describe(packet.error())}});
}

void front::trace_sent(const mqtt::packet_view& packet) const {
    log::trace({.client = client_id_}, "sent", {{"packet", mqtt::describe(packet)}});
}

void front::trace_publish(const publication& what, const delivery& how) const {
    trace_sent(mqtt::publish_view{.topic = what.topic,
                                  .payload = what.payload,
                                  .properties = mqtt::property_view(what.properties),
                                  .id = how.id,
                                  .quality = how.quality,
                                  .dup = how.dup,
                                  .retain = how.retain});
}

} // namespace gv::session
