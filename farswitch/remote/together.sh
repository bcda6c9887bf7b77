#!/bin/sh
# Run scripts one after the other, each with its own arguments in a subshell; print MARK and its
# status after each, on both outputs. COUNT is the number of words of a script: text and arguments.
# Usage: together.sh MARK (COUNT SCRIPT ARGUMENT...)...
mark=$1
shift
while [ $# -gt 0 ]; do
  count=$1
  shift
  (
    others=$(($# - count)) moved=0
    while [ "$moved" -lt "$count" ]; do # behind the words of the others, which are dropped then
      set -- "$@" "$1"
      shift
      moved=$((moved + 1))
    done
    shift "$others"
    script=$1
    shift
    eval "$script"
  ) </dev/null
  status=$?
  printf '%s %d\n' "$mark" "$status"
  printf '%s %d\n' "$mark" "$status" >&2
  shift "$count"
done
