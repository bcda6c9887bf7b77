#!/bin/sh
# Print each running domain of QEMU, and for how many seconds its process runs.
# Of the process and not of a file's date: the clock may have been set since.
read -r up _ </proc/uptime
ticks=$(getconf CLK_TCK)
for file in /run/libvirt/qemu/*.pid; do
  [ -e "$file" ] || continue
  pid=
  read -r pid <"$file" || [ "$pid" ] || continue # libvirt ends the line with the file
  { read -r line <"/proc/$pid/stat"; } 2>/dev/null || continue
  # Field 22 of proc(5) is the start; the second one is a name in brackets, with any character.
  # shellcheck disable=SC2086  # fields
  set -- ${line##*) }
  name=${file##*/}
  echo "${name%.pid} $((${up%.*} - ${20} / ticks))"
done
