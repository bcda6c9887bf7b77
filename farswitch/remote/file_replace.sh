#!/bin/sh
# Replace a file whole by standard input: written beside, synced, renamed, its folder synced. With
# a path alone remove the file, and sync its folder; status 66 (EX_NOINPUT of sysexits.h) when there
# is none.
# Usage: file_replace.sh PATH [MODE OWNER SIZE]
set -eCu
umask 077

# What a server was writing when it lost its power, which no trap removes. Seven minutes are longer
# than a replacing takes on the slowest machine: a process of that number is another one then.
for old in "$1".farswitch.[0-9]*; do
  [ -e "$old" ] || continue
  pid=${old##*.}
  if [ "$pid" = $$ ] || [ ! -d "/proc/$pid" ] || [ "$(find "$old" -mmin +7)" ]; then
    rm -f -- "$old"
  fi
done

folder=${1%/*}
if [ $# -eq 1 ]; then
  [ -e "$1" ] || [ -L "$1" ] || exit 66
  rm -f -- "$1" # somebody else may have been quicker
  # Another cluster's run may remove the folder here, too: then nothing is left to sync.
  sync -- "${folder:-/}" 2>/dev/null || [ ! -d "${folder:-/}" ]
  exit
fi

beside="$1.farswitch.$$"
# Another cluster's run removes the folder when it finds it empty, as it may be right here.
# `:` would end the script where it cannot write, being a special built-in (POSIX 2.8.1).
enter() { { [ -d "${folder:-/}" ] || (umask 022; mkdir -p -- "$folder"); } && true > "$beside"; }
tries=0
until enter 2>/dev/null; do
  tries=$((tries + 1))
  if [ $tries -gt 50 ]; then enter || exit 73; fi # EX_CANTCREAT, and why
done
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
