#!/bin/sh
# Writes kernel settings and prints each as it is then: sysctl_write.sh KEY VALUE..., keys as paths.
while [ $# -gt 0 ]; do
  if [ -e "/proc/sys/$1" ]; then
    printf '%s\n' "$2" >"/proc/sys/$1" || :
    printf '%s=' "$1"; cat "/proc/sys/$1"
  fi; shift 2
done
