#!/bin/sh
# Stands in for systemd where no systemd runs: starts and stops the daemons of units with their users and capabilities, and writes down
# what it was told.
set -e
echo "$*" >>/var/log/systemctl
words=
for word; do case $word in --now) now=yes ;; --*) ;; *) words="$words $word" ;; esac; done
set -- $words
verb=$1
shift
folder=/run/stand-in
mkdir -p "$folder"

setting() { sed -n "s/^$2=//p" "/usr/lib/systemd/system/$1.service"; }

start() {
  user=$(setting "$1" User) caps=$(setting "$1" AmbientCapabilities) set=-all
  for cap in $caps; do set=$set,+$(echo "${cap#CAP_}" | tr A-Z a-z); done
  for name in $(setting "$1" StateDirectory); do install -d -o "$user" -g "$user" -m 700 "/var/lib/$name"; done
  groups=$(setting "$1" SupplementaryGroups)
  NSM_ADVERTISE=127.0.0.1:5001 setsid setpriv --reuid="$user" --regid="$user" --groups="$user${groups:+,$groups}" --no-new-privs \
    --inh-caps="$set" --ambient-caps="$set" --bounding-set="$set" $(setting "$1" ExecStart) >"/var/log/$1" 2>&1 </dev/null &
  echo $! >"$folder/$1"
}

stop() {
  [ -e "$folder/$1" ] || return 0
  pid=$(cat "$folder/$1")
  kill "$pid" 2>/dev/null || true
  # Ended, whether or not process 1 has buried it yet.
  while grep -qs '^State:.[^ZX]' "/proc/$pid/status"; do sleep 0.05; done
  rm "$folder/$1"
}

case $verb in
  is-active) [ -e "$folder/$1" ] ;;
  start) for unit; do start "$unit"; done ;;
  stop) for unit; do stop "$unit"; done ;;
  disable) for unit; do [ -z "${now:-}" ] || stop "$unit"; done ;;
esac
