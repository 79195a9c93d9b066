#!/bin/bash
# scripts/test.sh: installs what is missing, prepares the lab, and runs formatting, lints and every test.
#
#   scripts/test.sh --fast       without the lab and its end-to-end tests
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

AT_MOST=1800 # seconds, all in all
PID_FILE=$CACHE/dockerd-of-tests.pid
LABTOOL=(--manifest-path "$LAB/labtool/Cargo.toml")

# The end-to-end tests expect the lab where it stands by default.
unset LAB_RUN NET PFX CG N DATA DATA_2 DOCKERD_ARGS DOCKERD_ARGS_3

fast=
case ${1:-} in
  --fast) fast=yes ;;
  '') ;;
  *) sed -n '2,4{s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac

# The end-to-end tests replace the ingress of this machine's engine, and their projects are called e2e-….
refuse_others() {
  local others
  others=$(projects_in_ingress | sed '/^e2e-/d' | paste -sd ' ')
  [ -n "$others" ] || return 0
  say "this machine's ingress serves $others, and the end-to-end tests would replace it"
  [ "$others" != stagecraft-demo ] || fail "next: end the demo with \`scripts/demo.sh --down\`"
  fail "next: \`scripts/test.sh --fast\` leaves it alone; or run this on another machine; or end that ingress, and with it these
routes until they are deployed again: \`docker rm -f stagecraft-ingress && rm -r /var/lib/stagecraft/ingress\`"
}
[ -n "$fast" ] || refuse_others

run() {
  printf '$ %s\n' "$*" >&2
  timeout --foreground $((AT_MOST > SECONDS ? AT_MOST - SECONDS : 1)) "$@"
}

# The lab and a dockerd that was started here end with the script, whatever happened.
end() {
  local code=$?
  trap - EXIT
  [ -n "$fast" ] || "$LAB/down" || :
  stop_engine "$PID_FILE" || :
  if [ $code = 124 ]; then
    say "the tests took longer than $AT_MOST s"
  fi
  exit $code
}

step 'Installing what is missing'
mkdir -p "$CACHE"
needs_rust
needs shellcheck shellcheck
needs docker-registry docker-registry
needs chromium chromium
needs faketime faketime

step 'Formatting and lints'
! git -C "$ROOT" grep -nE '^(<{7}|>{7}) ' || fail 'a merge has left its marks in these files'
run cargo fmt --all --check
run cargo fmt "${LABTOOL[@]}" --check
run shellcheck -x scripts/*.sh .ci/run tests/lab/{settings,prepare,up,down,host,host-init,host-run}
run cargo clippy --workspace --all-targets --features lab,browser --locked -- -D warnings
run cargo clippy "${LABTOOL[@]}" --target-dir "$CACHE/labtool-target" --all-targets --locked -- -D warnings

step 'Unit tests'
run cargo test "${LABTOOL[@]}" --target-dir "$CACHE/labtool-target" --locked
trap end EXIT
trap 'exit 130' INT TERM
needs_docker "$PID_FILE"
run cargo test --workspace --features browser --locked
[ -z "$fast" ] || exit 0

step 'The lab'
needs_ingress_image
"$LAB/prepare"
"$LAB/down"
"$LAB/up"

step 'End-to-end tests'
run cargo test --features lab --test e2e --locked -- --test-threads=1
