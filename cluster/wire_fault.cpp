// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_fault.hpp"

#include <utility>

namespace gv::cluster {

namespace {

struct texts {
    std::string_view operator()(wire_fault fault) const noexcept {
        return wire_fault_texts[std::to_underlying(fault)];
    }
    std::string_view operator()(message_fault fault) const noexcept {
        return message_fault_texts[std::to_underlying(fault)];
    }
    std::string_view operator()(route_fault fault) const noexcept { return text_of(fault); }
};

} // namespace

std::string_view text_of(const decode_fault& fault) noexcept { return std::visit(texts{}, fault); }

} // namespace gv::cluster
