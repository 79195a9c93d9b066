# shellcheck shell=bash
# Times, percentiles, and the rows of the report.

# row GROUP WHAT TARGET MEASURED VERDICT: a line of the report. VERDICT: met, missed, or - where there is no target.
row() {
  printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$ROWS"
  say "  $2: $4 (target: $3, $5)"
}

# verdict MEASURED LIMIT: met when it is not more.
verdict() { awk -v measured="$1" -v limit="$2" 'BEGIN { print (measured + 0 <= limit + 0) ? "met" : "**missed**" }'; }

median() { sort -n | awk '{ value[NR] = $1 } END { if (NR) print value[int((NR + 1) / 2)]; else print "none" }'; }
largest() { sort -n | tail -1; }

# timed COMMAND…: its milliseconds on stdout, its output in $WORK/out and $WORK/err. A command that fails ends the bench.
timed() {
  local began ended
  began=$(now_ms)
  if ! "$@" >"$WORK/out" 2>"$WORK/err"; then
    tail -n 20 "$WORK/out" "$WORK/err" >&2
    fail "\`$*\` failed"
  fi
  ended=$(now_ms)
  echo $((ended - began))
}

# times COUNT COMMAND…: the milliseconds of each run, a line each.
times() {
  local count=$1
  shift
  for _ in $(seq "$count"); do
    timed "$@"
  done
}

# p99 TRACE WINDOWS: the 99th percentile, in ms, of the requests sent within windows of `from to` (milliseconds of Unix
# time); requests to /slow are left out.
p99() {
  awk -F, 'NR == FNR { split($0, at, " "); from[NR] = at[1]; to[NR] = at[2]; windows = NR; next }
    FNR > 1 && $4 != "slow" { for (w = 1; w <= windows; w++) if ($1 >= from[w] && $1 <= to[w]) { print $2; break } }' \
    "$2" "$1" | sort -n | awk '{ value[NR] = $1 } END { if (NR) print value[int((NR - 1) * 0.99) + 1]; else print "none" }'
}
