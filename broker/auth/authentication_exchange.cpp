// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/authentication_exchange.hpp"

#include <algorithm>

namespace gv::auth {

const authentication_method* authentication_methods::find(std::string_view name) const noexcept {
    const auto found =
        std::ranges::find_if(offered_, [&](const auto& one) { return one->name() == name; });
    return found == offered_.end() ? nullptr : found->get();
}

} // namespace gv::auth
