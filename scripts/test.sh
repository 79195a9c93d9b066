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

step 'Formatting and lints'
run cargo fmt --all --check
run cargo fmt "${LABTOOL[@]}" --check
run shellcheck -x scripts/*.sh .ci/run tests/lab/{settings,prepare,up,down,host,host-init,host-run}
run cargo clippy --workspace --all-targets --features lab --locked -- -D warnings
run cargo clippy "${LABTOOL[@]}" --target-dir "$CACHE/labtool-target" --all-targets --locked -- -D warnings

step 'Unit tests'
run cargo test "${LABTOOL[@]}" --target-dir "$CACHE/labtool-target" --locked
trap end EXIT
trap 'exit 130' INT TERM
needs_docker "$PID_FILE"
run cargo test --workspace --locked
[ -z "$fast" ] || exit 0

step 'The lab'
needs_ingress_image
"$LAB/prepare"
"$LAB/down"
"$LAB/up"

step 'End-to-end tests'
run cargo test --features lab --test e2e --locked -- --test-threads=1
