#!/bin/sh
# Print the bytes and frames that interfaces received and sent; one that is not there is an error.
# Usage: nic_counters.sh INTERFACE...
cd /sys/class/net || exit 1
for name in "$@"; do
    received=$(cat "$name/statistics/rx_bytes") || exit
    sent=$(cat "$name/statistics/tx_bytes") || exit
    frames_in=$(cat "$name/statistics/rx_packets") || exit
    frames_out=$(cat "$name/statistics/tx_packets") || exit
    echo "$name $received $sent $frames_in $frames_out"
done
