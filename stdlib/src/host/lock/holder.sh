# Holds named locks on a host for a client at the other end of standard input and output, and lets all go when the input
# ends or nothing has come for 15 s (sshd alone would never notice a client that has vanished).
#
#   take NAME NOTE   held NAME · busy NAME [NOTE of the holder] · failed NAME WHY
#   free NAME        freed NAME
#   beat             beat
#
# A lock is a flock on a directory: unlike a file in a sticky directory, it works for several users. Its directory is open
# to all, so that each can put a note there.
export LC_ALL=C
root=/tmp
# Where only root may write, other users would lock something else.
[ -k /run/lock ] && root=/run/lock
root=${LOCK_ROOT:-$root/stagecraft}
held=

say() { printf '%s\n' "$*"; }

# The descriptor of a held lock: one of 3 to 9, as sh has no more.
descriptor_of() {
  for pair in $held; do
    [ "${pair#*:}" = "$1" ] && { echo "${pair%%:*}"; return; }
  done
  return 1
}

free_descriptor() {
  for fd in 3 4 5 6 7 8 9; do
    case " $held" in *" $fd:"*) ;; *) echo "$fd"; return ;; esac
  done
  return 1
}

take() {
  dir=$root/$1
  descriptor_of "$1" >/dev/null && { say failed "$1" "this run holds it already"; return; }
  fd=$(free_descriptor) || { say failed "$1" "this run holds seven locks already"; return; }
  mkdir -m 1777 "$root" 2>/dev/null
  mkdir -m 777 "$dir" 2>/dev/null
  if [ -L "$root" ] || [ -L "$dir" ] || ! [ -d "$dir" ]; then
    say failed "$1" "$dir is not a directory, or cannot be made"; return
  fi
  eval "command exec $fd<\"\$dir\"" 2>/dev/null || { say failed "$1" "$dir cannot be opened"; return; }
  flock -n "$fd" 2>/dev/null
  case $? in
    0) ;;
    1) eval "exec $fd<&-"; say busy "$1" "$(note)"; return ;;
    *) eval "exec $fd<&-"; say failed "$1" "the host has no working flock command (package util-linux)"; return ;;
  esac
  # It may have been cleared away between opening and locking.
  if ! [ "$dir" -ef "/proc/$$/fd/$fd" ]; then
    eval "exec $fd<&-"; say failed "$1" "$dir was removed meanwhile"; return
  fi
  held="$held $fd:$1"
  new=$(mktemp "$dir/.XXXXXX") && printf '%s\n' "$2" >"$new" && chmod 644 "$new" && mv -f "$new" "$dir/holder"
  say held "$1"
}

note() { [ -f "$dir/holder" ] && head -c 4000 "$dir/holder" | head -n 1; }

let_go() {
  fd=$(descriptor_of "$1") || { say freed "$1"; return; }
  rm -f "$root/$1/holder"
  eval "exec $fd<&-"
  rest=
  for pair in $held; do [ "$pair" = "$fd:$1" ] || rest="$rest $pair"; done
  held=$rest
  say freed "$1"
}

# The reader must not inherit the locks: they would outlive this shell.
next_line() { timeout 15 sh -c 'IFS= read -r line && printf %s "$line"' 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; }

while line=$(next_line); do
  words=${line#* }
  case $line in
    beat) say beat ;;
    "take "*) take "${words%% *}" "${words#* }" ;;
    "free "*) let_go "$words" ;;
  esac
done
for pair in $held; do rm -f "$root/${pair#*:}/holder"; done
