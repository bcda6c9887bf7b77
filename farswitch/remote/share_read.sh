#!/bin/sh
# Print owner and first line of each file in a folder, without a process a file: they are many.
# Usage: share_read.sh FOLDER
cd "$1" || exit
stat -c '%u %n' -- * | while read -r uid file; do
    [ -f "$file" ] || continue
    line=
    read -r line <"$file"
    echo "$uid $line"
done
