#!/bin/bash
# scripts/bench.sh: measures on the lab what Stagecraft promises, and writes docs/benchmarks.md. About 20 minutes.
#
#   scripts/bench.sh             all parts, and writes docs/benchmarks.md
#   scripts/bench.sh PART…       only these, and prints their rows: load deploy slow nothing cli many fakes peers
#
# DEPLOYS=20 ROLLBACKS=5 REPEAT=5 are how often; STAGECRAFT=FILE measures that binary instead of building one.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# The benchmark's hosts stand beside those of the tests.
export LAB_RUN=${LAB_RUN:-$CACHE/run-bench} NET=${NET:-10.68.0} PFX=${PFX:-bench} CG=${CG:-stagecraft-bench} N=3
# shellcheck source=../tests/lab/settings
. "$LAB/settings"
DEPLOYS=${DEPLOYS:-20}
ROLLBACKS=${ROLLBACKS:-5}
REPEAT=${REPEAT:-5}
STAGECRAFT=${STAGECRAFT:-}
PROJECT=bench
HTTP=8080
HOST_NAME=bench.test
LAYER=$((6 * 1024 * 1024)) # bytes of the layer that changes from version to version
READY_MS=2000              # the application is ready that long after its start
RTT=50                     # milliseconds, of the slow network
PARTS=(cli load deploy slow nothing many fakes peers)

WORK=$(mktemp -d -t stagecraft-bench.XXXXXX)
ROWS=$WORK/rows
: >"$ROWS"
APP=$WORK/app
version=0
load= # pid of the load client

# shellcheck source=bench/figures.sh
. "$ROOT/scripts/bench/figures.sh"
# shellcheck source=bench/application.sh
. "$ROOT/scripts/bench/application.sh"
# shellcheck source=bench/parts.sh
. "$ROOT/scripts/bench/parts.sh"
# shellcheck source=bench/peers.sh
. "$ROOT/scripts/bench/peers.sh"
# shellcheck source=bench/report.sh
. "$ROOT/scripts/bench/report.sh"

end() {
  local code=$?
  trap - EXIT
  touch "$WORK/stop"
  [ -z "${load:-}" ] || kill "$load" 2>/dev/null || :
  "$LAB/down" || :
  stop_engine "$CACHE/dockerd-of-bench.pid" || :
  rm -rf "$WORK"
  exit $code
}

main() {
  local part parts=("$@")
  [ $# -gt 0 ] || parts=("${PARTS[@]}")
  for part in "${parts[@]}"; do
    [[ " ${PARTS[*]} " = *" $part "* ]] || { sed -n '2,7{s/^# \{0,1\}//p}' "$0"; exit 2; }
  done
  [ "$(id -u)" = 0 ] || fail "the lab needs root"
  needs jq jq
  trap end EXIT
  trap 'exit 130' INT TERM
  needs_docker "$CACHE/dockerd-of-bench.pid"
  needs_rust
  needs_ingress_image
  "$LAB/prepare"
  if [ -z "$STAGECRAFT" ]; then
    step 'Building Stagecraft'
    cargo build --release --locked --manifest-path "$ROOT/Cargo.toml" --bin stagecraft
    STAGECRAFT=${CARGO_TARGET_DIR:-$ROOT/target}/release/stagecraft
  fi
  step 'The lab'
  "$LAB/down"
  "$LAB/up"
  make_app
  for part in "${parts[@]}"; do
    step "$part"
    "part_$part"
  done
  step 'Rows'
  column -t -s $'\t' "$ROWS" 2>/dev/null || cat "$ROWS"
  [ $# -gt 0 ] || write_report
}

main "$@"
