#!/bin/sh
# Write a file into the share as the cluster's user, then as root; print how both ended.
# Usage: share_write.sh FOLDER WORD NAME SECONDS COMMAND...   (what becomes the user)
folder=$1 word=$2 name=$3 seconds=$4
shift 4
say() { echo "$@" | tr "\n" " "; echo; }
# shellcheck disable=SC2016  # for the inner shell
said=$(timeout -k 1 "$seconds" "$@" sh -c 'echo "$2 $3" >"$1/$3" && sync "$1/$3"' \
    write "$folder" "$word" "$name" 2>&1)
status=$?
say "write $status $said"
[ $status -eq 0 ] || exit 0
# shellcheck disable=SC2016
said=$(timeout -k 1 "$seconds" sh -c 'touch "$1" && stat -c %u "$1"' \
    root "$folder/root/$name" 2>&1)
say "root $? $said"
