// SPDX-License-Identifier: Apache-2.0
#include "broker/server/option_ref.hpp"

#include <array>

namespace gv::server {

std::string_view option_ref::key() const noexcept {
    return std::string_view(path_).substr(path_.rfind('.') + 1);
}

std::string_view applies_text(reload applies) noexcept {
    constexpr std::array<std::string_view, 3> texts{"live", "new connections", "restart"};
    return texts[static_cast<std::size_t>(applies)];
}

} // namespace gv::server
