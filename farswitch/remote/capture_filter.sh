#!/bin/sh
# Translate a filter of pcap-filter(7) to classic BPF, twice: for frames as an interface has them,
# where a tag of VLAN may be beside the frame, and for frames within others, which have all of it.
# Usage: capture_filter.sh SNAPLEN FILTER
# Each program is in decimal numbers, as of `tcpdump -ddd`: the count of steps, then a step a line.
# Status 69 (EX_UNAVAILABLE of sysexits.h): there is no tcpdump.
command -v tcpdump >/dev/null || exit 69
tcpdump -i lo -s "$1" -ddd -- "$2" && tcpdump -y EN10MB -s "$1" -ddd -- "$2"
