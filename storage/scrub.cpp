// SPDX-License-Identifier: Apache-2.0
#include "storage/scrub.hpp"

#include "base/thread_name.hpp"
#include "storage/required_options.hpp"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <random>

namespace gv::storage {

namespace {

/// Of a look at a store that has no tables yet.
constexpr std::chrono::milliseconds pause_empty = std::chrono::minutes(1);

class paced_file final : public rocksdb::FSRandomAccessFileOwnerWrapper {
  public:
    paced_file(std::unique_ptr<rocksdb::FSRandomAccessFile> target, scrub_pace& pace)
        : FSRandomAccessFileOwnerWrapper(std::move(target)), pace_(pace) {}
    rocksdb::IOStatus Read(uint64_t offset, size_t n, const rocksdb::IOOptions& options,
                           rocksdb::Slice* result, char* scratch,
                           rocksdb::IODebugContext* dbg) const override {
        return pace_.spend(n) ? target()->Read(offset, n, options, result, scratch, dbg)
                              : rocksdb::IOStatus::Aborted("the store is being closed");
    }

  private:
    scrub_pace& pace_;
};

class paced_file_system final : public rocksdb::FileSystemWrapper {
  public:
    paced_file_system(const std::shared_ptr<rocksdb::FileSystem>& target, scrub_pace& pace)
        : FileSystemWrapper(target), pace_(pace) {}
    const char* Name() const override { return "paced_file_system"; }
    rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                          rocksdb::IODebugContext* dbg) override {
        auto status = target_->NewRandomAccessFile(name, options, file, dbg);
        if (status.ok()) {
            *file = std::make_unique<paced_file>(std::move(*file), pace_);
        }
        return status;
    }

  private:
    scrub_pace& pace_;
};

// Where the kernel does not let it, it is a thread like any other.
void give_way_to_all_others() {
    constexpr int of_this_thread = 1;  // IOPRIO_WHO_PROCESS
    constexpr int when_idle = 3 << 13; // IOPRIO_CLASS_IDLE
    constexpr int nice_as_can_be = 19;
    ::syscall(SYS_ioprio_set, of_this_thread, 0, when_idle);
    ::setpriority(PRIO_PROCESS, 0, nice_as_can_be);
}

} // namespace

bool scrub_pace::wait_until(clock::time_point due) {
    std::unique_lock lock(mutex_);
    return !stopping_.wait_until(lock, due, [this] { return is_stopping_; });
}

bool scrub_pace::wait(std::chrono::nanoseconds span) { return wait_until(clock::now() + span); }

bool scrub_pace::spend(std::uint64_t bytes) {
    const std::chrono::duration<double> price(static_cast<double>(bytes)
                                              / static_cast<double>(bytes_per_second_));
    paid_until_ =
        std::max(paid_until_, clock::now()) + std::chrono::duration_cast<clock::duration>(price);
    return wait_until(paid_until_);
}

void scrub_pace::stop() {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    stopping_.notify_all();
}

scrub::scrub(scrub_options options, scrub_observer observer)
    : options_(std::move(options)), observer_(std::move(observer)),
      pace_(options_.bytes_per_second),
      env_(rocksdb::NewCompositeEnv(std::make_shared<paced_file_system>(
          options_.file_system ? options_.file_system : rocksdb::FileSystem::Default(), pace_))),
      thread_([this] { loop(); }) {}

scrub::~scrub() { stop(); }

void scrub::stop() {
    pace_.stop();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void scrub::loop() {
    name_this_thread("store scrub");
    give_way_to_all_others();
    std::minstd_rand random(std::random_device{}());
    std::set<std::string> tables = observer_.live_tables();
    // Neither the first table nor the time of it is always the same.
    double part = std::generate_canonical<double, 32>(random);
    if (!tables.empty()) {
        last_ = *std::next(tables.begin(), static_cast<std::ptrdiff_t>(random() % tables.size()));
    }
    for (;;) {
        const std::chrono::duration<double, std::milli> pause =
            tables.empty() ? std::min<std::chrono::milliseconds>(options_.interval, pause_empty)
                           : options_.interval / static_cast<double>(tables.size());
        if (!pace_.wait(std::chrono::duration_cast<std::chrono::nanoseconds>(pause * part))) {
            return;
        }
        part = 1;
        tables = observer_.live_tables();
        if (!tables.empty()) {
            last_ = next_of(tables);
            look_at(last_);
        }
    }
}

std::string scrub::next_of(const std::set<std::string>& tables) const {
    const auto next = tables.upper_bound(last_);
    return next == tables.end() ? *tables.begin() : *next;
}

void scrub::look_at(const std::string& name) {
    std::string problem;
    switch (read(options_.folder + "/" + name, problem)) {
    case verdict::whole:
        ++verified_;
        return;
    case verdict::unreadable:
        if (!problem.empty()) {
            observer_.on_unreadable(name, problem);
        }
        return;
    case verdict::damaged:
        break;
    }
    // It may have been removed in the meantime.
    if (observer_.live_tables().contains(name) && known_damaged_.insert(name).second) {
        ++damaged_;
        observer_.on_damage(name, problem);
    }
}

// Past the cache of the system, which is not what is on the disk and has better to keep.
scrub::verdict scrub::read(const std::string& path, std::string& problem) {
    rocksdb::Options options;
    set_required_options(options);
    options.env = env_.get();
    options.use_direct_reads = goes_past_cache_;
    rocksdb::SstFileReader reader(options);
    rocksdb::Status status = reader.Open(path);
    if (status.ok()) {
        status = reader.VerifyChecksum();
    }
    if (status.ok()) {
        return verdict::whole;
    }
    if (status.IsAborted()) {
        return verdict::unreadable;
    }
    const bool is_answered = !status.IsIOError() || status.IsPathNotFound();
    if (!is_answered && goes_past_cache_) {
        goes_past_cache_ = false;
        return read(path, problem);
    }
    problem = status.ToString();
    return is_answered ? verdict::damaged : verdict::unreadable;
}

} // namespace gv::storage
