// SPDX-License-Identifier: Apache-2.0
#include "storage/io_failure.hpp"

namespace gv::storage {

std::string_view to_text(io_operation operation) noexcept {
    switch (operation) {
    case io_operation::create:
        return "create";
    case io_operation::append:
        return "append";
    case io_operation::flush:
        return "flush";
    case io_operation::sync:
        return "sync";
    case io_operation::truncate:
        return "truncate";
    case io_operation::allocate:
        return "allocate";
    case io_operation::close:
        return "close";
    case io_operation::rename:
        return "rename";
    case io_operation::remove:
        return "remove";
    case io_operation::open_directory:
        return "open directory";
    case io_operation::sync_directory:
        return "sync directory";
    case io_operation::read:
        return "read";
    }
    return "unknown";
}

std::string_view to_text(io_fault fault) noexcept {
    switch (fault) {
    case io_fault::no_space:
        return "no space";
    case io_fault::sync_failed:
        return "sync failed";
    case io_fault::other:
        return "other";
    }
    return "unknown";
}

} // namespace gv::storage
