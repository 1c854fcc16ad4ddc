#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails if clang-format-19 would change a source. Takes the root of the tree.
set -eu
cd "${1:-.}"
find base storage broker cluster bench tests -name '*.[ch]pp' -print0 |
    xargs -0 clang-format-19 --dry-run -Werror
