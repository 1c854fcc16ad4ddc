// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_link.hpp"

#include "cluster/wire_reader.hpp"

#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {

namespace {

/// `node 5 of cluster "garden", wire 1 to 2`. Names were checked when they were read.
[[nodiscard]] std::string text_of(const link_hello& who) {
    return "node " + std::to_string(who.from.node.value) + " of cluster \"" + who.cluster + "\", "
           + text_of(who.wire);
}

[[nodiscard]] result<void, message_fault> check(const link_hello& hello) {
    if (hello.from.node == node_id{} || hello.from.boot == boot_id{} || hello.to == node_id{}) {
        return failure(message_fault::no_sender);
    }
    if (!is_plain_name(hello.cluster, cluster_name_bytes_max)) {
        return failure(message_fault::cluster_name);
    }
    if (hello.wire.min > hello.wire.max) {
        return failure(message_fault::wire_versions);
    }
    return {};
}

} // namespace

void encode(const link_hello& hello, grapevine::cluster::v1::LinkHello& out) {
    out.set_cluster(hello.cluster);
    out.set_wire_min(hello.wire.min);
    out.set_wire_max(hello.wire.max);
    out.set_from(hello.from.node.value);
    out.set_boot(hello.from.boot.value);
    out.set_to(hello.to.value);
    out.set_via(hello.via.value);
    out.set_hops(hello.hops);
    out.set_number(hello.number);
}

result<link_hello, decode_fault> decode(grapevine::cluster::v1::LinkHello&& in) {
    wire_reader reader;
    link_hello out{.cluster = std::move(*in.mutable_cluster()),
                   .wire = reader.versions(in.wire_min(), in.wire_max()),
                   .from = {.node = node_id{in.from()}, .boot = boot_id{in.boot()}},
                   .to = node_id{in.to()},
                   .via = node_id{in.via()},
                   .hops = reader.fitting<std::uint8_t>(in.hops()),
                   .number = in.number()};
    if (const auto fault = reader.fault()) {
        return failure(decode_fault(*fault));
    }
    if (auto sound = check(out); !sound) {
        return failure(decode_fault(sound.error()));
    }
    return out;
}

result<void, std::string> accept(const link_hello& self, const link_hello& caller) {
    const auto refuse = [&](const std::string& why) -> result<void, std::string> {
        return failure(why + ": here is " + text_of(self) + "; the caller is " + text_of(caller));
    };
    if (caller.cluster != self.cluster) {
        return refuse("another cluster");
    }
    if (!caller.wire.overlaps(self.wire)) {
        const node_id older = caller.wire.max < self.wire.min ? caller.from.node : self.from.node;
        return refuse("no wire version that both speak; update node " + std::to_string(older.value)
                      + " first");
    }
    if (caller.to != self.from.node) {
        return refuse("another node than node " + std::to_string(caller.to.value)
                      + ", which was meant");
    }
    return {};
}

} // namespace gv::cluster
