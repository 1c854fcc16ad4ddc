// SPDX-License-Identifier: Apache-2.0
// What the membership machine asks of its owner. None of these may call back into the machine: what
// follows from them is posted.
#pragma once

#include "cluster/agreed_clock.hpp"
#include "cluster/member_table.hpp"
#include "cluster/membership_message.hpp"

namespace gv::cluster {

/// What became of another node, in the view of this one.
enum class member_change : std::uint8_t {
    joined,    ///< a new node, a new boot, or one that was not reached before
    updated,   ///< a new profile
    suspected, ///< hold traffic for it, give nothing up
    refuted,   ///< was suspect or dead and is alive, in the same boot: it has forgotten nothing
    died,      ///< what it did others do; it may come back
    ended,     ///< died a while ago, and member::has_ended() only now
    left,      ///< it goes for good, by its own word
    gone       ///< forgotten: whatever is kept for it may go
};
inline constexpr std::array<std::string_view, 8> member_change_names{
    "joined", "updated", "suspected", "refuted", "died", "ended", "left", "gone"};

enum class alarm_kind : std::uint8_t {
    refused_peer,    ///< by this node: another cluster or other wire versions
    refused_by_peer, ///< the same, by the other
    wrong_address,   ///< the address of `node` is that of another node
    clock_ahead,     ///< its stamps are not absorbed
    clock_far_ahead, ///< nothing that depends on time is taken from it
    clock_fine_again,
    identity_in_use, ///< somebody else has the node id of this one: a copied disk
    members_full,    ///< no room for another node
    malformed        ///< messages that no honest node sends
};
inline constexpr std::array<std::string_view, 9> alarm_kind_names{
    "refused_peer",     "refused_by_peer", "wrong_address", "clock_ahead", "clock_far_ahead",
    "clock_fine_again", "identity_in_use", "members_full",  "malformed"};

/// For a person. The same of the same node comes once a minute at most.
struct membership_alarm {
    alarm_kind kind = alarm_kind::malformed;
    node_id node;       ///< the other
    std::string ours;   ///< "cluster home", "wire 1 to 2": what this node has
    std::string theirs; ///< what the other has
    std::string name;   ///< of the other, and where it is reached; empty: not known
    std::string address;
    std::string remedy; ///< empty: none that can be told
};

/// Where a message goes: to the node if its address is known, else to the address. Answers to a
/// node without an address go back to where the question came from.
struct destination {
    node_id node; ///< 0: whoever has the address
    std::string_view address;
};

class membership_effects {
  public:
    virtual void send(const destination& to, const envelope& message) = 0;
    /// `change` happened; `now` is how it stands. Of a node that started again, `died` with its old
    /// boot comes first, if it was live. A node that was never live in this life of this one is not
    /// told of, until it joins, leaves or is forgotten.
    virtual void member_changed(const member& now, member_change change) = 0;
    /// membership::snapshot() is to be kept on disk.
    virtual void snapshot_changed() = 0;
    /// A stamp of a peer whose clock may be believed.
    virtual void absorb(hybrid_time seen) = 0;
    /// By which clock this node dates what it takes, from now on. Nothing: by its own, since fewer
    /// than three nodes are there.
    virtual void clock_agreed(const std::optional<agreed_time>& now) = 0;
    virtual void alarm(const membership_alarm& what) = 0;
    /// What is spoken in the cluster, at the start and when it has changed.
    virtual void levels_changed(const wire_levels& now) = 0;
    /// The cluster has forgotten this life of this node. The machine is quiet from now on; the node
    /// may come back with a new boot, and without what it believed to own.
    virtual void forgotten() = 0;

  protected:
    ~membership_effects() = default;
};

} // namespace gv::cluster
