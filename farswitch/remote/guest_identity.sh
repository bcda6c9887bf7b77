#!/bin/sh
# Print who a guest is: its name, its user's ids, its NICs, addresses and default routes.
# Usage: guest_identity.sh USER
echo "hostname $(hostname)"
echo "user $(id -u "$1" 2>/dev/null) $(id -g "$1" 2>/dev/null)"
for nic in /sys/class/net/*; do
    nic=${nic##*/}
    echo "nic $nic $(cat "/sys/class/net/$nic/address") $(($(cat "/sys/class/net/$nic/flags") & 1))"
done
ip -4 -o address show
ip -4 route show default
