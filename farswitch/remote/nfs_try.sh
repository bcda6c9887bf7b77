#!/bin/sh
# Print the export table, and how a mount ended that must be refused: its status and last line.
# Usage: nfs_try.sh ADDRESS SHARE SECONDS TIMEO
# The head mounts from its own management address: its requests come from that address too.
exportfs -s | sed "s/^/export /"
folder=$(mktemp -d) || exit 1
trap 'umount -fl "$folder" 2>/dev/null; rmdir "$folder"' EXIT
trap 'exit 1' HUP INT TERM PIPE
said=$(timeout -k 1 "$3" mount -t nfs4 -o "vers=4.2,soft,timeo=$4,retrans=1,retry=0" \
    "$1:$2" "$folder" 2>&1)
echo "tried $? $(echo "$said" | tail -n 1)"
