// SPDX-License-Identifier: Apache-2.0
// Every length that a peer chooses has a limit, every enumeration and every choice an answer to
// what is not known. The tables here name them all: a field without a row is an error, and so is a
// row of docs/cluster-protocol-wire.md that says something else.
#include "cluster/wire_control.hpp"
#include "cluster/wire_lane.hpp"
#include "cluster/wire_link.hpp"
#include "cluster/wire_membership.hpp"
#include "cluster/wire_retained.hpp"
#include "cluster/wire_routes.hpp"

#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>
#include <proto/grapevine_cluster.pb.h>

#include <fstream>
#include <functional>
#include <set>
#include <sstream>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using fault = std::optional<decode_fault>;

constexpr node_id sender{5};

// --- messages that nobody refuses

void fill(wire::MemberRow& row) {
    row.set_node(7);
    row.set_boot(1);
    row.set_state(wire::MEMBER_STATE_ALIVE);
    row.mutable_profile()->set_name("n");
    row.mutable_profile()->set_peer_address("h:1");
}

[[nodiscard]] wire::Envelope envelope_of_one() {
    wire::Envelope out;
    out.set_cluster("garden");
    out.set_from(5);
    out.set_boot(1);
    out.mutable_notice();
    fill(*out.add_gossip());
    return out;
}

void fill(wire::LinkHello& hello) {
    hello.set_cluster("garden");
    hello.set_from(5);
    hello.set_boot(1);
    hello.set_to(9);
}

template <typename Part>
void fill_stream(Part& part) {
    part.mutable_stream()->set_node(sender.value);
    part.mutable_generation()->set_author(sender.value);
}

[[nodiscard]] wire::RouteDeltas& fill(wire::RouteDeltas& deltas) {
    fill_stream(deltas);
    deltas.set_first_seq(2);
    deltas.set_latest_seq(1'000'000);
    deltas.add_changes()->set_filter("a");
    return deltas;
}

void fill(wire::RetainedRow& row) {
    row.set_topic("a");
    row.set_stamp(1);
    row.set_origin(5);
}

// --- what decoders say

[[nodiscard]] fault answer(const wire::Envelope& in) {
    const auto read = decode(in, message_limits{});
    return read ? std::nullopt : fault(read.error());
}
[[nodiscard]] fault answer(wire::ControlFrame in) {
    const auto read = decode(std::move(in), sender, route_limits{});
    return read ? std::nullopt : fault(read.error());
}
[[nodiscard]] fault answer(wire::LinkHello in) {
    const auto read = decode(std::move(in));
    return read ? std::nullopt : fault(read.error());
}
[[nodiscard]] fault answer(wire::LaneFrame in) {
    const auto read = decode(std::move(in));
    return read ? std::nullopt : fault(read.error());
}
[[nodiscard]] fault answer(wire::LaneReply in) {
    const auto read = decode(std::move(in));
    return read ? std::nullopt : fault(read.error());
}

template <typename Change>
[[nodiscard]] auto in_envelope(Change change) {
    return [change](std::size_t size) {
        wire::Envelope message = envelope_of_one();
        change(message, size);
        return answer(message);
    };
}
template <typename Change>
[[nodiscard]] auto in_control(Change change) {
    return [change](std::size_t size) {
        wire::ControlFrame message;
        change(message, size);
        return answer(std::move(message));
    };
}
[[nodiscard]] std::string text(std::size_t size) { return std::string(size, 'x'); }

/// Fields that are not known, of so many bytes in all.
void add_unknown(Message& message, std::size_t bytes) {
    const std::size_t head = bytes < 131 ? 3 : 4; // a tag of two bytes, a length of one or two
    message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(1'000,
                                                                                text(bytes - head));
}

template <typename Rows>
void add_members(Rows& rows, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        fill(*rows.Add());
    }
}

// --- lengths

struct limit {
    std::string_view field;
    std::size_t most;
    std::string_view of;
    decode_fault beyond;
    /// What is answered to a message that has so many there.
    std::function<fault(std::size_t)> with;
};

