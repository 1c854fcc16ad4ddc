# SPDX-License-Identifier: Apache-2.0
# Third parties, all from Debian 12 packages (tools/packages.txt).
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(RocksDB REQUIRED)
