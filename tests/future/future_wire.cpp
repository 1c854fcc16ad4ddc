// SPDX-License-Identifier: Apache-2.0
#include "tests/future/future_wire.hpp"

#include "cluster/wire_control.hpp"
#include "cluster/wire_lane.hpp"
#include "cluster/wire_link.hpp"
#include "cluster/wire_membership.hpp"

#include <google/protobuf/unknown_field_set.h>
#include <proto/grapevine_cluster.pb.h>

#include <atomic>

namespace gv::cluster::future {

namespace {

namespace wire = grapevine::cluster::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::UnknownFieldSet;

constexpr int first_field = 1'000;
std::atomic<std::uint64_t> last_self;
std::atomic<std::uint32_t> last_boot;

[[nodiscard]] std::string unknown_text(const std::string& text) {
    UnknownFieldSet fields;
    fields.AddLengthDelimited(first_field, text);
    std::string bytes;
    fields.SerializeToString(&bytes);
    return bytes;
}

void add_to(Message& message, const std::string& bytes) {
    message.GetReflection()->MutableUnknownFields(&message)->ParseFromString(bytes);
}

void add_to_own_rows(google::protobuf::RepeatedPtrField<wire::MemberRow>& rows, std::uint64_t own) {
    for (wire::MemberRow& row : rows) {
        if (row.node() == own) {
            row.mutable_profile()->set_features(row.profile().features() | feature);
            add_to(*row.mutable_profile(), unknown_of_profile(row.profile().name()));
            add_to(row, unknown_of_row(row.profile().name()));
        }
    }
}

void add_to_envelope(wire::Envelope& out) {
    last_self = out.from();
    last_boot = out.boot();
    add_to_own_rows(*out.mutable_gossip(), out.from());
    if (out.has_push_pull()) {
        add_to_own_rows(*out.mutable_push_pull()->mutable_rows(), out.from());
    } else if (out.has_push_pull_answer()) {
        add_to_own_rows(*out.mutable_push_pull_answer()->mutable_rows(), out.from());
    }
    add_fields(out);
}

} // namespace

node_id self() noexcept { return node_id{last_self}; }
boot_id self_boot() noexcept { return boot_id{last_boot}; }

std::string unknown_of_row(const std::string& name) { return unknown_text("row of " + name); }
std::string unknown_of_profile(const std::string& name) {
    return unknown_text("profile of " + name);
}

void add_fields(Message& message) {
    if (message.GetDescriptor()->name() == "MemberRow") {
        return; // those of others are not for this node to change
    }
    const auto& reflection = *message.GetReflection();
    if (reflection.GetUnknownFields(message).empty()) {
        UnknownFieldSet& fields = *reflection.MutableUnknownFields(&message);
        fields.AddVarint(first_field, 7);
        fields.AddFixed64(first_field + 1, ~std::uint64_t{0});
        fields.AddLengthDelimited(first_field + 2, "of a later release");
    }
    std::vector<const FieldDescriptor*> set;
    reflection.ListFields(message, &set);
    for (const FieldDescriptor* field : set) {
        if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
            continue;
        }
        if (!field->is_repeated()) {
            add_fields(*reflection.MutableMessage(&message, field));
            continue;
        }
        for (int at = 0; at < reflection.FieldSize(message, field); ++at) {
            add_fields(*reflection.MutableRepeatedMessage(&message, field, at));
        }
    }
}

// Each of these stands in for the function of the same name, which the linker gives another.

// clang-format off
void real(const envelope&, wire::Envelope&)
    asm("__real__ZN2gv7cluster6encodeERKNS0_8envelopeERN9grapevine7cluster2v18EnvelopeE");
void step_in(const envelope&, wire::Envelope&)
    asm("__wrap__ZN2gv7cluster6encodeERKNS0_8envelopeERN9grapevine7cluster2v18EnvelopeE");
void real(const link_hello&, wire::LinkHello&)
    asm("__real__ZN2gv7cluster6encodeERKNS0_10link_helloERN9grapevine7cluster2v19LinkHelloE");
