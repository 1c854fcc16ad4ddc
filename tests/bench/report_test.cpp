// SPDX-License-Identifier: Apache-2.0
#include "bench/load/report.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <stdexcept>

namespace gv::load {
namespace {

TEST(Report, IsAFlatJsonObjectInOrder) {
    report out;
    out.add("name", "say \"hi\"");
    out.add("count", std::uint64_t{12'345'678'901});
    out.add("share", 0.25);
    out.add("complete", true);
    EXPECT_EQ(out.to_json(), "{\n \"name\": \"say \\\"hi\\\"\",\n \"count\": 12345678901,\n"
                             " \"share\": 0.25,\n \"complete\": true\n}");
}

TEST(Report, NumbersThatJsonLacksAreNull) {
    report out;
    out.add("rate", 1.0 / 0.0);
    EXPECT_EQ(out.to_json(), "{\n \"rate\": null\n}");
}

TEST(Report, AWindowDividesByItsMessages) {
    report out;
    const broker_process here(static_cast<std::uint32_t>(getpid()));
    const sample start{};
    const sample end{.at = 2 * second_ns,
                     .generator_cpu = second_ns / 2,
                     .broker_cpu = {.total_us = 1e6, .user_us = 750e3, .system_us = 250e3}};
    add_window(out, "x_", start, end, 1'000'000, here);
    EXPECT_EQ(out.to_json(), "{\n \"x_seconds\": 2,\n \"x_messages\": 1000000,\n"
                             " \"x_messages_per_second\": 5e+05,\n"
                             " \"x_generator_us_per_message\": 0.5,\n"
                             " \"x_generator_cpu_share\": 0.25,\n"
                             " \"x_cpu_us_per_message\": 1,\n"
                             " \"x_cpu_user_us_per_message\": 0.75,\n"
                             " \"x_cpu_system_us_per_message\": 0.25,\n"
                             " \"x_broker_cpu_share\": 0.5\n}");
}

TEST(BrokerProcess, ReadsThisProcess) {
    const broker_process here(static_cast<std::uint32_t>(getpid()));
    const cpu_usage before = here.cpu();
    volatile unsigned work = 0;
    const nanoseconds end = own_cpu() + second_ns / 20;
    while (own_cpu() < end) {
        work = work + 1;
    }
    EXPECT_GT((here.cpu() - before).total_us, 30e3);
    EXPECT_GT(here.resident_bytes(), 100'000U);
}

TEST(BrokerProcess, AnUnknownProcessReadsAsZeroAndAMissingOneThrows) {
    EXPECT_EQ(broker_process(0).cpu().total_us, 0);
    EXPECT_EQ(broker_process(0).resident_bytes(), 0U);
    EXPECT_THROW((void)broker_process(4'194'305).cpu(), std::runtime_error);
}

} // namespace
} // namespace gv::load
