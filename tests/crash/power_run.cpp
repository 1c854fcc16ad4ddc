// SPDX-License-Identifier: Apache-2.0
// The broker, from packets to the database, on a disk that loses power again and again: shards,
// sessions and store are those of the broker, on a file system that forgets what was not synced,
// also out of order. Publishers and subscribers with persistent sessions at QoS 1 and 2 go on over
// all of it as the specification says. At the end everything drains, and what they were promised is
// held against what they got (delivery_ledger.hpp).
//
//     power_run --cuts 600 --seed 1 --shards 2           loses nothing
//     power_run --cuts 20 --syncs none                   no sync does anything: loses sessions
//     power_run --cuts 20 --syncs tables                 those of the log do nothing: loses
//     messages
#include "storage/rocksdb_store.hpp"
#include "tests/storage/power_loss_file_system.hpp"
#include "tests/storage/trial_database.hpp"
#include "tests/support/session_script.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>

namespace gv::support {
namespace {

/// What a store says on its threads waits until the node's thread asks for it.
class relay_store final : public storage::store {
  public:
    explicit relay_store(std::unique_ptr<storage::store> to) : to_(std::move(to)) {}
    ~relay_store() override { to_->close(); }

    [[nodiscard]] const storage::node_record& node() const noexcept override { return to_->node(); }
    /// The store dates by the clock of this machine, the node by one of its own.
    [[nodiscard]] hybrid_time last_stamp() const noexcept override { return {}; }
    [[nodiscard]] result<void, problem> load(storage::store_reader& to) override {
        return to_->load(to);
    }
    void listen(shard_id shard, std::function<void(storage::progress)> to,
                std::function<void(storage::read_answer)> rows_to) override {
        to_->listen(
            shard,
            [this, shard, to](storage::progress word) {
                add([this, shard, to, word = std::move(word)] {
                    durable_[shard] = std::max(durable_[shard], word.durable);
                    to(word);
                });
            },
            [this, rows_to](storage::read_answer rows) {
                add([this, rows_to, rows = std::move(rows)] {
                    --reads_;
                    rows_to(rows);
                });
            });
    }
    void commit(shard_id from, storage::hand_over what) override {
        handed_over_[from] = what.ticket;
        to_->commit(from, std::move(what));
    }
    void read(shard_id from, storage::read_request what) override {
        ++reads_;
        to_->read(from, what);
    }
    [[nodiscard]] storage::store_counts counts() const override { return to_->counts(); }
    void close() override { to_->close(); }

    enum class manner : std::uint8_t { at_once, waiting };

    /// Passes on what was said. `waiting`: if nothing was, waits until something is, as long as the
    /// store has something to do.
    bool pass_on(manner how) {
        std::deque<std::function<void()>> said;
        {
            std::unique_lock lock(mutex_);
            if (how == manner::waiting && is_busy()) {
                has_said_.wait_for(lock, std::chrono::seconds(30),
                                   [this] { return !said_.empty(); });
            }
            said.swap(said_);
        }
        for (const auto& each : said) {
            each();
        }
        return !said.empty();
    }

  private:
    void add(std::function<void()> what) {
        const std::lock_guard lock(mutex_);
        said_.push_back(std::move(what));
        has_said_.notify_one();
    }
    [[nodiscard]] bool is_busy() const { return reads_ > 0 || handed_over_ != durable_; }

    std::unique_ptr<storage::store> to_;
    std::mutex mutex_;
    std::condition_variable has_said_;
    std::deque<std::function<void()>> said_;
    // Of the node's thread.
    std::size_t reads_ = 0;
    std::map<shard_id, std::uint64_t> handed_over_; ///< tickets
    std::map<shard_id, std::uint64_t> durable_;
};

struct run_options {
    std::size_t cuts = 60;
    std::size_t shards = 2;
    std::uint64_t seed = 1;
    storage::sync_honesty syncs = storage::sync_honesty::honest;
};

/// A life of the process: a folder on a disk, and the store in it.
struct life {
    storage::scratch_folder scratch;
    std::shared_ptr<storage::power_loss_file_system> disk =
        std::make_shared<storage::power_loss_file_system>();
    std::unique_ptr<relay_store> store;

    [[nodiscard]] std::string folder() const { return scratch / "store"; }
    void open() {
        storage::rocksdb_options options;
        options.folder = folder();
        options.write_buffer_bytes = 1u << 20; // flushes come often
        options.log_bytes_max = 1u << 20;
        options.ballast_bytes = 0;
        options.file_system = disk;
        auto opened = storage::open_rocksdb_store(options);
        if (!opened) {
            throw std::runtime_error("the store does not open: " + opened.error().what);
        }
        store = std::make_unique<relay_store>(std::move(*opened));
    }
};

class power_script final : public script {
  public:
    static std::unique_ptr<life> first_life() {
        auto made = std::make_unique<life>();
        made->open();
        return made;
    }

    power_script(const run_options& options, std::unique_ptr<life> first)
        : script({.shards = options.shards, .store = first->store.get()}), options_(options),
          life_(std::move(first)), random_(options.seed) {
        attach();
        node.run();
    }
    ~power_script() { node.disk = nullptr; }

    /// Power is lost now, with whatever is on its way to the disk.
    void lose_power() {
        const std::size_t at = life_->disk->operations();
        lose_connections();
        node.disk = nullptr;
        auto after = std::make_unique<life>();
        life_->disk->crash({.at = at, .seed = random_(), .honesty = options_.syncs},
                           life_->folder(), after->folder());
        after->disk->take_over(after->folder());
        after->open();
        node.restart({.shards = options_.shards, .store = after->store.get()});
        life_ = std::move(after);
        attach();
        node.run();
        const std::size_t gone = sessions_gone;
        come_back_all();
        EXPECT_EQ(sessions_gone, gone) << "sessions were lost";
    }