void step_in(const link_hello&, wire::LinkHello&)
    asm("__wrap__ZN2gv7cluster6encodeERKNS0_10link_helloERN9grapevine7cluster2v19LinkHelloE");
void real(const control_message&, wire::ControlFrame&)
    asm("__real__ZN2gv7cluster6encodeERKSt7variantIJS1_IJNS0_13route_digestsENS0_12route_deltasENS0_13route_appliedENS0_14resend_requestENS0_14hashes_requestENS0_13stream_hashesENS0_12page_requestENS0_10route_pageEEES1_IJNS0_13retained_rootENS0_23retained_hashes_requestENS0_15retained_hashesENS0_21retained_rows_requestENS0_13retained_pageEEES1_IJNS0_14partition_rowsENS0_16partition_digestEEENS0_12node_figuresEEERN9grapevine7cluster2v112ControlFrameE");
void step_in(const control_message&, wire::ControlFrame&)
    asm("__wrap__ZN2gv7cluster6encodeERKSt7variantIJS1_IJNS0_13route_digestsENS0_12route_deltasENS0_13route_appliedENS0_14resend_requestENS0_14hashes_requestENS0_13stream_hashesENS0_12page_requestENS0_10route_pageEEES1_IJNS0_13retained_rootENS0_23retained_hashes_requestENS0_15retained_hashesENS0_21retained_rows_requestENS0_13retained_pageEEES1_IJNS0_14partition_rowsENS0_16partition_digestEEENS0_12node_figuresEEERN9grapevine7cluster2v112ControlFrameE");
void real(const lane_opening&, wire::LaneFrame&)
    asm("__real__ZN2gv7cluster6encodeERKNS0_12lane_openingERN9grapevine7cluster2v19LaneFrameE");
void step_in(const lane_opening&, wire::LaneFrame&)
    asm("__wrap__ZN2gv7cluster6encodeERKNS0_12lane_openingERN9grapevine7cluster2v19LaneFrameE");
void real(lane_frame&&, wire::LaneFrame&)
    asm("__real__ZN2gv7cluster6encodeEONS0_10lane_frameERN9grapevine7cluster2v19LaneFrameE");
void step_in(lane_frame&&, wire::LaneFrame&)
    asm("__wrap__ZN2gv7cluster6encodeEONS0_10lane_frameERN9grapevine7cluster2v19LaneFrameE");
void real(const lane_welcome&, wire::LaneReply&)
    asm("__real__ZN2gv7cluster6encodeERKNS0_12lane_welcomeERN9grapevine7cluster2v19LaneReplyE");
void step_in(const lane_welcome&, wire::LaneReply&)
    asm("__wrap__ZN2gv7cluster6encodeERKNS0_12lane_welcomeERN9grapevine7cluster2v19LaneReplyE");
void real(lane_reply&&, wire::LaneReply&)
    asm("__real__ZN2gv7cluster6encodeEONS0_10lane_replyERN9grapevine7cluster2v19LaneReplyE");
void step_in(lane_reply&&, wire::LaneReply&)
    asm("__wrap__ZN2gv7cluster6encodeEONS0_10lane_replyERN9grapevine7cluster2v19LaneReplyE");
// clang-format on

void step_in(const envelope& what, wire::Envelope& out) {
    real(what, out);
    add_to_envelope(out);
}
void step_in(const link_hello& what, wire::LinkHello& out) {
    real(what, out);
    add_fields(out);
}
void step_in(const control_message& what, wire::ControlFrame& out) {
    real(what, out);
    add_fields(out);
}
void step_in(const lane_opening& what, wire::LaneFrame& out) {
    real(what, out);
    add_fields(out);
}
void step_in(lane_frame&& what, wire::LaneFrame& out) {
    real(std::move(what), out);
    add_fields(out);
}
void step_in(const lane_welcome& what, wire::LaneReply& out) {
    real(what, out);
    add_fields(out);
}
void step_in(lane_reply&& what, wire::LaneReply& out) {
    real(std::move(what), out);
    add_fields(out);
}

} // namespace gv::cluster::future
