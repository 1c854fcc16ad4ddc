// SPDX-License-Identifier: Apache-2.0
// Properties that pass the check can be walked, written again byte for byte, and forwarded. The
// first byte of the input chooses the packet they stand in.
#include "base/assert.hpp"
#include "broker/mqtt/property_table.hpp"

#include <string>

namespace gv::mqtt {
namespace {

std::string written_again(property_view properties) {
    property_writer writer;
    for (const property_entry& entry : properties) {
        const wire_type type = find_property(static_cast<std::uint32_t>(entry.id))->type;
        if (type == wire_type::utf8_string_pair) {
            writer.add_pair(entry.key, entry.text);
        } else if (type == wire_type::utf8_string || type == wire_type::binary_data) {
            writer.add(entry.id, entry.text);
        } else {
            writer.add(entry.id, entry.number);
        }
    }
    return writer.take();
}

void check_lookup(property_view properties) {
    for (const property_entry& entry : properties) {
        BROKER_ASSERT(properties.has(entry.id), "a property that is walked is found");
    }
}

void check_forwarding(property_view properties, packet_set place) {
    std::string forwarded;
    append_forwardable_properties(properties, forwarded);
    BROKER_ASSERT(forwarded.size() <= properties.raw().size(), "forwarding adds nothing");
    BROKER_ASSERT(check_properties(forwarded, place, 0).has_value(), "what is forwarded is valid");
    BROKER_ASSERT(!property_view(forwarded).has(property::topic_alias),
                  "aliases are not forwarded");
}

} // namespace
} // namespace gv::mqtt

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gv::mqtt;
    if (size == 0) {
        return 0;
    }
    const auto place = static_cast<packet_set>(1U << (data[0] & 15));
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto checked = check_properties(bytes, place, 0);
    if (!checked) {
        BROKER_ASSERT(checked.error().offset <= bytes.size(), "a violation is within the bytes");
        return 0;
    }
    BROKER_ASSERT(written_again(*checked) == bytes, "properties are written as they were read");
    check_lookup(*checked);
    check_forwarding(*checked, place);
    return 0;
}
