#!/bin/sh
# Prints the rules of a guest's firewall tools, each after a line "=== TOOL"; "=== unseen TOOL" where
# the kernel may have rules and the program is missing. A kernel without nf_tables, or whose module
# was never loaded, has no rules that nft could show. The list of a legacy tool's tables is empty
# where it was never used: looking would make them. An older iptables is a legacy one under its
# plain name: its version names no nf_tables.
if command -v nft >/dev/null; then echo '=== nft'; nft -j list ruleset || exit
elif grep -qs ' nf_tables_newtable' /proc/kallsyms || ! grep -qs . /proc/kallsyms; then
  echo '=== unseen nft'
fi
legacy() {
  grep -qs . "/proc/net/$1_tables_names" || return 0
  tool=$2-legacy
  if ! command -v "$tool-save" >/dev/null; then
    tool=$2
    case $("$tool" --version 2>/dev/null) in ''|*nf_tables*) tool=;; esac
  fi
  if [ "$tool" ]; then printf '\n=== %s\n' "$tool"; "$tool-save" || exit
  else printf '\n=== unseen %s-legacy\n' "$2"; fi
}
legacy ip iptables
legacy ip6 ip6tables
