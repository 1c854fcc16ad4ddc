// SPDX-License-Identifier: Apache-2.0
// Any bytes as a mosquitto.db: they are refused with a place, or what is imported is a store that a
// start reads without a complaint.
#include "base/assert.hpp"
#include "broker/server/mosquitto_import.hpp"
#include "tests/support/prompt_store.hpp"

#include <cstdint>

namespace {

using namespace gv;

class nobody final : public storage::store_reader {
  public:
    void on_sessions(std::vector<storage::stored_session>) override {}
    void on_retained(std::string_view topic, std::string_view message) override {
        publication what;
        BROKER_ASSERT(decode(message, server::store_import::clock, what) && what.topic == topic,
                      "a retained message can be read again");
    }
    void on_bucket(const storage::bucket&) override {}
    void on_due_will(std::string_view, storage::will_record) override {}
    void on_stray(storage::table, std::string_view) override {}
    void on_spool(const storage::spool_left&) override {}
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    storage::prompt_store store;
    const storage::rows nothing;
    const storage::row_source before(nothing);
    server::store_import to(store, before);
    const auto read = server::import_mosquitto_db(
        bytes, {.name = "m.db", .now = wall_time(std::chrono::seconds(1'700'000'000)), .shards = 2},
        to);
    const auto added = to.finish();
    BROKER_ASSERT(added.has_value(), "a store in memory takes everything");
    if (!read) {
        BROKER_ASSERT(!read.error().place.empty() && added->sessions == 0, "nothing was added");
        return 0;
    }
    nobody reader;
    const auto report = storage::load_from(storage::row_source(store.all()), reader);
    BROKER_ASSERT(report.rows_broken == 0 && report.rows_stray == 0, "every row is whole");
    return 0;
}
