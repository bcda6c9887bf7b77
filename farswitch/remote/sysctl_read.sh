#!/bin/sh
# Reads kernel settings: sysctl_read.sh KEY... -- OUR_FILE..., keys as paths. Prints PATH=VALUE,
# FOLDER and LATER lines, then the files. LATER is what other files of sysctl.d(5) say of the keys.
while [ "$1" != -- ]; do
  if [ -e "/proc/sys/$1" ]; then printf '%s=' "$1"; cat "/proc/sys/$1"; fi; shift
done; shift
for file; do for folder in "${file%/*}" "${file%/*/*}"; do
  [ ! -d "$folder" ] || printf 'FOLDER %s\n' "$folder"
done; done
for other in /etc/sysctl.d/*.conf /etc/sysctl.conf; do
  [ ! -f "$other" ] || [ -L "$other" ] ||
    sed -n "/ip_forward\|bridge-nf/s|^|LATER $other |p" "$other"
done
for file; do
  if [ -e "$file" ]; then printf '\nFILE %s\n' "$file"; cat "$file"; fi
done
