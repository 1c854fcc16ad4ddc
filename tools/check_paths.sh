#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails if a file names a path of the machine it was written on. Takes the root of the tree.
set -eu
cd "${1:-.}"
found=$(grep -rnIE '(^|[^A-Za-z0-9_./$+#-])/(home|root|work|workspace|Users|mnt|tmp|var/tmp)/[A-Za-z0-9_]' \
    --exclude=.git --exclude-dir=.git --exclude-dir=build --exclude-dir=corpus --exclude-dir=node_modules . || true)
[ -z "$found" ] && exit 0
echo "$found" >&2
echo "A path of one machine means nothing on another." >&2
exit 1
