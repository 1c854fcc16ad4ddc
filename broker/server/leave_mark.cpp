// SPDX-License-Identifier: Apache-2.0
#include "broker/server/leave_mark.hpp"

#include "broker/server/persistence.hpp"
#include "broker/server/process.hpp"

#include <fstream>

namespace gv::server {

namespace {

constexpr std::string_view first_word = "left ";

} // namespace

std::string leave_mark_path(const options& all) {
    return *all.storage.enabled ? store_folder(all) + "/cluster.left" : std::string();
}

result<void, problem> write_leave_mark(const options& all, node_id node) {
    const std::string path = leave_mark_path(all);
    const std::string text =
        std::string(first_word) + *all.cluster.name + "\nnode " + std::to_string(node.value) + "\n";
    if (const auto wrong = write_whole(path, text, "storage.folder"); !wrong.empty()) {
        return failure(wrong.front());
    }
    return {};
}

result<void, problem> check_leave_mark(const options& all) {
    const std::string path = leave_mark_path(all);
    std::ifstream file(path);
    std::string line;
    if (path.empty() || !std::getline(file, line)
        || line != std::string(first_word) + *all.cluster.name) {
        return {};
    }
    return failure(problem{
        .place = path,
        .what = "this node has left the cluster \"" + *all.cluster.name + "\" for good",
        .remedy = "delete this file to let it join again, or set cluster.name = \"\" to run it "
                  "alone"});
}

} // namespace gv::server
