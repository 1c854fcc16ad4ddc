// SPDX-License-Identifier: Apache-2.0
#include "tests/storage/damaged_store.hpp"

#include <algorithm>
#include <fstream>
#include <random>

namespace gv::storage {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void damage_file(const fs::path& path, damage how, double place) {
    ASSERT_TRUE(fs::exists(path)) << path;
    if (how == damage::remove) {
        fs::remove(path);
        return;
    }
    std::string bytes = bytes_of(path);
    const auto at = static_cast<std::size_t>(static_cast<double>(bytes.size()) * place);
    if (how == damage::flip) {
        ASSERT_LT(at, bytes.size());
        bytes[at] = static_cast<char>(bytes[at] ^ 4);
    } else if (how == damage::truncate) {
        bytes.resize(at);
    } else {
        bytes.assign(bytes.size(), '\0');
    }
    std::ofstream(path, std::ios::binary) << bytes;
}

fs::path file_like(const fs::path& folder, const std::string& pattern) {
    fs::path largest;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename();
        if ((name.starts_with(pattern) || name.ends_with(pattern))
            && (largest.empty() || entry.file_size() > fs::file_size(largest))) {
            largest = entry.path();
        }
    }
    return largest;
}

scratch_folder* DamagedStore::original = nullptr;

namespace {

constexpr std::uint32_t payload_size = 300;

[[nodiscard]] sample_session session(int number) {
    return {.client = "client " + std::to_string(number),
            .created = static_cast<std::uint64_t>(number) + 1};
}

[[nodiscard]] body_id body_of(int number) {
    return {.in = {.slot = 480'000, .boot = boot_id{1}, .shard = {}},
            .number = static_cast<std::uint64_t>(number)};
}

} // namespace

void DamagedStore::SetUpTestSuite() {
    original = new scratch_folder;
    const std::string made = *original / "store";
    {
        const auto kept = *open_rocksdb_store(options_in(made));
        store_user user(*kept);
        user.commit_durably([](batch& to) {
            for (int i = 0; i < sessions; ++i) {
                session(i).put(to);
                session(i).put_queue(to, 4096, 0);
                session(i).put_subscription(to, "t", qos::at_least_once);
                for (std::uint64_t row = 1; row < rows_each; ++row) {
                    session(i).put_row(to, row, payload(i));
                }
                session(i).put_row(to, rows_each, body_of(i / sharing), payload_size);
                session(i).put_release(to, 1, packet_id{7});
                session(i).put_inbound(to, packet_id{8});
            }
            for (int i = 0; i < sessions / sharing; ++i) {
                put_body(to, body_of(i), payload(i));
            }
            for (int i = 0; i < in_tables; ++i) {
                to.put(table::retained, "tables/" + std::to_string(i), payload(i));
            }
        });
        kept->close();
    }
    const auto kept = *open_rocksdb_store(options_in(made));
    store_user user(*kept);
    for (int i = 0; i < in_log; ++i) {
        user.commit_durably(
            [&](batch& to) { to.put(table::retained, "log/" + std::to_string(i), payload(i)); });
    }
    fs::copy(made, *original / "killed", fs::copy_options::recursive);
}

void DamagedStore::TearDownTestSuite() {
    delete original;
    original = nullptr;
}

void DamagedStore::renew() const {
    fs::remove_all(store());
    fs::copy(*original / "killed", store(), fs::copy_options::recursive);
}

rocksdb_options DamagedStore::options_in(const std::string& folder) {
    rocksdb_options made;
    made.folder = folder;
    made.cache_bytes = 1 << 20;
    made.write_buffer_bytes = 4 << 20;
    made.ballast_bytes = 1 << 16;
    return made;
}

std::string DamagedStore::payload(int number) {
    std::minstd_rand random(static_cast<unsigned>(number) + 1);
    std::string made(payload_size, '\0');
    std::ranges::generate(made, [&] { return static_cast<char>(random()); });
    return made;
}

int DamagedStore::outcome::retained(const std::string& prefix) const {
    return static_cast<int>(std::ranges::count_if(
        state.retained, [&](const auto& each) { return each.first.starts_with(prefix); }));
}

int DamagedStore::outcome::subscriptions() const {
    std::size_t sum = 0;
    for (const auto& [client, each] : state.sessions) {
        sum += each.subscriptions.size();
    }
    return static_cast<int>(sum);
}

int DamagedStore::outcome::rows() const {
    std::uint32_t sum = 0;
    for (const auto& [client, each] : state.sessions) {
        for (const stored_rows& run : each.rows) {
            sum += run.rows;
        }
    }
    return static_cast<int>(sum);
}

int DamagedStore::outcome::handshakes() const {
    std::size_t sum = 0;
    for (const auto& [client, each] : state.sessions) {
        sum += each.releases.size() + each.inbound.size();
    }
    return static_cast<int>(sum);
}

int DamagedStore::outcome::missing() const {
    return sessions - static_cast<int>(state.sessions.size()) + sessions - subscriptions()
           + rows_in_queues - rows() + sessions - shared + sessions * handshakes_each - handshakes()
           + in_tables - retained("tables/");
}

DamagedStore::outcome DamagedStore::start() const {
    outcome found;
    auto opened = open_rocksdb_store(options_in(store()));
    EXPECT_TRUE(opened) << opened.error().what;
    if (!opened) {
        return found;
    }
    found.is_open = true;
    const auto loaded = (*opened)->load(found.state);
    EXPECT_TRUE(loaded) << loaded.error().what;
    for (const auto& [topic, message] : found.state.retained) {
        const int number = std::stoi(topic.substr(topic.find('/') + 1));
        EXPECT_EQ(message, payload(number)) << topic;
    }
    found.counts = (*opened)->counts();
    store_user user(**opened);
    for (int i = 0; i < sessions; ++i) {
        if (found.state.sessions.contains(session(i).client)) {
            for (const stored_row& row : user.read(session(i).wants(1, rows_each + 1)).rows) {
                const bool is_shared = row.sequence == rows_each;
                EXPECT_EQ(payload_of(row), payload(is_shared ? i / sharing : i));
                found.shared += is_shared ? 1 : 0;
            }
        }
    }
    // It is a store that works.
    user.commit_durably([](batch& to) { to.put(table::small, "x", "y"); });
    user.commit_durably([](batch& to) { to.erase(table::small, "x"); });
    found.node = (*opened)->node();
    (*opened)->close();
    found.kept = quarantines();
    return found;
}

std::size_t DamagedStore::quarantines() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(store())) {
        const std::string name = entry.path().filename();
        count += name.starts_with("quarantine-") ? 1U : 0U;
        EXPECT_FALSE(name.starts_with("salvage")) << name;
    }
    return count;
}

void DamagedStore::expect_healed(const outcome& before) const {
    const outcome again = start();
    EXPECT_EQ(again.counts.damaged_files, 0U);
    EXPECT_EQ(again.counts.lost_operations, 0U);
    EXPECT_EQ(again.counts.rows_lost, 0U);
    EXPECT_EQ(again.kept, before.kept);
    EXPECT_EQ(again.state.retained, before.state.retained);
    EXPECT_EQ(again.rows(), before.rows());
    EXPECT_EQ(again.shared, before.shared);
    EXPECT_EQ(again.handshakes(), before.handshakes());
    EXPECT_EQ(again.node.node, before.node.node);
    EXPECT_EQ(again.node.boot.value, before.node.boot.value + 1);
}

} // namespace gv::storage
