// SPDX-License-Identifier: Apache-2.0
#include "cluster/node_trust.hpp"

#include "base/assert.hpp"

namespace gv::cluster {

namespace {

[[nodiscard]] std::shared_ptr<const authorities> read(const std::string& pem) {
    auto found = authorities::read(pem);
    BROKER_ASSERT(found.has_value(), "authorities were checked");
    return std::make_shared<const authorities>(std::move(*found));
}

[[nodiscard]] std::string shown(const tls_material& all) {
    return all.chain + "\n" + all.authorities + "\n" + all.key;
}

} // namespace

node_trust::node_trust(std::string cluster, const tls_material& all)
    : cluster_(std::move(cluster)), identity_(shown(all)), shown_authorities_(all.authorities),
      believed_(read(all.authorities)) {}

void node_trust::replace(const tls_material& all) {
    auto believed = read(all.authorities);
    shown_authorities_.replace(all.authorities);
    identity_.replace(shown(all));
    const std::lock_guard lock(mutex_);
    believed_ = std::move(believed);
}

result<certified_node, distrust> node_trust::judge(std::string_view chain, tls_end shown_by,
                                                   wall_time now) const {
    std::shared_ptr<const authorities> believed;
    {
        const std::lock_guard lock(mutex_);
        believed = believed_;
    }
    return believed->check(chain, shown_by, cluster_, now);
}

} // namespace gv::cluster
