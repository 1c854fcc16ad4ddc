// SPDX-License-Identifier: Apache-2.0
// The arguments of programs that run a simulation: --seed N [--count M].
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string_view>

namespace gv::support {

struct seed_range {
    std::uint64_t first = 0;
    std::uint64_t count = 1;
};

/// Nothing, and the usage on stderr, if they are anything else.
[[nodiscard]] inline std::optional<seed_range> read_seeds(int argc, char** argv,
                                                          std::string_view program) {
    seed_range range;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name(argv[i]);
        if (i + 1 == argc || (name != "--seed" && name != "--count")) {
            std::cerr << "usage: " << program << " --seed N [--count M]\n";
            return std::nullopt;
        }
        (name == "--seed" ? range.first : range.count) = std::strtoull(argv[i + 1], nullptr, 10);
    }
    return range;
}

} // namespace gv::support
