#!/bin/sh
# Removes what a domain leaves on its hypervisor once it is undefined: `sh domain_files.sh LOGS NAME
# SHORT FOLDER...`. SHORT is its name as libvirt cuts it; empty where another domain has the same.
# libvirt has a folder `domain-ID-SHORT` in each FOLDER for each domain that runs: after a power
# cut it stays, and the domain's next start has another id.
cd "$1" && rm -f -- "$2.log" "$2.log".[0-9]* "$2-console.log" "$2-console.log".[0-9]*
short=$3
shift 3
for folder; do
  for left in "$folder"/domain-*-"$short"; do
    id=${left##*/domain-}
    id=${id%"-$short"}
    case $id in ''|*[!0-9]*) ;; *) [ -z "$short" ] || rm -rf -- "$left" ;; esac
  done
done
