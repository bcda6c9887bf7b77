#!/bin/sh
# Replace a file whole by standard input: written beside, synced, renamed, its folder synced. With
# a path alone remove the file; status 66 (EX_NOINPUT of sysexits.h) when there is none.
# Usage: file_replace.sh PATH [MODE OWNER SIZE]
set -eCu
umask 077

# What a server was writing when it lost its power, which no trap removes. Two minutes are longer
# than a replacing takes: a process of that number is another one then.
for old in "$1".farswitch.[0-9]*; do
  [ -e "$old" ] || continue
  pid=${old##*.}
  if [ "$pid" = $$ ] || [ ! -d "/proc/$pid" ] || [ "$(find "$old" -mmin +2)" ]; then
    rm -f -- "$old"
  fi
done

if [ $# -eq 1 ]; then
  [ -e "$1" ] || [ -L "$1" ] || exit 66
  exec rm -- "$1"
fi

folder=${1%/*}
[ -d "${folder:-/}" ] || (umask 022; mkdir -p -- "$folder")
beside="$1.farswitch.$$"
true > "$beside"
trap 'rm -f -- "$beside"' EXIT
trap 'exit 129' HUP INT TERM PIPE
cat >> "$beside"
# The size is compared because a login that dies in the middle looks like the input's end.
if [ "$(wc -c < "$beside")" -ne "$4" ]; then echo "the input was cut" >&2; exit 65; fi
chown -- "$3" "$beside"
chmod -- "$2" "$beside"
sync -- "$beside"
mv -fT -- "$beside" "$1"
trap - EXIT
sync -- "${folder:-/}"
