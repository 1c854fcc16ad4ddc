// SPDX-License-Identifier: Apache-2.0
#include "base/message.hpp"

#include "base/bytes.hpp"

#include <cstdlib>
#include <new>

namespace gv {

message::message(const publication& from, std::size_t payload_size, reach how) noexcept
    : header_(from.header), payload_size_(static_cast<std::uint32_t>(payload_size)),
      properties_size_(static_cast<std::uint32_t>(from.properties.size())),
      topic_size_(static_cast<std::uint16_t>(from.topic.size())), reach_(how) {}

message_ref message::allocate(const publication& from, std::size_t payload_size, reach how) {
    const std::size_t size =
        sizeof(message) + from.topic.size() + from.properties.size() + payload_size;
    auto* made = new (::operator new(size)) message(from, payload_size, how);
    store_bytes(store_bytes(made->bytes(), from.topic), from.properties);
    return message_ref(made);
}

message_ref message::copy_of(const publication& from, reach how) {
    message_ref made = allocate(from, from.payload.size(), how);
    store_bytes(made.writable()->writable_payload(), from.payload);
    return made;
}

message_ref message::with_room(const publication& head, std::size_t payload_size) {
    return allocate(head, payload_size, reach::shared);
}

void message::destroy(const message* gone) noexcept {
    gone->~message();
    ::operator delete(const_cast<message*>(gone));
}

} // namespace gv