const limit limits_of_members[] = {
    {"Envelope.cluster", 64, "bytes", message_fault::cluster_name,
     in_envelope([](auto& m, auto size) { m.set_cluster(text(size)); })},
    {"Envelope.gossip", 2, "of the longest rows", message_fault::too_much_gossip,
     in_envelope([](auto& m, auto size) {
         m.clear_gossip();
         for (std::size_t i = 0; i < size; ++i) {
             wire::MemberRow& row = *m.add_gossip();
             fill(row);
             row.mutable_profile()->set_name(text(64));
             row.mutable_profile()->set_peer_address(text(255));
             row.mutable_profile()->set_client_address(text(255));
             add_unknown(row, unknown_bytes_max);
         }
     })},
    {"PushPull.rows", 1'024, "rows", wire_fault::too_many, in_envelope([](auto& m, auto size) {
         add_members(*m.mutable_push_pull()->mutable_rows(), size);
     })},
    {"PushPullAnswer.rows", 1'024, "rows", wire_fault::too_many,
     in_envelope([](auto& m, auto size) {
         add_members(*m.mutable_push_pull_answer()->mutable_rows(), size);
     })},
    {"MemberProfile.name", 64, "bytes", message_fault::node_name,
     in_envelope(
         [](auto& m, auto size) { m.mutable_gossip(0)->mutable_profile()->set_name(text(size)); })},
    {"MemberProfile.peer_address", 255, "bytes", message_fault::address,
     in_envelope([](auto& m, auto size) {
         m.mutable_gossip(0)->mutable_profile()->set_peer_address(text(size));
     })},
    {"MemberProfile.client_address", 255, "bytes", message_fault::address,
     in_envelope([](auto& m, auto size) {
         m.mutable_gossip(0)->mutable_profile()->set_client_address(text(size));
     })},
    {"MemberProfile: unknown fields", 256, "bytes, with those of its row",
     message_fault::unknown_fields, in_envelope([](auto& m, auto size) {
         add_unknown(*m.mutable_gossip(0)->mutable_profile(), size);
     })},
    {"MemberRow: unknown fields", 256, "bytes, with those of its profile",
     message_fault::unknown_fields, in_envelope([](auto& m, auto size) {
         add_unknown(*m.mutable_gossip(0), size / 2);
         add_unknown(*m.mutable_gossip(0)->mutable_profile(), size - size / 2);
     })},
};

const limit limits_of_links[] = {
    {"LinkHello.cluster", 64, "bytes", message_fault::cluster_name,
     [](std::size_t size) {
         wire::LinkHello hello;
         fill(hello);
         hello.set_cluster(text(size));
         return answer(std::move(hello));
     }},
    {"LanePieces.pieces", 262'144, "bytes", wire_fault::too_large,
     [](std::size_t size) {
         wire::LaneFrame frame;
         frame.mutable_pieces()->set_pieces(text(size));
         return answer(std::move(frame));
     }},
    {"LaneTaken.ranges", 65'536, "bytes", wire_fault::too_large,
     [](std::size_t size) {
         wire::LaneReply reply;
         reply.mutable_taken()->set_ranges(text(size));
         return answer(std::move(reply));
     }},
};

const limit limits_of_routes[] = {
    {"RouteRow.filter", 65'535, "bytes", route_fault::filter_too_long,
     in_control([](auto& m, auto size) {
         fill(*m.mutable_route_deltas()).mutable_changes(0)->set_filter(text(size));
     })},
    {"RouteRow.group", 65'535, "bytes", route_fault::group_invalid,
     in_control([](auto& m, auto size) {
         wire::RouteRow& row = *fill(*m.mutable_route_deltas()).mutable_changes(0);
         row.set_group(text(size));
         row.set_total(1);
     })},
    {"RouteDigests.streams", 258, "streams", wire_fault::too_many,
     in_control([](auto& m, auto size) {
         for (std::size_t i = 0; i < size; ++i) {
             wire::StreamDigest& each = *m.mutable_route_digests()->add_streams();
             fill_stream(each);
             each.set_seq(1);
         }
     })},
    {"RouteDeltas.changes", 65'536, "rows", wire_fault::too_many,
     [](std::size_t size) {
         wire::ControlFrame frame;
         auto& rows = *fill(*frame.mutable_route_deltas()).mutable_changes();
         while (static_cast<std::size_t>(rows.size()) < size) {
             rows.Add()->set_filter("a");
         }
         // By its own count of bytes the machine would refuse so many rows before.
         const auto read =
             decode_routes(std::move(frame), sender, route_limits{.message_bytes_max = 64u << 20});
         return read ? std::nullopt : fault(read.error());
     }},
    {"RouteApplied.positions", 258, "streams", wire_fault::too_many,
     in_control([](auto& m, auto size) {
         for (std::size_t i = 0; i < size; ++i) {
             fill_stream(*m.mutable_route_applied()->add_positions());
         }
     })},
    {"StreamHashes.hashes", 64, "numbers, not less", wire_fault::out_of_range,
     in_control([](auto& m, auto size) {
         fill_stream(*m.mutable_stream_hashes());
         m.mutable_stream_hashes()->set_seq(1);
         m.mutable_stream_hashes()->mutable_hashes()->Resize(static_cast<int>(size), 1);
     })},
    {"RoutePage.rows", 65'536, "rows", wire_fault::too_many,
     [](std::size_t size) {
         wire::ControlFrame frame;
         fill_stream(*frame.mutable_route_page());
         for (std::size_t i = 0; i < size; ++i) {
             frame.mutable_route_page()->add_rows()->set_filter("a");
         }
         const auto read =
             decode_routes(std::move(frame), sender, route_limits{.message_bytes_max = 64u << 20});
         return read ? std::nullopt : fault(read.error());
     }},
};

