#!/bin/sh
# Prints what a matrix has counted: matrix_read.sh TABLE PORT|PORT...
# First seconds since the boot and whether the ports counted nothing meanwhile, then the ports' lines
# of /proc/net/dev, and behind a line "---" the table as nft lists it.
table=$1 ports=$2
counters() { grep -E "^ *($ports):" /proc/net/dev; }
tries=0
while :; do
  before=$(counters)
  listed=$(nft -j list table netdev "$table") || exit
  after=$(counters)
  tries=$((tries + 1))
  if [ "$before" = "$after" ]; then word=steady; break; fi
  if [ $tries -ge 5 ]; then word=moving; break; fi
done
read -r up _ </proc/uptime
printf '%s %s\n%s\n---\n%s\n' "$up" "$word" "$after" "$listed"
