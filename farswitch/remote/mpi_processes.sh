#!/bin/sh
# What belongs to one MPI job on a guest. Usage: mpi_processes.sh sockets | sweep SECONDS
# The job's word comes on standard input: no process but the job's has it as an argument. A login
# that ends before it came leaves none, which every process would have.
# sockets: the ranks' pids, those of what started them, and all connections. A rank is a Python with
#   the word, its parent the launcher's proxy here; others with the word started the job.
# sweep: wait for the end of all, or kill them after SECONDS; how many are left, and "yes" if killed.
read -r word
if [ ${#word} -lt 16 ]; then echo "the input was cut" >&2; exit 65; fi
# shellcheck disable=SC2062  # a list of files, the pattern comes by -f
marked() { echo "$word" | grep -slaF -f - /proc/[0-9]*/cmdline | tr -dc '0-9\n'; }

sockets() {
    ranks=
    starters=
    for pid in $(marked); do
      case $(cat "/proc/$pid/comm" 2>/dev/null) in
      python3*)
        ranks="$ranks $pid"
        starters="$starters $(sed -n 's/^PPid://p' "/proc/$pid/status" 2>/dev/null)" ;;
      *) starters="$starters $pid" ;;
      esac
    done
    [ "$ranks" ] || exit 3
    # shellcheck disable=SC2086  # words, on one line
    echo $ranks
    # shellcheck disable=SC2086
    echo $starters
    ss -Htnp state established
}

sweep() {
    read -r up _ </proc/uptime
    end=$((${up%.*} + $1))
    killed=no
    while pids=$(marked); [ "$pids" ]; do
      read -r up _ </proc/uptime
      if [ "${up%.*}" -gt $((end + 5)) ]; then break; fi
      # shellcheck disable=SC2086  # pids
      if [ "${up%.*}" -gt "$end" ]; then kill -s KILL $pids 2>/dev/null; killed=yes; fi
      sleep 0.2
    done
    echo "$(echo "$pids" | wc -w) $killed"
}

"$@"
