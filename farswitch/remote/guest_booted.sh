#!/bin/sh
# Wait for the end of the boot, and of cloud-init where the image runs it; print systemd's state,
# the guest's name, its addresses and its links. Status 3: cloud-init did not end well. Without a
# state, or with status 124, the time was not enough.
# Usage: guest_booted.sh SECONDS
[ ! -d /run/cloud-init ] || timeout "$1" cloud-init status --wait >/dev/null ||
  { [ $? -ne 124 ] || exit 124; exit 3; }
state=$(timeout "$1" systemctl is-system-running --wait)
echo "$state"
uname -n
ip -4 -o address show
ip -o link
