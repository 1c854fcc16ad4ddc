// SPDX-License-Identifier: Apache-2.0
// What the machine is like, as far as the kernel tells. `root` is where its files are: "/", or a
// folder of a test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace gv::server {

/// What a file is on.
enum class device_kind : std::uint8_t {
    unknown,  ///< also: of the file systems that have no disk of their own, overlay and tmpfs
    card,     ///< SD card or eMMC
    usb_disk, ///< behind USB, and not known to be an SSD
    other,
};

struct machine_facts {
    std::uint64_t memory_bytes = 0; ///< that the process may have; 0: unknown
    device_kind device = device_kind::unknown;
};

/// The smaller of the memory of the machine and the limits of the control groups that the process
/// is in, version 1 or 2. 0: unknown.
[[nodiscard]] std::uint64_t memory_limit(const std::filesystem::path& root = "/");

/// Of the block device `number` ("8:1"), or the slowest kind of those that it is made of.
[[nodiscard]] device_kind kind_of_device(const std::string& number,
                                         const std::filesystem::path& root = "/");

/// Of the device that `folder` is on, or would be if it were made.
[[nodiscard]] device_kind kind_of_folder(const std::filesystem::path& folder);

} // namespace gv::server
