// SPDX-License-Identifier: Apache-2.0
#include "broker/server/persistence.hpp"

#include "base/log.hpp"
#include "broker/server/process.hpp"
#include "storage/rocksdb_store.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <system_error>
#include <thread>

namespace gv::server {

namespace {

constexpr const char* system_folder = "/var/lib/grapevine";
constexpr std::uint16_t default_port = 1883;

[[nodiscard]] std::string state_home() {
    if (const char* given = std::getenv("XDG_STATE_HOME"); given != nullptr && *given != '\0') {
        return given;
    }
    const char* home = std::getenv("HOME");
    return std::string(home != nullptr ? home : ".") + "/.local/state";
}

/// Where something must be made for `folder` to be there: itself, or the nearest that exists above.
[[nodiscard]] std::filesystem::path existing_part(const std::filesystem::path& folder) {
    std::filesystem::path part = std::filesystem::absolute(folder).lexically_normal();
    std::error_code ignored;
    while (part.has_relative_path() && !std::filesystem::exists(part, ignored)) {
        part = part.parent_path();
    }
    return part;
}

/// 0, or the errno of why nothing can be stored there.
[[nodiscard]] int why_unusable(const std::filesystem::path& folder) {
    const std::filesystem::path part = existing_part(folder);
    std::error_code failed;
    if (!std::filesystem::is_directory(part, failed)) {
        return failed ? failed.value() : ENOTDIR;
    }
    return ::access(part.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
}

/// Spreads what is read over the shards that will own it.
class distributor final : public storage::store_reader {
  public:
    distributor(const std::vector<std::unique_ptr<shard::event_loop>>& to,
                const kept_for_cluster& kept, node_id self)
        : to_(to), kept_(kept), self_(self) {}

    void on_sessions(std::vector<storage::stored_session> found) override {
        sessions = found.size();
        // With another number of shards, sessions of several may refer to one bucket, and none can
        // say when it is empty: it stays until a start at which nobody refers to it.
        bool counts_bodies = true;
        for (const storage::stored_session& each : found) {
            for (const storage::stored_rows& run : each.rows) {
                rows += run.rows;
                if (run.bodies > 0) {
                    needed_.insert(run.bucket);
                    counts_bodies = counts_bodies && run.bucket.shard == shard_of(each);
                }
            }
        }
        for (storage::stored_session& each : found) {
            shard::core& home = core_of(shard_of(each));
            if (is_here(each, is_home(each.partition))) {
                home.restore(std::move(each), counts_bodies);
            } else {
                home.discard(each);
            }
        }
    }
    void on_retained(std::string_view topic, std::string_view message) override {
        ++retained;
        core_of(shard::core::retained_owner(topic, to_.size())).restore_retained(topic, message);
    }
    void on_claim(shard_id, const storage::claim_record& found) override {
        const bool is_first = claims_ == 0;
        claim.from = is_first ? found.from : std::max(claim.from, found.from);
        claim.to = is_first ? found.to : std::min(claim.to, found.to);
        claims_of_ = found.shards;
        ++claims_;
    }
    /// Nothing, unless all shards that there were have one.
    [[nodiscard]] std::optional<retained_claim> whole_claim() const {
        return claims_ > 0 && claims_ == claims_of_ ? std::optional(claim) : std::nullopt;
    }
    void on_founding(const storage::founding_record& found) override {
        if (kept_.partitions != nullptr) {
            kept_.partitions->add(found);
        }
    }
    void on_partition(partition_id which, const storage::partition_record& found) override {
        if (kept_.partitions != nullptr) {
            kept_.partitions->add(which, found);
        }
    }
    void on_bucket(const storage::bucket& found) override {
        if (!needed_.contains(found)) {
            to_.front()->logic().remove_bucket(found);
        }
    }
    void on_due_will(std::string_view key, storage::will_record found) override {
        to_.front()->logic().restore_will(key, found);
    }
    void on_stray(storage::table where, std::string_view key) override {
        to_.front()->logic().remove_stray(where, key);
    }
    void on_spool(const storage::spool_left& found) override {
        spooled += found.rows;
        core_of(shard_id{static_cast<std::uint16_t>(found.of.lane.value % to_.size())})
            .restore_spool(found);
    }
    void on_route(const storage::route_place& where, const storage::route_row& row) override {
        if (kept_.routes != nullptr) {
            kept_.routes->add(where, row);
        }
    }

    std::size_t sessions = 0;
    std::size_t rows = 0;
    std::size_t retained = 0;
    retained_claim claim;
    std::uint64_t spooled = 0;

  private:
    /// As this node knew it when it ended.
    [[nodiscard]] bool is_home(partition_id which) const {
        return kept_.partitions == nullptr || kept_.partitions->found().at(which).home == self_;
    }
    [[nodiscard]] shard_id shard_of(const storage::stored_session& session) const {
        return home_shard(session.partition, to_.size());
    }
    [[nodiscard]] shard::core& core_of(shard_id shard) const { return to_[shard.value]->logic(); }
    const std::vector<std::unique_ptr<shard::event_loop>>& to_;
    kept_for_cluster kept_;
    node_id self_;
    std::size_t claims_ = 0;
    std::size_t claims_of_ = 0;
    std::set<storage::bucket> needed_; ///< buckets with a body that a row refers to
};

void tell_of_a_clock_behind(hybrid_time last) {
    const auto behind = wall_of(last) - std::chrono::system_clock::now();
    if (behind > std::chrono::seconds(5)) {
        log::warn("clock_is_behind",
                  {{"seconds", std::chrono::duration_cast<std::chrono::seconds>(behind).count()},
                   {"remedy", "set the clock; until it is right, time goes on from what the store "
                              "says"}});
    }
}

} // namespace

std::string store_folder(const options& all) {
    if (!all.storage.folder->empty()) {
        return *all.storage.folder;
    }
    const std::uint16_t port =
        all.listeners.items.empty() ? default_port : *all.listeners.items.front().port;
    if (why_unusable(system_folder) != 0) {
        return state_home() + "/grapevine/" + std::to_string(port);
    }
    const bool is_second = all.storage.is_port_of_flag && port != default_port;
    return is_second ? system_folder + ("/" + std::to_string(port)) : system_folder;
}

std::vector<problem> check_store_folder(const options& all, const origin_map& origins) {
    const std::string folder = store_folder(all);
    const int why = *all.storage.enabled ? why_unusable(folder) : 0;
    if (why == 0) {
        return {};
    }
    const auto origin = origins.find("storage.folder");
    return {{.place = origin == origins.end() ? "configuration" : origin->second,
             .what = "storage.folder: " + folder
                     + " cannot be used: " + std::generic_category().message(why),
             .remedy = "name a folder that the broker may write to, or that it can make"}};
}

profile_choice profile_here(const options& all) {
    return choose_profile(*all.storage.profile,
                          {.memory_bytes = memory_limit(),
                           .device = *all.storage.enabled ? kind_of_folder(store_folder(all))
                                                          : device_kind::unknown});
}

namespace {

[[nodiscard]] int background_threads_of(const options& all) {
    const int wanted = *all.storage.background_threads;
    return wanted != 0
               ? wanted
               : std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 2, 2, 8);
}

[[nodiscard]] storage::rocksdb_options store_settings_of(const options& all) {
    storage::rocksdb_options wanted;
    wanted.folder = store_folder(all);
    wanted.cache_bytes = (*all.storage.cache).value;
    wanted.write_buffer_bytes = (*all.storage.write_buffer).value;
    wanted.log_bytes_max = (*all.storage.log_max).value;
    wanted.salvage = *all.storage.salvage;
    wanted.sync_interval = *all.storage.sync_interval;
    wanted.open_files_max = static_cast<int>(
        share_descriptors(descriptor_limit(), *all.storage.open_files_max).store_files);
    wanted.file_bytes = (*all.storage.file_size).value;
    wanted.background_threads = background_threads_of(all);
    wanted.background_bytes_per_second = (*all.storage.background_rate).value;
    wanted.preallocates = *all.storage.preallocate;
    wanted.scrub_interval = *all.storage.scrub_interval;
    wanted.ballast_bytes = (*all.storage.ballast).value;
    return wanted;
}

} // namespace

void log_profile(const options& all, const profile_choice& chosen) {
    const storage::rocksdb_options store = store_settings_of(all);
    log::info("profile",
              {{"is", storage_profile_names[static_cast<std::size_t>(chosen.kind)]},
               {"because", chosen.why},
               {"cache", store.cache_bytes},
               {"write_buffer", store.write_buffer_bytes},
               {"log_max", store.log_bytes_max},
               {"file_size", store.file_bytes},
               {"open_files", store.open_files_max},
               {"background_threads", store.background_threads},
               {"background_rate", store.background_bytes_per_second},
               {"preallocate", store.preallocates},
               {"ballast", store.ballast_bytes},
               {"queue_per_session", (*all.limits.queue_bytes_per_session_max).value},
               {"queues_in_memory", (*all.limits.queue_bytes_in_memory_total_max).value}});
}

result<std::unique_ptr<storage::store>, problem> open_store(const options& all, node_id node) {
    if (!*all.storage.enabled) {
        return nullptr;
    }
    storage::rocksdb_options wanted = store_settings_of(all);
    wanted.node = node;
    auto opened = storage::open_rocksdb_store(wanted);
    if (opened) {
        log::info("store_opened",
                  {{"folder", wanted.folder}, {"start", (*opened)->node().boot.value}});
    }
    return opened;
}

result<void, problem> restore_all(storage::store& from,
                                  const std::vector<std::unique_ptr<shard::event_loop>>& to,
                                  const kept_for_cluster& kept) {
    const auto begun = std::chrono::steady_clock::now();
    tell_of_a_clock_behind(from.last_stamp());
    for (const auto& each : to) {
        each->begin_turn();
        each->logic().restore_clock(from.last_stamp());
    }
    distributor spread(to, kept, from.node().node);
    if (auto loaded = from.load(spread); !loaded) {
        return loaded;
    }
    // After damage something may be missing that was not removed.
    const storage::store_counts counted = from.counts();
    const bool is_whole = counted.damaged_files + counted.lost_operations + counted.rows_lost == 0;
    const auto claim = is_whole ? spread.whole_claim() : std::nullopt;
    for (const auto& each : to) {
        each->logic().restore_claim(claim);
    }
    // What each shard has to tell the others arrives before the first client.
    for (bool is_settled = false; !is_settled;) {
        is_settled = true;
        for (const auto& each : to) {
            is_settled = !each->settle() && is_settled;
        }
    }
    log::info("store_read", {{"sessions", spread.sessions},
                             {"queued", spread.rows},
                             {"retained", spread.retained},
                             {"spooled", spread.spooled},
                             {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::steady_clock::now() - begun)
                                        .count()}});
    return {};
}

} // namespace gv::server
