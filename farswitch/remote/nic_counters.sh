#!/bin/sh
# Print the bytes that interfaces received and sent; one that is not there is an error.
# Usage: nic_counters.sh INTERFACE...
cd /sys/class/net || exit 1
for name in "$@"; do
    received=$(cat "$name/statistics/rx_bytes") || exit
    sent=$(cat "$name/statistics/tx_bytes") || exit
    echo "$name $received $sent"
done
