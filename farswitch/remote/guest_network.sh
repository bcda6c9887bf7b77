#!/bin/sh
# Print how a guest sends and receives on its data network, a section for each kind of thing.
# Usage: guest_network.sh NIC SETTING...   (settings by their path below /proc/sys)
nic=$1
shift
echo '=== link'; ip -o link show dev "$nic" 2>/dev/null
echo '=== address'; ip -4 -o address show
echo '=== route'; ip -4 -o route show table all
echo '=== rule'; ip -4 -o rule show
echo '=== neighbour'; ip -4 -o neighbour show nud all dev "$nic" 2>/dev/null
echo '=== policy'; ip -o xfrm policy show 2>/dev/null  # needs a module that most guests lack
echo '=== setting'
for name; do [ ! -e "/proc/sys/$name" ] || echo "$name $(cat "/proc/sys/$name")"; done