const limit limits_of_retained[] = {
    {"RetainedRoot.covered", 1'024, "nodes", wire_fault::too_many,
     in_control([](auto& m, auto size) {
         for (std::size_t i = 0; i < size; ++i) {
             m.mutable_retained_root()->add_covered()->set_node(i + 1);
         }
     })},
    {"RetainedHashes.hashes", 4'096, "numbers", wire_fault::too_many,
     in_control([](auto& m, auto size) {
         m.mutable_retained_hashes()->mutable_hashes()->Resize(static_cast<int>(size), 1);
     })},
    {"RetainedRowsRequest.known", 16'384, "entries", wire_fault::too_many,
     in_control([](auto& m, auto size) {
         for (std::size_t i = 0; i < size; ++i) {
             m.mutable_retained_rows_request()->add_known();
         }
     })},
    {"RetainedPage.dead", 16'384, "entries", wire_fault::too_many,
     in_control([](auto& m, auto size) {
         for (std::size_t i = 0; i < size; ++i) {
             m.mutable_retained_page()->add_dead();
         }
     })},
    {"RetainedPage.rows", 4'097, "rows", wire_fault::too_many, in_control([](auto& m, auto size) {
         for (std::size_t i = 0; i < size; ++i) {
             fill(*m.mutable_retained_page()->add_rows());
         }
     })},
    {"RetainedRow.topic", 65'535, "bytes", wire_fault::too_large,
     in_control(
         [](auto& m, auto size) { m.mutable_retained_page()->add_rows()->set_topic(text(size)); })},
    {"RetainedRow.properties", 1'048'576, "bytes", wire_fault::too_large,
     in_control([](auto& m, auto size) {
         fill(*m.mutable_retained_page()->add_rows());
         m.mutable_retained_page()->mutable_rows(0)->set_properties(text(size));
     })},
    {"RetainedRow.payload", 268'435'456, "bytes; before that, the 17 MiB of its message",
     wire_fault::too_large,
     [](std::size_t size) {
         // A thousandth of it, in a decoder that takes a thousandth: this is a test, too.
         const std::size_t part = size > 268'435'456 ? 268'436 : 268'435;
         wire::ControlFrame frame;
         fill(*frame.mutable_retained_page()->add_rows());
         frame.mutable_retained_page()->mutable_rows(0)->set_payload(text(part));
         const auto read = decode_retained(frame, retained_limits{.payload_bytes_max = 268'435});
         return read ? std::nullopt : fault(read.error());
     }},
};

const limit limits_of_figures[] = {
    {"NodeFigures.version", 64, "bytes, not none", wire_fault::out_of_range,
     in_control([](auto& m, auto size) { m.mutable_node_figures()->set_version(text(size)); })},
    {"NodeFigures.counters", 64, "numbers", wire_fault::too_many,
     in_control([](auto& m, auto size) {
         m.mutable_node_figures()->set_version("1");
         m.mutable_node_figures()->mutable_counters()->Resize(static_cast<int>(size), 1);
     })},
    {"NodeFigures.levels", 64, "numbers", wire_fault::too_many, in_control([](auto& m, auto size) {
         m.mutable_node_figures()->set_version("1");
         m.mutable_node_figures()->mutable_levels()->Resize(static_cast<int>(size), 1);
     })},
};

const limit limits_of_partitions[] = {
    {"PartitionRows.rows", 256, "rows", wire_fault::too_many, in_control([](auto& m, auto size) {
         for (std::size_t row = 0; row < size; ++row) {
             m.mutable_partition_rows()->add_rows();
         }
     })},
};

[[nodiscard]] std::vector<const limit*> all_limits() {
    std::vector<const limit*> all;
    const auto add = [&all](const auto& table) {
        for (const limit& each : table) {
            all.push_back(&each);
        }
    };
    add(limits_of_members);
    add(limits_of_links);
    add(limits_of_routes);
    add(limits_of_retained);
    add(limits_of_figures);
    add(limits_of_partitions);
    return all;
}

template <typename Visit>
void visit_fields(Visit visit) {
    const auto* const file = wire::Envelope::descriptor()->file();
    for (int m = 0; m < file->message_type_count(); ++m) {
        for (int f = 0; f < file->message_type(m)->field_count(); ++f) {
            const FieldDescriptor* field = file->message_type(m)->field(f);
            visit(*field, file->message_type(m)->name() + "." + field->name());
        }
    }
}

[[nodiscard]] std::string grouped(std::size_t number) {
    std::string out = std::to_string(number);
    for (std::size_t at = out.size(); at > 3; at -= 3) {
        out.insert(at - 3, ",");
    }
    return out;
}

TEST(WireLimits, HoldForEachLength) {
    for (const limit* each : all_limits()) {
        EXPECT_EQ(each->with(each->most), std::nullopt) << each->field;
        const fault beyond = each->with(each->most + 1);
        ASSERT_TRUE(beyond) << each->field;
        EXPECT_EQ(*beyond, each->beyond) << each->field << ": " << text_of(*beyond);
    }
}

TEST(WireLimits, ThereIsOneForEachFieldWithALength) {
    std::set<std::string, std::less<>> named;
    for (const limit* each : all_limits()) {
        named.emplace(each->field);
    }
    visit_fields([&](const FieldDescriptor& field, const std::string& name) {
        const bool has_length = field.is_repeated() || field.type() == FieldDescriptor::TYPE_BYTES
                                || field.type() == FieldDescriptor::TYPE_STRING;
        EXPECT_EQ(named.contains(name), has_length) << name;
    });
}

TEST(WireLimits, AreInTheDocuments) {
    std::ifstream file("docs/cluster-protocol-wire.md");
    std::stringstream page;
    page << file.rdbuf();
    for (const limit* each : all_limits()) {
        const std::string row = "| `" + std::string(each->field) + "` | " + grouped(each->most)
                                + " " + std::string(each->of) + " | "
                                + std::string(text_of(each->beyond)) + " |\n";
        EXPECT_TRUE(page.str().contains(row)) << row;
    }
}

// --- what is not known

/// Answers to a value of the enumeration in that field.
const std::pair<std::string_view, std::function<fault(int)>> enumerations[] = {
    {"Refusal.cause",
     [](int value) {
         wire::Envelope message = envelope_of_one();
         message.mutable_refusal()->set_cause(static_cast<wire::RefusalCause>(value));
         return answer(message);
     }},
    {"MemberRow.state",
     [](int value) {
         wire::Envelope message = envelope_of_one();
         message.mutable_gossip(0)->set_state(static_cast<wire::MemberState>(value));
         return answer(message);
     }},
};

TEST(WireUnknown, ValuesAreRefusedWhereverThereIsAnEnumeration) {
    std::size_t found = 0;
    visit_fields([&](const FieldDescriptor& field, const std::string& name) {
        if (field.type() != FieldDescriptor::TYPE_ENUM) {
            return;
        }
        const auto row = std::ranges::find(
            enumerations, name, [](const auto& each) { return std::string(each.first); });
        ASSERT_NE(row, std::end(enumerations)) << name;
        ++found;
        const auto& values = *field.enum_type();
        for (int i = 0; i < values.value_count(); ++i) {
            const int value = values.value(i)->number();
            const fault expected =
                value == 0 ? fault(wire_fault::unknown_value) : fault(std::nullopt);
            EXPECT_EQ(row->second(value), expected) << name << " " << value;
        }
        for (const int value : {-1, values.value_count(), 1'000'000}) {
            EXPECT_EQ(row->second(value), fault(wire_fault::unknown_value)) << name << " " << value;
        }
    });
    EXPECT_EQ(found, std::size(enumerations));
}

/// A case that is not known, in the place of one.
void choose_unknown(Message& message) {
    message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(500, "later");
}

/// Answers to a message where that choice is one that is not known.
const std::pair<std::string_view, std::function<fault()>> choices[] = {
    {"Envelope.body",
     [] {
         wire::Envelope message = envelope_of_one();
         message.clear_body();
         choose_unknown(message);
         return answer(message);
     }},
    {"ControlFrame.content",
     [] {
         wire::ControlFrame message;
         choose_unknown(message);
         return answer(message);
     }},
    {"RouteStream.destination",
     [] {
         wire::ControlFrame message;
         choose_unknown(*message.mutable_hashes_request()->mutable_stream());
         return answer(message);
     }},
    {"LaneFrame.content",
     [] {
         wire::LaneFrame message;
         choose_unknown(message);
         return answer(message);
     }},
    {"LaneReply.content",
     [] {
         wire::LaneReply message;
         choose_unknown(message);
         return answer(message);
     }},
};

TEST(WireUnknown, KindsAreRefusedWhereverThereIsAChoice) {
    std::set<std::string, std::less<>> named;
    for (const auto& [name, ask] : choices) {
        named.emplace(name);
        EXPECT_EQ(ask(), fault(wire_fault::unknown_kind)) << name;
    }
    std::set<std::string, std::less<>> there;
    visit_fields([&](const FieldDescriptor& field, const std::string&) {
        if (const auto* const choice = field.containing_oneof()) {
            there.insert(field.containing_type()->name() + "." + choice->name());
        }
    });
    EXPECT_EQ(named, there);
}

} // namespace
} // namespace gv::cluster