    void be_patient(bool is_patient) {
        manner_ = is_patient ? relay_store::manner::waiting : relay_store::manner::at_once;
    }

  private:
    void attach() {
        node.disk = [this] { return life_->store->pass_on(manner_); };
    }

    run_options options_;
    std::unique_ptr<life> life_;
    std::mt19937_64 random_;
    relay_store::manner manner_ = relay_store::manner::waiting;
};

constexpr std::size_t publishers = 4;
constexpr std::size_t subscribers = 4;

class run {
  public:
    explicit run(const run_options& options)
        : options_(options), random_(options.seed * 7 + 1),
          script_(options, power_script::first_life()) {}

    void prepare() {
        for (std::size_t i = 0; i < publishers; ++i) {
            client("pub", i).resume(version(i));
            client("pub", i).behave();
        }
        for (std::size_t i = 0; i < subscribers; ++i) {
            client("sub", i).resume(version(i));
            client("sub", i).subscribe("t/#", i % 2 == 0 ? qos::exactly_once : qos::at_least_once);
            client("sub", i).behave();
        }
    }

    void work_between_cuts() {
        script_.be_patient(false);
        for (std::size_t left = 1 + random_() % 40; left > 0; --left) {
            const std::size_t who = random_() % (publishers + subscribers);
            who < publishers ? publish(who) : come_or_go(who - publishers);
            if (random_() % 8 == 0) {
                script_.be_patient(true);
                script_.node.run(); // until the disk rests
                script_.be_patient(false);
            }
        }
        // Whatever has come by now was read, and power may be lost at any moment after.
        for (std::size_t left = random_() % 5; left > 0; --left) {
            std::this_thread::sleep_for(std::chrono::microseconds(random_() % 2'000));
            script_.node.run();
        }
        listen();
        script_.be_patient(true);
        script_.lose_power();
        ++cuts_;
    }

    void finish() {
        script_.be_patient(true);
        listen();
        script_.settle();
        std::printf("power cuts    %zu\nmessages      %zu\ndelivered     %zu\ncomplaints    %zu\n",
                    cuts_, script_.ledger.messages(), script_.ledger.deliveries(),
                    script_.ledger.complaints().size());
    }

  private:
    [[nodiscard]] static mqtt::protocol_version version(std::size_t of) {
        return of < 2 ? mqtt::protocol_version::v5 : mqtt::protocol_version::v3_1_1;
    }
    script_client& client(const char* kind, std::size_t number) {
        return script_.client(kind + std::to_string(number));
    }

    void publish(std::size_t who) {
        script_client& publisher = client("pub", who);
        if (!publisher.wire.is_connected() || publisher.wire.unsettled() > 50) {
            publisher.wire.listen();
            return;
        }
        const std::string filling(random_() % 4 == 0 ? 300 : 0, '.');
        static_cast<void>(publisher.publish(
            {.topic = "t/" + std::to_string(random_() % 5),
             .payload = std::to_string(++number_) + filling,
             .quality = random_() % 2 == 0 ? qos::at_least_once : qos::exactly_once}));
    }

    void come_or_go(std::size_t who) {
        script_client& subscriber = client("sub", who);
        if (who == 0 || random_() % 4 != 0) {
            subscriber.wire.listen();
        } else if (subscriber.wire.is_connected()) {
            subscriber.cut();
        } else {
            script_.be_patient(true);
            subscriber.wire.is_automatic = false;
            subscriber.resume(version(who));
            subscriber.behave();
            script_.be_patient(false);
        }
    }

    void listen() {
        for (std::size_t i = 0; i < publishers; ++i) {
            client("pub", i).wire.listen();
        }
        for (std::size_t i = 0; i < subscribers; ++i) {
            client("sub", i).wire.listen();
        }
    }

    run_options options_;
    std::mt19937_64 random_;
    power_script script_;
    std::size_t number_ = 0;
    std::size_t cuts_ = 0;
};

run_options given;

TEST(PowerRun, LosesNothingThatWasAcknowledged) {
    run now(given);
    now.prepare();
    for (std::size_t i = 0; i < given.cuts && !HasFailure(); ++i) {
        SCOPED_TRACE("cut " + std::to_string(i + 1) + ", seed " + std::to_string(given.seed));
        now.work_between_cuts();
    }
    now.finish();
}

bool take(std::string_view name, const char* value) {
    if (name == "--cuts") {
        given.cuts = std::strtoul(value, nullptr, 10);
    } else if (name == "--seed") {
        given.seed = std::strtoul(value, nullptr, 10);
    } else if (name == "--shards") {
        given.shards = std::strtoul(value, nullptr, 10);
    } else if (name == "--syncs" && std::string_view(value) == "none") {
        given.syncs = storage::sync_honesty::all_lie;
    } else if (name == "--syncs" && std::string_view(value) == "tables") {
        given.syncs = storage::sync_honesty::log_lies;
    } else {
        return false;
    }
    return true;
}

} // namespace
} // namespace gv::support

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!gv::support::take(argv[i], argv[i + 1])) {
            std::fprintf(stderr, "usage: power_run [--cuts N] [--seed N] [--shards N] "
                                 "[--syncs none|tables]\n");
            return 2;
        }
    }
    return RUN_ALL_TESTS();
}
