// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_membership.hpp"

#include "cluster/wire_reader.hpp"

#include <google/protobuf/unknown_field_set.h>
#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

using wire_rows = google::protobuf::RepeatedPtrField<wire::MemberRow>;

static_assert(wire::MEMBER_STATE_REMEMBERED == to_wire(member_state::remembered));
static_assert(wire::MEMBER_STATE_GONE == to_wire(member_state::gone));
static_assert(wire::REFUSAL_CAUSE_OTHER_CLUSTER == to_wire(refusal_cause::other_cluster));
static_assert(wire::REFUSAL_CAUSE_OTHER_NODE == to_wire(refusal_cause::other_node));

/// Requires: `kept` is what kept_of() gave.
template <typename Message>
void put_back(const std::string& kept, Message& out) {
    if (!kept.empty()) {
        out.GetReflection()->MutableUnknownFields(&out)->ParseFromString(kept);
    }
}

void encode(const member_profile& profile, wire::MemberProfile& out) {
    out.set_name(profile.name);
    out.set_peer_address(profile.peer_address);
    out.set_client_address(profile.client_address);
    out.set_wire_min(profile.wire.min);
    out.set_wire_max(profile.wire.max);
    out.set_features(profile.features);
    put_back(profile.unknown, out);
}

void encode(const member_row& row, wire::MemberRow& out) {
    out.set_node(row.node.value);
    out.set_boot(row.boot.value);
    out.set_incarnation(row.incarnation.value);
    out.set_state(static_cast<wire::MemberState>(to_wire(row.state)));
    out.set_accuser(row.accuser.value);
    encode(row.profile, *out.mutable_profile());
    put_back(row.unknown, out);
}

void encode(const std::vector<member_row>& rows, wire_rows& out) {
    out.Reserve(static_cast<int>(rows.size()));
    for (const member_row& row : rows) {
        encode(row, *out.Add());
    }
}

struct body_encoder {
    wire::Envelope& out;

    void operator()(const probe& m) const { out.mutable_probe()->set_sequence(m.sequence); }
    void operator()(const probe_request& m) const {
        out.mutable_probe_request()->set_sequence(m.sequence);
        out.mutable_probe_request()->set_target(m.target.value);
    }
    void operator()(const ack& m) const {
        out.mutable_ack()->set_sequence(m.sequence);
        out.mutable_ack()->set_subject(m.subject.value);
        out.mutable_ack()->set_wants_state(m.wants_state);
    }
    void operator()(const nack& m) const { out.mutable_nack()->set_sequence(m.sequence); }
    void operator()(const push_pull& m) const {
        out.mutable_push_pull()->set_sequence(m.sequence);
        encode(m.rows, *out.mutable_push_pull()->mutable_rows());
    }
    void operator()(const push_pull_answer& m) const {
        out.mutable_push_pull_answer()->set_sequence(m.sequence);
        encode(m.rows, *out.mutable_push_pull_answer()->mutable_rows());
    }
    void operator()(const notice&) const { out.mutable_notice(); }
    void operator()(const refusal& m) const {
        out.mutable_refusal()->set_cause(static_cast<wire::RefusalCause>(to_wire(m.cause)));
        out.mutable_refusal()->set_meant(m.meant.value);
    }
};

class decoder {
  public:
    explicit decoder(const message_limits& limits) : limits_(limits) {}

    [[nodiscard]] envelope read(const wire::Envelope& in) {
        envelope out{.cluster = in.cluster(),
                     .wire = reader_.versions(in.wire_min(), in.wire_max()),
                     .from = node_id{in.from()},
                     .boot = boot_id{in.boot()},
                     .to = node_id{in.to()},
                     .sent_at = {in.sent_at()}};
        out.gossip = rows(in.gossip());
        out.body = body(in);
        return out;
    }
    [[nodiscard]] auto fault() const { return reader_.fault(); }

