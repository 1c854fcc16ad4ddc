// SPDX-License-Identifier: Apache-2.0
// What a lane's frames cost between two processes on 127.0.0.1: CPU of the sender and of the
// receiver for each frame, everything of gRPC and the kernel included.
//
//     lane_transport_bench [MiB in each run]
#include "cluster/grpc_transport.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace {

using namespace gv;
using namespace gv::cluster;

constexpr std::uint64_t reply_after_bytes = 512u << 10;

[[nodiscard]] double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// Listens to nothing but lanes.
class bare_peer : public peer_listener {
  public:
    void on_question(question_id, gv::cluster::envelope) override {}
    void on_answer(gv::cluster::envelope) override {}
    void on_refused(node_id, std::string) override {}
    void on_control(peer_identity, control_message, std::function<void()> taken) override {
        taken();
    }
    void on_control_open(node_id, node_id) override {}
    void on_control_lost(node_id, std::string) override {}
    void on_lane(std::unique_ptr<incoming_lane>, peer_identity, lane_hello) override {}
    void on_distrusted(gv::cluster::peer_distrust) override {}
};

[[nodiscard]] std::unique_ptr<grpc_transport> start(std::uint64_t node, peer_listener& listener) {
    auto started =
        grpc_transport::start({.cluster = "bench", .self = {node_id{node}, boot_id{1}}}, listener);
    if (!started) {
        std::fprintf(stderr, "%s\n", started.error().what.c_str());
        std::exit(1);
    }
    return std::move(*started);
}

/// Takes all frames, gives the credit back in portions, and is over when the lane is.
class receiver final : public bare_peer, public incoming_lane_listener {
  public:
    void on_lane(std::unique_ptr<incoming_lane> lane, peer_identity, lane_hello) override {
        const std::lock_guard lock(mutex_);
        lane_ = std::move(lane);
        lane_->welcome({.boot = boot_id{1}, .expected = 1, .credit_bytes = 4u << 20}, *this);
        lane_->read_next();
    }
    void on_frame(lane_frame frame) override {
        bytes_ += frame.bytes.size();
        if (bytes_ >= reply_after_bytes) {
            lane_->reply({.taken = std::string(16, 'r'), .credit_bytes = bytes_});
            bytes_ = 0;
        }
        lane_->read_next();
    }
    void on_lost() override {
        const std::lock_guard lock(mutex_);
        is_over_ = true;
        over_.notify_all();
    }
    void wait() {
        std::unique_lock lock(mutex_);
        over_.wait(lock, [this] { return is_over_; });
    }

  private:
    std::unique_ptr<incoming_lane> lane_;
    std::uint64_t bytes_ = 0;
    std::mutex mutex_;
    std::condition_variable over_;
    bool is_over_ = false;
};

/// Writes frames as fast as they are taken: the first from run(), the others from the transport.
class sender final : public lane_link_listener {
  public:
    sender(std::size_t frame_bytes, std::uint64_t frames)
        : frame_(frame_bytes, 'x'), left_(frames),
          acknowledged_(frames * frame_bytes / reply_after_bytes * reply_after_bytes) {}

    void on_welcome(lane_welcome) override {
        const std::lock_guard lock(mutex_);
        is_welcome_ = true;
        changed_.notify_all();
    }
    void on_written() override { write(); }
    void on_reply(lane_reply reply) override {
        const std::lock_guard lock(mutex_);
        taken_ += reply.credit_bytes;
        changed_.notify_all();
    }
    void on_lost(std::string why) override {
        std::fprintf(stderr, "lost: %s\n", why.c_str());
        std::_Exit(1);
    }
    void run(grpc_transport& transport, const std::string& address) {
        link_ = transport.open_lane(
            node_id{2}, address,
            {.lane = {.origin = node_id{1}, .boot = boot_id{1}, .shard = shard_id{0}}}, *this);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return is_welcome_; });
        write();
        changed_.wait(lock, [this] { return taken_ >= acknowledged_; });
        lock.unlock();
        link_.reset();
    }

  private:
    void write() {
        if (left_ > 0) {
            --left_;
            link_->write({.first = 1, .oldest = 1, .bytes = frame_});
        }
    }

    const std::string frame_;
    std::uint64_t left_;
    const std::uint64_t acknowledged_;
    std::unique_ptr<lane_link> link_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_welcome_ = false;
    std::uint64_t taken_ = 0;
};

/// One run's receiver: tells its port, takes all, tells its CPU time.
[[noreturn]] void receive(int to_parent) {
    receiver here;
    double cpu = 0;
    {
        const auto transport = start(2, here);
        const std::uint16_t port = transport->port();
        if (write(to_parent, &port, sizeof port) != sizeof port) {
            std::_Exit(1);
        }
        const double before = cpu_seconds();
        here.wait();
        cpu = cpu_seconds() - before;
    }
    std::_Exit(write(to_parent, &cpu, sizeof cpu) == sizeof cpu ? 0 : 1);
}

template <typename Value>
[[nodiscard]] Value read_from(int pipe_end) {
    Value value{};
    if (read(pipe_end, &value, sizeof value) != static_cast<ssize_t>(sizeof value)) {
        std::fprintf(stderr, "the receiver is gone\n");
        std::_Exit(1);
    }
    return value;
}

/// A process of its own, so that no run inherits the threads of another.
void run(std::size_t frame_bytes, std::uint64_t frames) {
    int ends[2];
    if (pipe(ends) != 0) {
        std::_Exit(1);
    }
    if (fork() == 0) {
        receive(ends[1]);
    }
    const auto port = read_from<std::uint16_t>(ends[0]);
    bare_peer nothing;
    const auto transport = start(1, nothing);
    sender from(frame_bytes, frames);
    const double before = cpu_seconds();
    const auto began = std::chrono::steady_clock::now();
    from.run(*transport, "127.0.0.1:" + std::to_string(port));
    const double sending = cpu_seconds() - before;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const auto receiving = read_from<double>(ends[0]);
    const auto each = static_cast<double>(frames);
    std::printf("%9zu %10.1f %10.1f %10.3f %10.0f\n", frame_bytes, sending * 1e6 / each,
                receiving * 1e6 / each,
                (sending + receiving) * 1e6 / each / static_cast<double>(frame_bytes) * 76,
                each * static_cast<double>(frame_bytes) / took.count() / 1e6);
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    const std::uint64_t bytes = (argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 512) << 20;
    std::printf("%9s %10s %10s %10s %10s\n", "frame", "sender us", "receiver", "us/76 B", "MB/s");
    std::fflush(stdout);
    for (const std::size_t frame : {1u << 10, 8u << 10, 64u << 10, 256u << 10}) {
        const std::uint64_t most = 400'000;
        if (fork() == 0) {
            run(frame, std::min<std::uint64_t>(bytes / frame, most));
            std::_Exit(0);
        }
        int status = 0;
        wait(&status);
        if (status != 0) {
            return 1;
        }
    }
    return 0;
}
