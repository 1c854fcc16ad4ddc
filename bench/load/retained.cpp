// SPDX-License-Identifier: Apache-2.0
#include "bench/load/retained.hpp"

#include "bench/load/retained_clients.hpp"

#include <algorithm>
#include <thread>

namespace gv::load {

namespace {

constexpr nanoseconds patience = 5 * second_ns;

/// Drives the loop until `done()`, or until `progress()` has not changed for the patience.
template <typename Done, typename Progress>
void drive(event_loop& loop, Done&& done, Progress&& progress) {
    auto last = progress();
    nanoseconds moved = clock_now();
    while (!done()) {
        const nanoseconds now = loop.turn(second_ns / 10);
        if (progress() != last) {
            last = progress();
            moved = now;
        } else if (now - moved > patience) {
            return;
        }
    }
}

/// The kernel adds the CPU time of a thread up when it goes to sleep, or at the next tick. What is
/// measured here is as short as ten ticks, so let the broker go to sleep first.
sample sample_at_rest(const broker_process& broker) {
    const nanoseconds now = clock_now();
    const nanoseconds own = own_cpu();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    sample taken = take_sample(broker);
    taken.at = now;
    taken.generator_cpu = own;
    return taken;
}

connection make_client(const load_options& options, const std::string& name) {
    const broker_address address(options.host, static_cast<std::uint16_t>(options.port));
    connection client(address.connect(0), name);
    client.handshake("load-" + name + "-" + std::to_string(clock_now()));
    return client;
}

class retained_run {
  public:
    explicit retained_run(const load_options& options)
        : options_(options), broker_(options.broker_pid),
          plan_{.messages = options.messages,
                .payload = options.payload,
                .run = static_cast<std::uint32_t>(clock_now() | 1),
                .qos = options.qos,
                .replay_qos = options.replay_qos,
                .window = options.window},
          writer_(make_client(options, "writer"), loop_, scratch_) {}

    void store(report& out) {
        write(out, "store_", plan_);
        out.add("resident_after_store", broker_.resident_bytes());
    }
    void remove(report& out) {
        retained_plan empty = plan_;
        empty.payload = 0;
        write(out, "remove_", empty);
    }
    void replay(report& out);

  private:
    void write(report& out, std::string_view prefix, const retained_plan& plan);

    const load_options& options_;
    broker_process broker_;
    retained_plan plan_;
    event_loop loop_;
    io_scratch scratch_;
    retained_writer writer_;
};

void retained_run::write(report& out, std::string_view prefix, const retained_plan& plan) {
    const sample start = sample_at_rest(broker_);
    writer_.start(plan);
    drive(loop_, [&] { return writer_.is_done(); }, [&] { return writer_.sent(); });
    const sample end = sample_at_rest(broker_);
    add_window(out, prefix, start, end, plan.messages, broker_);
    out.add(std::string(prefix) + "complete", writer_.is_done());
}

void retained_run::replay(report& out) {
    retained_reader reader(make_client(options_, "reader"), loop_, scratch_, plan_);
    const sample start = sample_at_rest(broker_);
    reader.start();
    drive(loop_, [&] { return reader.is_done(); }, [&] { return reader.seen(); });
    const sample end = sample_at_rest(broker_);
    add_window(out, "replay_", start, end, std::max(1U, reader.seen()), broker_);
    out.add("lost", plan_.messages - reader.seen());
    out.add("duplicates", reader.duplicates());
    out.add("foreign", reader.foreign());
}

} // namespace

void run_retained(const load_options& options, report& out) {
    retained_run run(options);
    run.store(out);
    run.replay(out);
    run.remove(out);
}

} // namespace gv::load
