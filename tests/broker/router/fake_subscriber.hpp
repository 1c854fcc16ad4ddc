// SPDX-License-Identifier: Apache-2.0
// A subscriber that takes note of what it was asked and given.
#pragma once

#include "broker/router/subscriber.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gv::router {

class fake_subscriber : public subscriber {
  public:
    explicit fake_subscriber(std::uint64_t hash = 0, bool is_kept = false)
        : hash_(hash), is_kept_(is_kept) {}

    void deliver(const publication& what, const grant&) override {
        delivered.emplace_back(what.topic);
    }
    [[nodiscard]] bool may_receive(std::string_view topic) const override {
        ++asked;
        return topic != forbidden;
    }
    [[nodiscard]] std::uint64_t client_hash() const override { return hash_; }
    [[nodiscard]] bool is_kept() const override { return is_kept_; }

    std::vector<std::string> delivered;
    std::string forbidden;
    mutable int asked = 0;

  private:
    std::uint64_t hash_;
    bool is_kept_;
};

} // namespace gv::router
