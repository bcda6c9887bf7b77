#!/bin/sh
# Log in to nodes, some at a time; print each one's name, the status of ssh, and its last line.
# Usage: ssh_pairs.sh SECONDS TOGETHER NAME...
# shellcheck disable=SC2016  # for the inner shells
one='
said=$(timeout -k 1 "$1" ssh -n -o BatchMode=yes -o StrictHostKeyChecking=yes \
    -o ConnectTimeout=15 "$2" hostname 2>&1)
status=$?
echo "$2 $status $(echo "$said" | tr -d "\r" | sed "/^ *$/d" | tail -n 1)"
'
seconds=$1 together=$2
shift 2
printf '%s\n' "$@" | xargs -P "$together" -I NAME sh -c "$one" ssh "$seconds" NAME