  private:
    [[nodiscard]] std::vector<member_row> rows(const wire_rows& in) {
        std::vector<member_row> out;
        out.reserve(reader_.rows(in.size(), limits_.rows_max));
        for (int i = 0; !reader_.fault() && i < in.size(); ++i) {
            out.push_back(row(in[i]));
        }
        return out;
    }
    [[nodiscard]] member_row row(const wire::MemberRow& in) {
        member_row out{.node = node_id{in.node()},
                       .boot = boot_id{in.boot()},
                       .incarnation = incarnation_number{in.incarnation()},
                       .state = reader_.value(in.state(), member_state::gone),
                       .accuser = node_id{in.accuser()},
                       .profile = {},
                       .unknown = kept_of(in)};
        const wire::MemberProfile& profile = in.profile();
        out.profile = {.name = profile.name(),
                       .peer_address = profile.peer_address(),
                       .client_address = profile.client_address(),
                       .wire = reader_.versions(profile.wire_min(), profile.wire_max()),
                       .features = profile.features(),
                       .unknown = kept_of(profile)};
        return out;
    }
    // Groups, which no release writes, are refused: nested in each other they would be read at one
    // depth of a message and not at another.
    template <typename Message>
    [[nodiscard]] std::string kept_of(const Message& in) {
        const auto& unknown = in.GetReflection()->GetUnknownFields(in);
        std::string kept;
        for (int at = 0; at < unknown.field_count(); ++at) {
            const bool is_group =
                unknown.field(at).type() == google::protobuf::UnknownField::TYPE_GROUP;
            reader_.require(!is_group, wire_fault::malformed);
        }
        if (!unknown.empty() && !reader_.fault()) {
            unknown.SerializeToString(&kept);
        }
        return kept;
    }
    [[nodiscard]] message_body body(const wire::Envelope& in) {
        switch (in.body_case()) {
        case wire::Envelope::kProbe:
            return probe{in.probe().sequence()};
        case wire::Envelope::kProbeRequest:
            return probe_request{in.probe_request().sequence(),
                                 node_id{in.probe_request().target()}};
        case wire::Envelope::kAck:
            return ack{.sequence = in.ack().sequence(),
                       .subject = node_id{in.ack().subject()},
                       .wants_state = in.ack().wants_state()};
        case wire::Envelope::kNack:
            return nack{in.nack().sequence()};
        case wire::Envelope::kPushPull:
            return push_pull{in.push_pull().sequence(), rows(in.push_pull().rows())};
        case wire::Envelope::kPushPullAnswer:
            return push_pull_answer{in.push_pull_answer().sequence(),
                                    rows(in.push_pull_answer().rows())};
        case wire::Envelope::kNotice:
            return notice{};
        case wire::Envelope::kRefusal:
            return refusal{reader_.value(in.refusal().cause(), refusal_cause::other_node),
                           node_id{in.refusal().meant()}};
        case wire::Envelope::BODY_NOT_SET:
            break;
        }
        reader_.require(false, wire_fault::unknown_kind);
        return notice{};
    }

    const message_limits& limits_;
    wire_reader reader_;
};

} // namespace

void encode(const envelope& message, wire::Envelope& out) {
    out.set_cluster(message.cluster);
    out.set_wire_min(message.wire.min);
    out.set_wire_max(message.wire.max);
    out.set_from(message.from.value);
    out.set_boot(message.boot.value);
    out.set_to(message.to.value);
    out.set_sent_at(message.sent_at.value);
    encode(message.gossip, *out.mutable_gossip());
    std::visit(body_encoder{out}, message.body);
}

result<envelope, decode_fault> decode(const wire::Envelope& in, const message_limits& limits) {
    decoder reader(limits);
    envelope out = reader.read(in);
    if (const auto fault = reader.fault()) {
        return failure(decode_fault(*fault));
    }
    if (auto sound = check(out, limits); !sound) {
        return failure(decode_fault(sound.error()));
    }
    return out;
}

} // namespace gv::cluster
