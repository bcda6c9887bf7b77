#!/bin/sh
# Print the state of a node's automount unit, how an access to the share ended, and its mount.
# Usage: nfs_mount.sh SHARE UNIT SECONDS
# `stat -f` asks the file system itself. What hangs in NFS or in an automount ends by SIGKILL.
echo "unit $(systemctl is-active "$2")"
timeout -k 1 "$3" stat -f -c "access %T" "$1" 2>&1 || echo "status $?"
findmnt -n -r -t nfs,nfs4 -o SOURCE,FSTYPE,OPTIONS --mountpoint "$1" | tail -n 1 | sed "s/^/mount /"
