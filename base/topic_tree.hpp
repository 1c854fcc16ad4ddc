// SPDX-License-Identifier: Apache-2.0
// Topic filters and what hangs on them. A filter with a wildcard is a path in a trie, one node a
// level, whose `+` and `#` children are fields of the node; a filter without is one node under a
// root of its own, its whole text for a level. All other children stand in one hash table for the
// whole tree, keyed by parent and text, so that a node has the same small size with one child and
// with a million.
//
// Memory: 48 bytes a node, about 14 a table entry, levels over 12 bytes a block of their own; plus
// the Value where a filter ends, unless it is so small that it stands in the node. Nodes that lead
// to no filter any more are taken out at once.
//
// Places: a filter in the tree has a number, so that what hangs on it can point back to it.
#pragma once

#include "base/hash.hpp"
#include "base/slab.hpp"
#include "base/small_text.hpp"
#include "base/topic.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace gv {

/// Where the value of a filter is: in the node, if it has at most four bytes and nothing to
/// destroy, or else in a block of its own.
template <typename Value>
class in_place_value {
  public:
    explicit operator bool() const noexcept { return is_set_; }
    Value& operator*() noexcept { return value_; }
    Value* get() noexcept { return is_set_ ? &value_ : nullptr; }
    void make() { *this = in_place_value(Value()); }
    void reset() noexcept { is_set_ = false; }
    in_place_value() noexcept = default;

  private:
    explicit in_place_value(Value value) noexcept : value_(value), is_set_(true) {}
    Value value_{};
    bool is_set_ = false;
};
template <typename Value>
class own_block_value : public std::unique_ptr<Value> {
  public:
    void make() { this->std::unique_ptr<Value>::operator=(std::make_unique<Value>()); }
};
template <typename Value>
using tree_value = std::conditional_t<std::is_trivially_copyable_v<Value> && sizeof(Value) <= 4,
                                      in_place_value<Value>, own_block_value<Value>>;

/// Nodes reached at one level of a match, and at the next; worth keeping for their memory.
struct topic_walk {
    std::vector<std::uint32_t> reached;
    std::vector<std::uint32_t> next;
};

template <typename Value>
class topic_tree {
  public:
    /// Null if the filter is not in the tree. Lifetime: until the filter is erased.
    [[nodiscard]] Value* find(std::string_view filter) const;

    /// The value of the filter, made by default if it was not there. Requires: a valid filter.
    Value& insert(std::string_view filter);

    /// Takes the filter and its value out. True if it was there.
    bool erase(std::string_view filter);

    /// Calls `visit(Value&)` for each filter that matches the valid topic name, in an order that
    /// depends on the filters alone. The tree must not be changed meanwhile. Thread: with a `walk`
    /// of its own each, any number may match at a time.
    template <typename Visit>
    void match(std::string_view name, topic_walk& walk, Visit&& visit) const;
    template <typename Visit>
    void match(std::string_view name, Visit&& visit) const {
        match(name, walk_, visit);
    }

    /// Calls `visit(std::string_view filter, Value&)` for each filter, in an order that depends on
    /// the history of the tree alone. The tree must not be changed meanwhile.
    template <typename Visit>
    void for_each(Visit&& visit) const;

    /// Number of a filter in the tree, until it is erased.
    using place = std::uint32_t;
    static constexpr place nowhere = 0xffff'ffff;
    /// `nowhere` if the filter is not in the tree.
    [[nodiscard]] place place_of(std::string_view filter) const;
    /// The place of the filter, its value made by default if it was not there. Requires: a valid
    /// filter.
    place put(std::string_view filter);
    /// Requires here and below: the place of a filter in the tree.
    [[nodiscard]] Value& operator[](place where) const noexcept { return *at(where).value; }
    [[nodiscard]] std::string filter_of(place where) const;
    void erase_at(place where);

    [[nodiscard]] std::size_t size() const noexcept { return filters_; }
    /// Nodes in use, the two roots not counted: zero in an empty tree.
    [[nodiscard]] std::size_t nodes() const noexcept { return nodes_.size() - 2; }

  private:
    using node_index = place;
    static constexpr node_index none = nowhere;
    static constexpr node_index exact_root = 0;
    static constexpr node_index wild_root = 1;

    struct node {
        node_index parent = none;
        node_index plus = none;      ///< child `+`
        node_index hash = none;      ///< child `#`
        std::uint32_t children = 0;  ///< of all three kinds
        std::uint32_t edge_hash = 0; ///< its key in the table of edges
        tree_value<Value> value;
        small_text text;
    };

