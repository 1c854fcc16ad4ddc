// SPDX-License-Identifier: Apache-2.0
// Messages about routes in one line, for reading a run that failed.
#pragma once

#include "cluster/route_message.hpp"

#include <string>

namespace gv::cluster::testing {

struct route_describer {
    static std::string text(const route_destination& stream, const route_generation& of) {
        return std::to_string(stream.number) + "@" + std::to_string(of.epoch) + "/"
               + std::to_string(of.author.value) + "/" + std::to_string(of.boot.value);
    }
    static std::string text(const std::vector<route_change>& rows) {
        std::string all;
        for (const route_change& each : rows) {
            all += (each.is_removal ? " -" : " +") + each.filter
                   + (each.group.empty() ? "" : "|" + each.group);
        }
        return all;
    }
    std::string operator()(const route_digests& m) const {
        std::string all = "digests";
        for (const stream_digest& each : m.streams) {
            all += " " + text(each.stream, each.of) + ":" + std::to_string(each.seq);
        }
        return all;
    }
    std::string operator()(const route_deltas& m) const {
        return "deltas " + text(m.stream, m.of) + " from " + std::to_string(m.first_seq)
               + text(m.changes);
    }
    std::string operator()(const route_applied& m) const {
        std::string all = "applied";
        for (const stream_position& each : m.positions) {
            all += " " + text(each.stream, each.of) + ":" + std::to_string(each.since) + "-"
                   + std::to_string(each.applied);
        }
        return all;
    }
    std::string operator()(const resend_request& m) const {
        return "resend? " + text(m.stream, m.of) + " after " + std::to_string(m.after);
    }
    std::string operator()(const hashes_request& m) const {
        return "hashes? " + std::to_string(m.stream.number);
    }
    std::string operator()(const stream_hashes& m) const {
        return "hashes " + text(m.stream, m.of) + ":" + std::to_string(m.seq);
    }
    std::string operator()(const page_request& m) const {
        return "page? " + text(m.stream, m.of) + " number " + std::to_string(m.number) + " from "
               + std::to_string(m.cursor);
    }
    std::string operator()(const route_page& m) const {
        return "page " + text(m.stream, m.of) + ":" + std::to_string(m.seq) + " number "
               + std::to_string(m.number) + (m.is_last ? " last" : "") + text(m.rows);
    }
};

} // namespace gv::cluster::testing
