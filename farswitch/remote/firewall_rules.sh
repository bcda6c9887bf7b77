#!/bin/sh
# Prints the rules of all firewall tools, each after a line "=== TOOL"; nft's first and, to see
# whether they changed meanwhile, last. A legacy tool makes its tables by looking at them: it is
# asked only where the kernel has some.
command -v nft >/dev/null || { printf '=== missing\nnft'; exit; }
printf '=== nft\n'; nft -j list ruleset
save() { printf '\n=== %s\n' "$1"; "$1-save" || exit; }
for tool in iptables-nft ip6tables-nft ebtables-nft; do
  if command -v "$tool-save" >/dev/null; then save "$tool"; fi
done
legacy() {
  if command -v "$1-save" >/dev/null; then save "$1"
  else printf '\n=== missing\n%s' "$1"; exit; fi
}
if grep -qs . /proc/net/ip_tables_names; then legacy iptables-legacy; fi
if grep -qs . /proc/net/ip6_tables_names; then legacy ip6tables-legacy; fi
if grep -qs '^ebtable_' /proc/modules; then legacy ebtables-legacy; fi
printf '\n=== again\n'; nft -j list ruleset
