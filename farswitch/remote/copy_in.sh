#!/bin/sh
# Give the user who runs this a file: standard input, written beside, compared, renamed. Its path
# starts at the home; where a folder is there, it is NAME in it. Prints what is to be done ("none",
# "write" or "remove") and the path; with `look` does nothing more.
# Usage: copy_in.sh look|act PATH NAME [MODE SIZE]   (without MODE and SIZE the file goes)
set -eCu
umask 077
cd "$(getent passwd "$(id -u)" | cut -d: -f6)"

path=$2
[ ! -d "$path" ] || path=${path%/}/$3
case $path in
  /*) ;;
  *) path=${PWD%/}/$path ;;
esac

if [ $# -eq 3 ]; then
  if [ ! -e "$path" ] && [ ! -L "$path" ]; then echo "none $path"; exit; fi
  [ "$1" = look ] || rm -f -- "$path"
  echo "remove $path"
  exit
fi

same() { cmp -s -- "$1" "$path" && [ "$(stat -c %a -- "$path")" = "$4" ]; }
if [ "$1" = look ]; then
  if same - "$2" "$3" "$4"; then echo "none $path"; else echo "write $path"; fi
  exit
fi

beside="$path.farswitch.$$"
trap 'rm -f -- "$beside"' EXIT
trap 'exit 129' HUP INT TERM PIPE
cat > "$beside"
# The size is compared because a login that dies in the middle looks like the input's end.
if [ "$(wc -c < "$beside")" -ne "$5" ]; then echo "the input was cut" >&2; exit 65; fi # EX_DATAERR
if same "$beside" "$2" "$3" "$4"; then echo "none $path"; exit; fi
chmod -- "$4" "$beside"
mv -fT -- "$beside" "$path"
echo "write $path"
