# shellcheck shell=bash
# The application that is deployed, the load on it, and connections without Stagecraft.

# stagecraft_yml HOSTS: a stagecraft.yml with these lines of `hosts:`.
stagecraft_yml() {
  cat <<YAML
version: 1
project: $PROJECT
hosts:
$1
services:
  web:
    route: { host: $HOST_NAME, port: 8080, tls: off }
    health: { path: /up }
ingress: { http: $HTTP, https: $((HTTP + 1)) }
YAML
}

# host_entry NAME N
host_entry() {
  echo "  $1: { address: $(address_of "$2"), user: root, identity: $KEY, known_hosts: $KNOWN_HOSTS }"
}

make_app() {
  mkdir -p "$APP"
  cp "$CACHE/bin/labtool" "$APP/app"
  stagecraft_yml "$(for n in 1 2 3; do host_entry "h$n" $n; done)" >"$APP/stagecraft.yml"
  cat >"$APP/compose.yaml" <<YAML
services:
  web:
    build: .
    environment: { SLOW_START_MS: "$READY_MS" }
YAML
  new_version
}

# A change as a developer makes it: one layer of 6 MB differs.
new_version() {
  version=$((version + 1))
  head -c $LAYER /dev/urandom >"$APP/payload"
  cat >"$APP/Dockerfile" <<DOCKERFILE
FROM scratch
COPY app /app
COPY payload /payload
ENV VERSION=v$version
ENTRYPOINT ["/app", "serve"]
DOCKERFILE
}

stagecraft() { "$STAGECRAFT" -C "$APP" "$@"; }

deploy() { stagecraft deploy --yes --json; }

# What would differ if anything had been touched.
snapshot() {
  local n
  for n in 1 2 3; do
    on_host "$n" "for c in \$(docker ps -aq --no-trunc | sort); do docker inspect -f '{{.Id}} {{.State.StartedAt}}' \$c; done
      docker network ls -q | sort; docker volume ls -q | sort
      find /var/lib/stagecraft -type f -not -path '*/run/*' -exec sha256sum {} + 2>/dev/null | sort -k2"
  done
}

start_load() {
  rm -f "$WORK/stop"
  "$CACHE/bin/labtool" load --host $HOST_NAME --until-file "$WORK/stop" --json "$WORK/load.json" --trace "$WORK/trace.csv" \
    --to "$(address_of 1):$1=500,$(address_of 2):$1=50,$(address_of 3):$1=50" >"$WORK/load.txt" &
  load=$!
}

stop_load() {
  touch "$WORK/stop"
  wait "$load" || :
}

# each_host COMMAND…: with the number of each host as its last argument, for all at once.
each_host() {
  local n pid pids=() code=0
  for n in 1 2 3; do
    "$@" "$n" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || code=1
  done
  return $code
}

# open_masters NAME COUNT: COUNT SSH connections at once, spread over the three hosts; returns when all are open.
open_masters() {
  local i pids=()
  for i in $(seq "$2"); do
    ssh "${SSH_OPTIONS[@]}" -o ConnectTimeout=30 -M -N -f -o ControlPath="$WORK/$1.$i" "root@$(address_of $((i % 3 + 1)))" \
      >/dev/null 2>>"$WORK/ssh.log" </dev/null &
    pids+=($!)
  done
  for i in "${pids[@]}"; do
    wait "$i" || fail "a bare SSH master could not connect: $(tail -1 "$WORK/ssh.log")"
  done
}

close_masters() {
  local i
  for i in $(seq "$2"); do
    ssh -o ControlPath="$WORK/$1.$i" -O exit bench >/dev/null 2>&1 || :
  done
}

# over_master N COMMAND…: on host N over a master that is open already.
over_master() {
  local n=$1
  shift
  # shellcheck disable=SC2029 # the command is put together here
  ssh -o ControlPath="$WORK/floor.$(((n + 1) % 3 + 1))" "root@$(address_of "$n")" "$@"
}