    /// Entry of the table: the hash is kept beside, so that growing touches no node.
    struct edge {
        std::uint32_t hash;
        node_index child;
    };
    struct edge_key {
        std::uint32_t hash;
        node_index parent;
        std::string_view text;
    };
    struct edge_hasher {
        using is_transparent = void;
        std::size_t operator()(const edge& e) const noexcept { return e.hash; }
        std::size_t operator()(const edge_key& e) const noexcept { return e.hash; }
    };
    struct edge_equal {
        using is_transparent = void;
        const topic_tree* tree;
        bool operator()(const edge& a, const edge& b) const noexcept { return a.child == b.child; }
        bool operator()(const edge_key& a, const edge& b) const noexcept {
            if (a.hash != b.hash) {
                return false;
            }
            const node& at = tree->at(b.child);
            return at.parent == a.parent && at.text.view() == a.text;
        }
        bool operator()(const edge& a, const edge_key& b) const noexcept { return (*this)(b, a); }
    };

    static edge_key key_of(node_index parent, std::string_view text) noexcept {
        return key_of(parent, text, table_hash(text));
    }
    static edge_key key_of(node_index parent, std::string_view text,
                           std::uint64_t text_hash) noexcept {
        const std::uint64_t mixed = (text_hash ^ parent) * 0x9e37'79b9'7f4a'7c15u;
        return {static_cast<std::uint32_t>(mixed >> 32), parent, text};
    }

    [[nodiscard]] node& at(node_index index) const noexcept { return nodes_[index]; }

    node_index make_node(node_index parent);
    void drop_node(node_index gone);
    [[nodiscard]] node_index child(node_index parent, std::string_view text) const;
    node_index child_or_new(node_index parent, std::string_view text);
    [[nodiscard]] node_index locate(std::string_view filter) const;
    void unlink(node_index leaf);
    template <typename Visit>
    void visit_value(node_index index, Visit& visit) const;
    template <typename Visit>
    void match_wild(std::string_view name, topic_walk& walk, Visit& visit) const;
    template <typename Visit>
    void descend(node_index from, const edge_key& key, bool may_be_plus, bool is_last,
                 topic_walk& walk, Visit& visit) const;

  public:
    topic_tree() : edges_(0, edge_hasher{}, edge_equal{this}) {
        make_node(none);
        make_node(none);
    }
    topic_tree(const topic_tree&) = delete;
    topic_tree& operator=(const topic_tree&) = delete;

  private:
    slab<node> nodes_;
    std::size_t filters_ = 0;
    boost::unordered_flat_set<edge, edge_hasher, edge_equal> edges_;
    mutable topic_walk walk_;
};

template <typename Value>
auto topic_tree<Value>::make_node(node_index parent) -> node_index {
    const node_index index = nodes_.make();
    at(index).parent = parent;
    if (parent != none) {
        ++at(parent).children;
    }
    return index;
}

template <typename Value>
void topic_tree<Value>::drop_node(node_index gone) {
    --at(at(gone).parent).children;
    nodes_.drop(gone);
}

template <typename Value>
auto topic_tree<Value>::child(node_index parent, std::string_view text) const -> node_index {
    if (parent != exact_root && text == "+") {
        return at(parent).plus;
    }
    if (parent != exact_root && text == "#") {
        return at(parent).hash;
    }
    const auto found = edges_.find(key_of(parent, text));
    return found == edges_.end() ? none : found->child;
}

template <typename Value>
auto topic_tree<Value>::child_or_new(node_index parent, std::string_view text) -> node_index {
    const node_index found = child(parent, text);
    if (found != none) {
        return found;
    }
    const node_index made = make_node(parent);
    if (text == "+") {
        at(parent).plus = made;
    } else if (text == "#") {
        at(parent).hash = made;
    } else {
        at(made).edge_hash = key_of(parent, text).hash;
        edges_.insert(edge{at(made).edge_hash, made});
    }
    at(made).text = small_text(text);
    return made;
}

template <typename Value>
auto topic_tree<Value>::locate(std::string_view filter) const -> node_index {
    if (!has_wildcard(filter)) {
        return child(exact_root, filter);
    }
    node_index here = wild_root;
    for (topic_levels levels(filter); here != none && !levels.done();) {
        here = child(here, levels.next());
    }
    return here;
}

template <typename Value>
Value* topic_tree<Value>::find(std::string_view filter) const {
    const node_index found = locate(filter);
    return found == none ? nullptr : at(found).value.get();
}

template <typename Value>
auto topic_tree<Value>::place_of(std::string_view filter) const -> place {
    const node_index found = locate(filter);
    return found == none || !at(found).value ? nowhere : found;
}

