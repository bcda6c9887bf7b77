#!/bin/sh
# A timer on a server that undoes a change unless the change is confirmed in time.
#
#   start FOLDER ID SECONDS LIMIT SPLIT SIZE
#                                       reads SIZE bytes: this script (SPLIT bytes), then the undo,
#                                       which is ended after LIMIT seconds
#   run FOLDER ID SECONDS               prints its pid, waits, and undoes
#   confirm FOLDER ID                   prints confirmed, fired or gone
#   fire FOLDER ID                      undoes now
#   list FOLDER REPORT PATTERN...       prints lines "pending ID AGE" and, where REPORT is yes,
#                                       "undone ID STATUS OUTPUT", each of these once
#
# Files of a timer: ID.run (this script), ID.armed (the undo), then ID.fired, then ID.said (how the
# undo ended). To fire and to confirm is to rename ID.armed, and only one of two can. A reboot takes
# the files, and what they would undo. Other timers' ends remove the folder whenever it is empty.
set -u
umask 077
action=$1 folder=$2
shift 2

leave_folder() { cd / && rmdir -- "$folder" 2>/dev/null; }

# `:` would be no good here: where a redirection of a special built-in fails, the shell exits
# (POSIX 2.8.1), and nothing is tried again.
enter_folder() {
  tries=0
  until { mkdir -p -- "$folder" && true >"$folder/$id.part"; } 2>/dev/null; do
    tries=$((tries + 1))
    if [ $tries -gt 50 ]; then echo "cannot write to $folder" >&2; exit 73; fi
  done
  cd "$folder" || exit
}

start() {
  id=$1 seconds=$2 limit=$3 split=$4 size=$5
  enter_folder
  armed=no
  trap clean_start EXIT
  trap 'exit 129' HUP INT TERM PIPE
  cat >"$id.part"
  # A login that dies in the middle looks like the input's end.
  if [ "$(wc -c <"$id.part")" -ne "$size" ]; then echo "the input was cut" >&2; exit 65; fi
  head -c "$split" "$id.part" >"$id.run" || exit
  # The timer comes first: cut off in between, it fires and finds nothing. systemd would run it in
  # its own network, which a server within a namespace does not have.
  if [ -d /run/systemd/system ] && [ /proc/1/ns/net -ef /proc/self/ns/net ]; then
    systemd-run --quiet --collect --unit="farswitch-deadman-$id" --on-active="${seconds}s" \
      --timer-property=AccuracySec=100ms sh "$folder/$id.run" run "$folder" "$id" 0 >&2 || exit
  else
    pid=$(setsid sh "$folder/$id.run" run "$folder" "$id" "$seconds" </dev/null 2>/dev/null &)
    case $pid in ''|*[!0-9]*) echo "no process could be started" >&2; exit 71 ;; esac
    echo "$pid" >"$id.pid"
  fi
  read -r up _ </proc/uptime # no clock that somebody can set
  { echo "# since ${up%.*} $limit"; tail -c "+$((split + 1))" "$id.part"; } >"$id.armed.part" || exit
  mv -T -- "$id.armed.part" "$id.armed" || exit
  # The machine may have been so slow that the time was up before: then nothing would undo it.
  if [ ! -e "$id.run" ]; then echo "the time was up before it began" >&2; exit 75; fi
  armed=yes
}

clean_start() {
  rm -f -- "$id.part" "$id.armed.part"
  if [ "$armed" = no ]; then
    rm -f -- "$id.run" "$id.pid" "$id.armed"
    leave_folder
  fi
}

run() {
  id=$1 seconds=$2
  cd "$folder" || exit
  echo "$$"
  exec </dev/null >/dev/null 2>&1 # lets go of the login's pipes
  sleep "$seconds"
  rm -f -- "$id.run" "$id.pid" "$id.part" "$id.armed.part"
  undo
  leave_folder
}

undo() {
  if mv -T -- "$id.armed" "$id.fired" 2>/dev/null; then
    log=$id.log
    true >"$log" || log=/dev/null # where there is no room, undo it all the same
    timeout -k 2 "$(limit_of "$id.fired")" sh "$id.fired" </dev/null >"$log" 2>&1
    { echo "$?"; tail -c 2000 "$log"; } >"$id.part"
    mv -T -- "$id.part" "$id.said"
    rm -f -- "$id.fired" "$id.log"
  fi
}

fire() {
  id=$1
  cd "$folder" 2>/dev/null || return
  undo
  end_wait
  leave_folder
}

# Ends the timer itself, which has nothing left to do.
end_wait() {
  if [ -e "$id.pid" ]; then
    pid=$(cat "$id.pid")
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$id.run"; then
      kill -s KILL -- "-$pid" 2>/dev/null
    fi
  elif [ -e "$id.run" ]; then
    systemctl stop "farswitch-deadman-$id.timer" 2>/dev/null
  fi
  rm -f -- "$id.off" "$id.run" "$id.pid"
}

confirm() {
  id=$1
  cd "$folder" 2>/dev/null || { echo gone; return; }
  if mv -T -- "$id.armed" "$id.off" 2>/dev/null; then
    end_wait
    leave_folder
    echo confirmed
    return
  fi
  wait_for_undo "$id"
  if [ -e "$id.fired" ] || [ -e "$id.said" ]; then echo fired; else echo gone; fi
}

list() {
  report=$1
  shift
  cd "$folder" 2>/dev/null || return
  wait_for_undo "$@"
  for pattern; do
    for file in $pattern.fired; do
      [ -e "$file" ] || continue
      printf '1\nnobody saw its end' >"${file%.fired}.said"
      rm -f -- "$file"
    done
    for file in $pattern.armed; do
      since=$(sed -n '1s/^# since \([0-9]*\).*/\1/p' "$file" 2>/dev/null) || continue
      read -r up _ </proc/uptime
      echo "pending ${file%.armed} $((${up%.*} - ${since:-0}))"
    done
    for file in $pattern.said; do
      [ "$report" = yes ] && [ -e "$file" ] || continue
      printf 'undone %s %s\n' "${file%.said}" "$(tr '\n' ' ' <"$file")" && rm -f -- "$file"
    done
  done
  leave_folder
}

# Waits until no undo of the patterns is under way; another timer may fire meanwhile.
wait_for_undo() {
  tries=0
  while is_under_way "$@"; do
    tries=$((tries + 1))
    sleep 0.1
  done
}

is_under_way() {
  for pattern; do
    for fired in $pattern.fired; do
      [ ! -e "$fired" ] || [ $tries -gt $((10 * ($(limit_of "$fired") + 5))) ] || return 0
    done
  done
  return 1
}

# Prints the seconds that an undo may take.
limit_of() {
  limit=$(sed -n '1s/^# since [0-9]* //p' "$1" 2>/dev/null)
  echo "${limit:-60}"
}

case $action in
  start) start "$@" ;;
  run | confirm | fire | list) "$action" "$@"; exit 0 ;;
  *) echo "no such action: $action" >&2; exit 64 ;;
esac
