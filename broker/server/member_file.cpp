// SPDX-License-Identifier: Apache-2.0
#include "broker/server/member_file.hpp"

#include "base/log.hpp"
#include "broker/server/process.hpp"
#include "cluster/wire_members.hpp"

#include <fstream>
#include <iterator>
#include <utility>

namespace gv::server {

std::vector<cluster::member_row> member_file::read() const {
    std::ifstream file(path_, std::ios::binary);
    if (path_.empty() || !file) {
        return {};
    }
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const auto found = cluster::from_file(bytes, {});
    if (!found) {
        log::warn("members_damaged", {{"file", path_},
                                      {"remedy", "none is needed if cluster.seeds names a node "
                                                 "that is there"}});
        return {};
    }
    if (found->cluster != self_.cluster || found->from != self_.from) {
        log::warn("members_of_another", {{"file", path_},
                                         {"cluster", found->cluster},
                                         {"remedy", "none is needed if cluster.seeds names a node "
                                                    "of this cluster"}});
        return {};
    }
    return std::get<cluster::push_pull_answer>(found->body).rows;
}

bool member_file::write(std::vector<cluster::member_row> rows) {
    cluster::envelope whole = self_;
    whole.body = cluster::push_pull_answer{.sequence = 1, .rows = std::move(rows)};
    const auto problems = write_whole(path_, cluster::to_file(whole), "storage.folder");
    const bool is_told = std::exchange(has_failed_, !problems.empty());
    for (const problem& each : problems) {
        if (!is_told) {
            log::warn("members_not_kept",
                      {{"problem", each.what}, {"remedy", each.remedy + "; it is tried again"}});
        }
    }
    return problems.empty();
}

} // namespace gv::server
