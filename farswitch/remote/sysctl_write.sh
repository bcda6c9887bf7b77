#!/bin/sh
# Writes kernel settings and prints each as it is then: sysctl_write.sh KEY VALUE..., keys as paths.
# One whose interface has gone is passed over.
while [ $# -gt 0 ]; do
  if [ -e "/proc/sys/$1" ]; then
    printf '%s\n' "$2" >"/proc/sys/$1" || :
    if value=$(cat "/proc/sys/$1"); then printf '%s=%s\n' "$1" "$value"; fi
  fi; shift 2
done
