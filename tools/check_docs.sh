#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails if README.md names a folder that does not exist or does not name one that does, or if a
# relative link in a document leads nowhere. A folder is named as `folder/` at the start of a line
# of the map. Takes the root of the tree.
set -eu
cd "${1:-.}"
failed=0
complain() {
    echo "$1" >&2
    failed=1
}

map=$(sed -n '/^## The tree/,/^## /p' README.md)
named=$(echo "$map" | sed -n 's/^ *`\{0,1\}\([A-Za-z_.][A-Za-z_./]*\)\/`\{0,1\} .*/\1/p')
[ -n "$named" ] || complain "README.md: no map of the tree under '## The tree'"
for folder in $named; do
    [ -d "$folder" ] || complain "README.md: folder $folder/ does not exist"
done
for folder in $(find . -maxdepth 1 -type d ! -name . ! -name .git ! -name build ! -name .cache) \
    $(find broker bench docs -mindepth 1 -maxdepth 1 -type d ! -name '__pycache__'); do
    folder=${folder#./}
    echo "$named" | grep -qxF "$folder" || complain "README.md: folder $folder/ is not named"
done

for page in README.md CHANGELOG.md $(find docs bench deploy -name '*.md'); do
    for link in $(sed 's/```.*//; s/`[^`]*`//g' "$page" | grep -o '](\([^)#]*\)' | sed 's/](//'); do
        case $link in
            *://* | mailto:*) ;;
            *) [ -e "$(dirname "$page")/$link" ] || complain "$page: $link does not exist" ;;
        esac
    done
done
exit "$failed"
