#!/bin/sh
# Print owner and content of each file in a folder.
# Usage: share_read.sh FOLDER
cd "$1" || exit
for file in *; do [ ! -f "$file" ] || echo "$(stat -c %u "$file") $(cat "$file")"; done
