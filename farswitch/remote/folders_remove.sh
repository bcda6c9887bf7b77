#!/bin/sh
# Removes a pool's folder, and those above it, COUNT in all, as far as they are empty: `sh
# folders_remove.sh FOLDER COUNT`. The mark in the folder goes in any case.
folder=$1 count=$2
rm -f -- "$folder/.farswitch"
while [ "$count" -gt 0 ]; do
  [ ! -e "$folder" ] || rmdir -- "$folder" 2>/dev/null || exit 0
  folder=$(dirname -- "$folder") count=$((count - 1))
done
