#!/bin/sh
# Lists tables as they are, each after a line "---": guard_tables.sh WANTED NAME FAMILY...
# Where WANTED is yes also as they should be: the rules of standard input are loaded in a network
# namespace of its own and listed by the server's own nft. So both listings have the same form,
# whatever the version.
wanted=$1 name=$2
shift 2
for family; do printf '\n---\n'; nft -j list table "$family" "$name" 2>/dev/null; done
# shellcheck disable=SC2016 # the inner shell expands them
[ "$wanted" = no ] || exec unshare --net sh -c '
  name=$1; shift; nft -f - || exit
  for family; do printf "\n---\n"; nft -j list table "$family" "$name" 2>/dev/null; done
  exit 0' scratch "$name" "$@"
