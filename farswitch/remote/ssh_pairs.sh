#!/bin/sh
# Log in to nodes anew, some at a time, whatever connections are shared; print each one's name, the
# status of ssh, and its last line.
# Usage: ssh_pairs.sh SECONDS CONNECT TOGETHER NAME...
# shellcheck disable=SC2016  # for the inner shells
one='
said=$(timeout -k 1 "$1" ssh -n -o BatchMode=yes -o StrictHostKeyChecking=yes \
    -o ControlPath=none -o ConnectTimeout="$2" "$3" hostname 2>&1)
status=$?
echo "$3 $status $(echo "$said" | tr -d "\r" | sed "/^ *$/d" | tail -n 1)"
'
seconds=$1 connect=$2 together=$3
shift 3
printf '%s\n' "$@" | xargs -P "$together" -I NAME sh -c "$one" ssh "$seconds" "$connect" NAME
