#!/bin/sh
# Reads kernel settings: sysctl_read.sh KEY... -- OUR_FILE..., keys as paths, maybe with a `*`.
# Prints PATH=VALUE, FOLDER and SETS lines, then the files. SETS is what other files of sysctl.d(5)
# say of the keys. An interface may go, and its settings with it, while they are read.
while [ "$1" != -- ]; do
  # shellcheck disable=SC2086 # for its pattern; no path below /proc/sys has a blank
  grep -sH '' /proc/sys/$1 | sed 's|^/proc/sys/||; s|:\([^:]*\)$|=\1|'
  shift
done; shift
for file; do for folder in "${file%/*}" "${file%/*/*}"; do
  [ ! -d "$folder" ] || printf 'FOLDER %s\n' "$folder"
done; done
for other in /usr/lib/sysctl.d/*.conf /run/sysctl.d/*.conf /etc/sysctl.d/*.conf /etc/sysctl.conf; do
  for file; do [ "$file" != "$other" ] || continue 2; done
  [ ! -f "$other" ] || [ -L "$other" ] ||
    sed -n "/^[^#;]*\(ip_forward\|bridge-nf\|forwarding\|accept_redirects\)/s|^|SETS $other |p" \
      "$other"
done
for file; do
  if [ -e "$file" ]; then printf '\nFILE %s\n' "$file"; cat "$file"; fi
done