template <typename Value>
Value& topic_tree<Value>::insert(std::string_view filter) {
    return *at(put(filter)).value;
}

template <typename Value>
auto topic_tree<Value>::put(std::string_view filter) -> place {
    node_index here = exact_root;
    if (has_wildcard(filter)) {
        here = wild_root;
        for (topic_levels levels(filter); !levels.done();) {
            here = child_or_new(here, levels.next());
        }
    } else {
        here = child_or_new(exact_root, filter);
    }
    node& leaf = at(here);
    if (!leaf.value) {
        leaf.value.make();
        ++filters_;
    }
    return here;
}

template <typename Value>
bool topic_tree<Value>::erase(std::string_view filter) {
    const place found = place_of(filter);
    if (found != nowhere) {
        erase_at(found);
    }
    return found != nowhere;
}

template <typename Value>
void topic_tree<Value>::erase_at(place where) {
    node_index here = where;
    at(here).value.reset();
    --filters_;
    while (here > wild_root && at(here).children == 0 && !at(here).value) {
        const node_index parent = at(here).parent;
        unlink(here);
        drop_node(here);
        here = parent;
    }
}

template <typename Value>
void topic_tree<Value>::unlink(node_index leaf) {
    node& parent = at(at(leaf).parent);
    if (parent.plus == leaf) {
        parent.plus = none;
    } else if (parent.hash == leaf) {
        parent.hash = none;
    } else {
        edges_.erase(edge{at(leaf).edge_hash, leaf});
    }
}

template <typename Value>
template <typename Visit>
void topic_tree<Value>::visit_value(node_index index, Visit& visit) const {
    if (index != none && at(index).value) {
        visit(*at(index).value);
    }
}

template <typename Value>
template <typename Visit>
void topic_tree<Value>::match(std::string_view name, topic_walk& walk, Visit&& visit) const {
    if (at(exact_root).children > 0) {
        visit_value(child(exact_root, name), visit);
    }
    if (at(wild_root).children > 0) {
        match_wild(name, walk, visit);
    }
}

/// Level by level, all nodes reached at once: each level is hashed once, and a hostile filter of
/// many levels costs no stack.
template <typename Value>
template <typename Visit>
void topic_tree<Value>::match_wild(std::string_view name, topic_walk& walk, Visit& visit) const {
    bool may_be_wild = !is_dollar_topic(name); // only the first level is ever held back
    walk.reached.assign(1, wild_root);
    if (may_be_wild) {
        visit_value(at(wild_root).hash, visit);
    }
    for (topic_levels levels(name); !levels.done() && !walk.reached.empty();) {
        const std::string_view text = levels.next();
        const std::uint64_t text_hash = table_hash(text);
        walk.next.clear();
        for (const node_index from : walk.reached) {
            descend(from, key_of(from, text, text_hash), may_be_wild, levels.done(), walk, visit);
        }
        walk.reached.swap(walk.next);
        may_be_wild = true;
    }
}

template <typename Value>
template <typename Visit>
void topic_tree<Value>::descend(node_index from, const edge_key& key, bool may_be_plus,
                                bool is_last, topic_walk& walk, Visit& visit) const {
    const auto arrive = [&](node_index to) {
        visit_value(at(to).hash, visit); // `a/#` matches `a` too [MQTT-4.7.1-2]
        if (is_last) {
            visit_value(to, visit);
        } else if (at(to).children > 0) {
            walk.next.push_back(to);
        }
    };
    const node& here = at(from);
    const bool has_plus = here.plus != none;
    if (here.children > (has_plus ? 1u : 0u) + (here.hash != none ? 1u : 0u)) {
        if (const auto found = edges_.find(key); found != edges_.end()) {
            arrive(found->child);
        }
    }
    if (has_plus && may_be_plus) {
        arrive(here.plus);
    }
}

template <typename Value>
std::string topic_tree<Value>::filter_of(place where) const {
    std::vector<std::string_view> levels;
    for (node_index here = where; here > wild_root; here = at(here).parent) {
        levels.push_back(at(here).text.view());
    }
    std::string filter(levels.back());
    for (auto level = levels.rbegin() + 1; level != levels.rend(); ++level) {
        filter.append("/").append(*level);
    }
    return filter;
}

template <typename Value>
template <typename Visit>
void topic_tree<Value>::for_each(Visit&& visit) const {
    for (node_index index = wild_root + 1; index < nodes_.end(); ++index) {
        if (at(index).value) {
            visit(std::string_view(filter_of(index)), *at(index).value);
        }
    }
}

} // namespace gv
