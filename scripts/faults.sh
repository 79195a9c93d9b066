#!/bin/bash
# scripts/faults.sh: every row of the fault table on the lab's hosts, about 40 minutes, written to docs/reliability.md.
#
#   scripts/faults.sh [FILTER]   only the tests whose name contains this; the table goes to stdout
#   FAULTS_ROWS=FILE             keeps the rows there, and adds to what another run has left
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

PID_FILE=$CACHE/dockerd-of-faults.pid
unset LAB_RUN NET PFX CG N DATA DATA_2 DOCKERD_ARGS DOCKERD_ARGS_3

end() {
  local code=$?
  trap - EXIT
  "$LAB/down" || :
  stop_engine "$PID_FILE" || :
  exit $code
}

step 'The lab'
needs_rust
needs faketime faketime
trap end EXIT
trap 'exit 130' INT TERM
needs_docker "$PID_FILE"
needs_ingress_image
"$LAB/prepare"
"$LAB/down"
"$LAB/up"

step 'Faults'
rows=${FAULTS_ROWS:-$(mktemp)}
FAULTS=full FAULTS_ROWS=$rows cargo test --features lab --test e2e --locked -- --test-threads=1 "faults::${1:-}"
journal=$(cargo bench --quiet --bench journal | grep -v '^$')

# table TITLE SECTION
table() {
  printf '\n## %s\n\n| what happens | what the run does | what is there then |\n|---|---|---|\n' "$1"
  sed -n "s/^$2\t//p" "$rows"
}

report() {
  local commit engine
  commit=$(git rev-parse --short HEAD)$(git diff --quiet HEAD || echo '+')
  # shellcheck source=tests/lab/settings
  engine=$(. "$LAB/settings" && on_host 1 docker version -f '{{.Server.Version}}')
  cat <<MARKDOWN
# Reliability

Written by \`scripts/faults.sh\`. Do not edit: run it again. Each row has happened to a deploy of three services, two
images and a migration to three SSH hosts with Docker engines of their own, under a constant load of 70 requests a second to each
host; each ended on one release, with no container, network or lock left over.

Measured $(date +%Y-%m-%d) on $(uname -sr), $(nproc) cores, hosts with Docker $engine, commit $commit.
MARKDOWN
  table 'The process is killed' kill
  table 'Something happens to a host' hosts
  table 'The new version is bad' versions
  table 'Several runs at once' rivals
  table 'The journal is damaged' journal
  printf '\n## What journaling costs\n\n%s\n' "$journal"
}

if [ $# = 0 ]; then
  report >docs/reliability.md
  say "wrote docs/reliability.md"
else
  report
fi
[ -n "${FAULTS_ROWS:-}" ] || rm -f "$rows"
