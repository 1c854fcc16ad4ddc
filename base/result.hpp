// SPDX-License-Identifier: Apache-2.0
// result<T>: the value or the error of a function that can fail. The error alphabet depends on
// whose fault it is: a peer's is mqtt::violation, the world's is boost::system::error_code or a
// problem (one sentence for a person), ours is BROKER_ASSERT.
#pragma once

#include <boost/system/error_code.hpp>

#include <expected>
#include <string>

namespace gv {

template <typename T, typename Error = boost::system::error_code>
using result = std::expected<T, Error>;

template <typename Error>
[[nodiscard]] auto failure(Error error) {
    return std::unexpected<Error>(std::move(error));
}

/// Something wrong in what a person gave us: the place ("grapevine.toml:12", "--port"), what is
/// wrong there, and what to do about it.
struct problem {
    std::string place;
    std::string what;
    std::string remedy;

    friend bool operator==(const problem&, const problem&) = default;
};

} // namespace gv
