#!/bin/sh
# Print each running domain of QEMU, for how many seconds its process runs, how many milliseconds of
# the processors that used, and how many bytes of memory it takes up. libvirt looks the last two up
# as well, and takes 5 ms a domain for it.
# The age of the process and not of a file: the clock may have been set since.
read -r up _ </proc/uptime
ticks=$(getconf CLK_TCK) page=$(getconf PAGESIZE)
for file in /run/libvirt/qemu/*.pid; do
  [ -e "$file" ] || continue
  pid=
  read -r pid <"$file" || [ "$pid" ] || continue # libvirt ends the line with the file
  { read -r line <"/proc/$pid/stat"; } 2>/dev/null || continue
  # Fields 14, 15, 22 and 24 of proc(5), stat: user's and system's time, the start, and the resident
  # set. The second one is a name in brackets, with any character.
  # shellcheck disable=SC2086  # fields
  set -- ${line##*) }
  name=${file##*/}
  echo "${name%.pid} $((${up%.*} - ${20} / ticks)) $(((${12} + ${13}) * 1000 / ticks)) $((${22} * page))"
done
