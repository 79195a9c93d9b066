# shellcheck shell=bash
# Other tools with the same application, in the same run: each host's own port, no ingress.

PEER=$WORK/peer

# Docker runs `ssh` by its name; this one knows the lab's key and known_hosts.
make_peer() {
  mkdir -p "$PEER/bin"
  printf '#!/bin/sh\nexec %s %s "$@"\n' "$(command -v ssh)" "${SSH_OPTIONS[*]}" >"$PEER/bin/ssh"
  chmod +x "$PEER/bin/ssh"
  cat >"$PEER/compose.yaml" <<YAML
services:
  web:
    build: $APP
    ports: ["8090:8080"]
    environment: { SLOW_START_MS: "$READY_MS" }
    healthcheck: { test: [CMD, /app, healthcheck], interval: 1s, retries: 30 }
YAML
}

# on_engine_of N COMMAND…: with the engine of host N, over SSH.
on_engine_of() {
  local n=$1
  shift
  PATH=$PEER/bin:$PATH DOCKER_HOST=ssh://root@$(address_of "$n") COMPOSE_PROJECT_NAME=peer "$@"
}

compose_up_on() { on_engine_of "$1" docker compose -f "$PEER/compose.yaml" up -d --build --wait; }

rollout_on() {
  on_engine_of "$1" docker compose -f "$PEER/compose.yaml" build -q
  on_engine_of "$1" docker-rollout -f "$PEER/compose.yaml" web
}

compose_down_on() { on_engine_of "$1" docker compose -f "$PEER/compose.yaml" down -t 1 >/dev/null 2>&1; }

# changed_times COMMAND…: the milliseconds of each run, each with another version.
changed_times() {
  for _ in $(seq "$REPEAT"); do
    new_version
    timed "$@"
    sleep 1
  done
}

part_peers() {
  local wall failed
  make_peer
  new_version
  timed each_host compose_up_on >/dev/null
  start_load 8090
  changed_times each_host compose_up_on >"$WORK/walls"
  stop_load
  wall=$(median <"$WORK/walls")
  failed="$(jq .failed "$WORK/load.json") of $(jq .sent "$WORK/load.json") requests failed"
  row peers "\`docker compose up -d --build --wait\` over DOCKER_HOST=ssh://, 3 hosts at once, $REPEAT times under the same load" - \
    "$(seconds "$wall") s; $failed" -
  each_host compose_down_on

  if ! command -v docker-rollout >/dev/null; then
    row peers 'docker-rollout' - 'not installed' -
    return 0
  fi
  # Two containers of a service cannot publish one port: without a port, and so without load.
  sed -i '/ports:/d' "$PEER/compose.yaml"
  timed each_host compose_up_on >/dev/null
  wall=$(changed_times each_host rollout_on | median)
  row peers 'docker-rollout over DOCKER_HOST=ssh://, 3 hosts at once, no ingress, no load' - "$(seconds "$wall") s" -
  each_host compose_down_on
}
