// SPDX-License-Identifier: Apache-2.0
#include "broker/server/machine.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace gv::server {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;

/// A root with the files that a test gives it.
class Machine : public testing::Test {
  protected:
    Machine() { fs::create_directories(root); }
    ~Machine() override { fs::remove_all(root); }

    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((root / name).parent_path());
        std::ofstream(root / name) << text;
    }
    void write_memory(std::uint64_t mebibytes) const {
        write("proc/meminfo",
              "MemTotal:  " + std::to_string(mebibytes << 10) + " kB\nMemFree:  1 kB\n");
    }
    /// A block device that the kernel has as `path` below /sys/devices.
    void add_device(const std::string& number, const std::string& path) const {
        const fs::path folder = root / "sys/devices" / path;
        fs::create_directories(folder);
        fs::create_directories(root / "sys/dev/block");
        fs::create_symlink(folder, root / "sys/dev/block" / number);
    }

    fs::path root =
        fs::temp_directory_path() / ("grapevine_machine_test_" + std::to_string(::getpid()));
};

TEST_F(Machine, WithoutAWordHasUnknownMemory) { EXPECT_EQ(memory_limit(root), 0U); }

TEST_F(Machine, HasTheMemoryThatIsInstalled) {
    write_memory(3800);
    EXPECT_EQ(memory_limit(root), 3800 * mebibyte);
    write("proc/self/cgroup", "0::/\n");
    EXPECT_EQ(memory_limit(root), 3800 * mebibyte);
}

TEST_F(Machine, IsLimitedByItsGroupAndThoseAbove) {
    write_memory(3800);
    write("proc/self/cgroup", "0::/system.slice/grapevine.service\n");
    write("sys/fs/cgroup/system.slice/grapevine.service/memory.max", "max\n");
    EXPECT_EQ(memory_limit(root), 3800 * mebibyte);
    write("sys/fs/cgroup/system.slice/memory.max", std::to_string(900 * mebibyte) + "\n");
    EXPECT_EQ(memory_limit(root), 900 * mebibyte);
    write("sys/fs/cgroup/system.slice/grapevine.service/memory.max",
          std::to_string(256 * mebibyte) + "\n");
    EXPECT_EQ(memory_limit(root), 256 * mebibyte);
}

TEST_F(Machine, InAContainerSeesTheTopOfItsGroupsAlone) {
    write_memory(3800);
    write("proc/self/cgroup", "9:cpu:/docker/abc\n4:hugetlb,memory:/docker/abc\n0::/\n");
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", std::to_string(512 * mebibyte));
    EXPECT_EQ(memory_limit(root), 512 * mebibyte);
}

TEST_F(Machine, OfVersion1WithoutALimitIsNotLimited) {
    write_memory(3800);
    write("proc/self/cgroup", "4:memory:/\n");
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(memory_limit(root), 3800 * mebibyte);
}

TEST_F(Machine, TellsACardByItsName) {
    add_device("179:0", "platform/soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0");
    add_device("179:2", "platform/soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p2");
    write("sys/devices/platform/soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p2/partition",
          "2\n");
    EXPECT_EQ(kind_of_device("179:0", root), device_kind::card);
    EXPECT_EQ(kind_of_device("179:2", root), device_kind::card);
}

TEST_F(Machine, TellsAStickFromAnSsdBehindUsb) {
    const std::string usb = "pci0000:00/0000:00:14.0/usb1/1-1/host0/target0:0:0/block/sda";
    add_device("8:1", usb + "/sda1");
    write("sys/devices/" + usb + "/sda1/partition", "1\n");
    write("sys/devices/" + usb + "/queue/rotational", "1\n");
    EXPECT_EQ(kind_of_device("8:1", root), device_kind::usb_disk);
    write("sys/devices/" + usb + "/queue/rotational", "0\n");
    EXPECT_EQ(kind_of_device("8:1", root), device_kind::other);
}

TEST_F(Machine, DoesNotTakeADiskThatRotatesForASlowMachine) {
    add_device("254:0", "pci0000:00/0000:00:02.0/virtio1/block/vda");
    write("sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda/queue/rotational", "1\n");
    EXPECT_EQ(kind_of_device("254:0", root), device_kind::other);
}

TEST_F(Machine, LooksThroughEncryption) {
    add_device("179:0", "platform/soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0");
    add_device("253:0", "virtual/block/dm-0");
    fs::create_directories(root / "sys/devices/virtual/block/dm-0/slaves");
    fs::create_symlink(root / "sys/devices/platform/soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0",
                       root / "sys/devices/virtual/block/dm-0/slaves/mmcblk0");
    EXPECT_EQ(kind_of_device("253:0", root), device_kind::card);
}

TEST_F(Machine, DoesNotKnowFileSystemsWithoutADisk) {
    EXPECT_EQ(kind_of_device("0:52", root), device_kind::unknown);
}

TEST_F(Machine, IsThisOne) {
    EXPECT_GT(memory_limit(), 0U);
    EXPECT_EQ(kind_of_folder(root / "not/there/yet"), kind_of_folder(root));
}

} // namespace
} // namespace gv::server
