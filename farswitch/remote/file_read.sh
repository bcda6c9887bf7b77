#!/bin/sh
# Print the first LIMIT bytes of a file; status 66 (EX_NOINPUT of sysexits.h) when there is none.
# Usage: file_read.sh PATH LIMIT
[ -e "$1" ] || exit 66
exec head -c "$2" -- "$1"
