// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"
#include "broker/server/loss_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gv::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LossReport : public testing::Test {
  protected:
    LossReport() {
        log::settings wanted;
        wanted.sink = [this](std::string_view line) { lines.emplace_back(line); };
        EXPECT_EQ(log::configure(wanted), "");
    }
    ~LossReport() override { log::shutdown(); }

    const std::vector<std::string>& tell() {
        lines.clear();
        report.tell(total);
        return lines;
    }

    std::vector<std::string> lines;
    shard_metrics total;
    loss_report report;
};

TEST_F(LossReport, SaysNothingIfNothingWasLost) {
    EXPECT_THAT(tell(), IsEmpty());
    total.messages_sent.values[0].set(1000);
    EXPECT_THAT(tell(), IsEmpty());
}

TEST_F(LossReport, TellsDropsOnceByReason) {
    total.messages_dropped.set(drop_reason::queue_full, 30);
    total.messages_dropped.set(drop_reason::expired, 2);
    EXPECT_THAT(tell(), ElementsAre(HasSubstr("messages_dropped queue_full=30 slow_reader=0 "
                                              "expired=2 packet_too_large=0 client_offline=0")));
    EXPECT_THAT(tell(), IsEmpty());
    total.messages_dropped.set(drop_reason::queue_full, 35);
    EXPECT_THAT(tell(), ElementsAre(HasSubstr("queue_full=5 slow_reader=0 expired=0")));
}

TEST_F(LossReport, WhatIsNobodysFaultIsNoWarning) {
    total.messages_dropped.set(drop_reason::expired, 2);
    total.messages_dropped.set(drop_reason::client_offline, 2);
    total.messages_dropped.set(drop_reason::packet_too_large, 2);
    EXPECT_THAT(tell(), IsEmpty());
}

TEST_F(LossReport, TellsWhoWasHeld) {
    total.holds.set(4);
    total.held.set(1'500'000'000);
    total.held_publishers.set(1);
    EXPECT_THAT(tell(),
                ElementsAre(HasSubstr(
                    "publishers_held times=4 held_ms=1500 held_now=1 clients_found_slow=0")));
    EXPECT_THAT(tell(), IsEmpty());
    total.slow_readers.set(2);
    EXPECT_THAT(tell(),
                ElementsAre(HasSubstr("times=0 held_ms=0 held_now=1 clients_found_slow=2")));
}

} // namespace
} // namespace gv::server
