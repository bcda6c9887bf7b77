#!/bin/sh
# Removes the rules with our mark from one nft chain: undo_narrow.sh MARK FAMILY TABLE CHAIN
mark=$1; shift
listed=$(nft -a list chain "$@") || exit
failed=0
for handle in $(echo "$listed" | sed -n "s/.* comment \"$mark\" # handle //p"); do
  nft delete rule "$@" handle "$handle" || failed=1
done
exit $failed
