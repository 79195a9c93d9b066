# shellcheck shell=bash
# docs/benchmarks.md.

rows_of() {
  awk -F'\t' -v groups=" $* " 'index(groups, " " $1 " ") { printf "| %s | %s | %s | %s |\n", $2, $3, $4, $5 }' "$ROWS"
}

machine() {
  local model
  model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
  echo "$(nproc) × ${model:-$(uname -m)}, $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo) of memory, Linux $(uname -r), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
}

write_report() {
  local commit
  commit=$(git -C "$ROOT" rev-parse --short HEAD)$(git -C "$ROOT" diff --quiet HEAD || echo '+')
  cat >"$ROOT/docs/benchmarks.md" <<MARKDOWN
# Benchmarks

Written by \`scripts/bench.sh\`, from one run. Do not edit: run it again.

- **When and what**: $(date -u +%Y-%m-%d), commit $commit
- **Machine**: $(machine)
- **Hosts**: three on that machine, each with its own network, sshd and engine ($(on_host 1 docker version -f '{{.Server.Version}}'); h3 with the containerd image store). They share its cores with the operator's side and the load client.
- **Operator's engine**: $(docker version -f '{{.Server.Version}}')

| what | target | measured | |
|---|---|---|---|
$(rows_of load deploy slow nothing cli fakes many)

## Others, in the same run

| what | target | measured | |
|---|---|---|---|
$(rows_of peers)

## How it is measured

- The load is open-loop, 500 requests a second to h1 and 50 to each other host, through all deploys and rollbacks. Half of
  them on held connections, half on new ones; a fifth is a POST whose body has to come back; one in a hundred takes a second.
  The client looks whether a held connection was closed before it writes, and never retries: a request that got no 200
  with the right body has failed. See \`tests/lab/labtool\`.
- p99 is of all requests that were sent between the start and the end of a deploy, those that take a second left out. The
  floor is the same containers started by \`docker run\` on the three hosts at once, $DEPLOYS times, while the deployed
  application goes on serving the same load, until they are healthy.
- Times are medians of $REPEAT runs by the wall clock, from the start of the command to its end. The application is ready
  $((READY_MS / 1000)) s after its start, so that no deploy can take less.
- Sessions are lines of sshd's log; bytes are those of the host's port on the switch, headers and encryption included, less
  the changed layer as \`gzip -1\` makes it, in runs without load.
- $RTT ms RTT is added by holding each packet (\`tests/lab/host slow\`).
MARKDOWN
  say "wrote docs/benchmarks.md"
}
