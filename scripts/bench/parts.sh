# shellcheck shell=bash
# shellcheck disable=SC2016 # code in the names of rows
# What is measured: a function for each part.


part_cli() {
  local help check
  help=$(times 20 "$STAGECRAFT" --help | median)
  row cli '`--help`' '≤ 30 ms' "$help ms" "$(verdict "$help" 30)"
  check=$(times 10 stagecraft check | median)
  row cli '`check`' '≤ 200 ms' "$check ms" "$(verdict "$check" 200)"
}

# The floor: the containers that a deploy starts, started by plain `docker run` on the three hosts at the same time.
start_one_by_hand() {
  over_master "$1" "docker run -d --name floor --network ${PROJECT}_default -e SLOW_START_MS=$READY_MS ${image[$1]}" >/dev/null
  until over_master "$1" docker exec floor /app healthcheck >/dev/null 2>&1; do sleep 0.1; done
}

start_by_hand() { each_host start_one_by_hand; }

remove_one_by_hand() { over_master "$1" docker rm -f floor >/dev/null; }

# window FILE COMMAND…: runs it and adds its time to the file.
window() {
  local file=$1 began
  shift
  began=$(now_ms)
  timed "$@" >/dev/null
  echo "$began $(now_ms)" >>"$file"
  sleep 1
}

part_load() {
  local i n began image=() versions failed sent in_deploy in_rollback floor quiet ratio
  rm -f "$WORK"/window.*
  timed deploy >/dev/null
  open_masters floor 3
  start_load $HTTP
  sleep 2
  began=$(now_ms)
  sleep 5
  echo "$began $(now_ms)" >"$WORK/window.quiet"
  for i in $(seq "$DEPLOYS"); do
    new_version
    window "$WORK/window.deploy" deploy
    [ "$i" -le "$ROLLBACKS" ] || continue
    window "$WORK/window.rollback" stagecraft rollback --yes --json
  done
  for n in 1 2 3; do
    image[n]=$(over_master $n "docker inspect -f '{{.Image}}' \$(docker ps -q --filter label=com.docker.compose.project=$PROJECT --filter label=com.docker.compose.service=web | head -1)")
  done
  for i in $(seq "$DEPLOYS"); do
    window "$WORK/window.floor" start_by_hand
    each_host remove_one_by_hand
    sleep 0.5
  done
  stop_load
  close_masters floor 3

  # No failure among requests that met no new version would say nothing.
  versions=$(jq '.versions | length' "$WORK/load.json")
  [ "$versions" -gt "$DEPLOYS" ] || fail "only $versions versions answered the load, in $DEPLOYS deploys"
  failed=$(jq .failed "$WORK/load.json")
  sent=$(jq .sent "$WORK/load.json")
  row load "failed requests, 500/s to h1 and 50/s to each other host, $DEPLOYS deploys and $ROLLBACKS rollbacks" 0 \
    "$failed of $sent" "$(verdict "$failed" 0)"
  [ "$failed" = 0 ] || row load 'why they failed' - "$(jq -c .by "$WORK/load.json")" -
  in_deploy=$(p99 "$WORK/trace.csv" "$WORK/window.deploy")
  floor=$(p99 "$WORK/trace.csv" "$WORK/window.floor")
  quiet=$(p99 "$WORK/trace.csv" "$WORK/window.quiet")
  ratio=$(awk "BEGIN { printf \"%.2f\", $in_deploy / $floor }")
  row load 'p99 in a deploy, against the floor of plain `docker run`' '≤ 1.5×' \
    "$ratio× ($in_deploy ms against $floor ms; $quiet ms when nothing happens)" "$(verdict "$ratio" 1.5)"
  if [ -e "$WORK/window.rollback" ]; then
    in_rollback=$(p99 "$WORK/trace.csv" "$WORK/window.rollback")
    row load 'p99 in a rollback' - "$in_rollback ms" -
  fi
}

# Bytes that have left for host N, by the counter of its port on the switch.
bytes_to() { ip netns exec "$PFX-sw" cat "/sys/class/net/h$1/statistics/tx_bytes"; }

# deploys COUNT: deploys that many changed versions; leaves walls, sessions and bytes in files.
deploys() {
  local n changed
  rm -f "$WORK"/{walls,sessions,forwarded,requests,bytes,claimed}
  for _ in $(seq "$1"); do
    new_version
    changed=$(tar -C "$APP" -c payload | gzip -1 | wc -c)
    for n in 1 2 3; do
      "$LAB/host" sessions $n >"$WORK/sessions.$n"
      bytes_to $n >"$WORK/bytes.$n"
    done
    timed deploy >>"$WORK/walls"
    for n in 1 2 3; do
      echo $(($(bytes_to $n) - $(<"$WORK/bytes.$n") - changed)) >>"$WORK/bytes"
      echo $(($("$LAB/host" sessions $n) - $(<"$WORK/sessions.$n"))) >>"$WORK/sessions"
    done
    tail -1 "$WORK/out" | jq '.hosts[].sessions' >>"$WORK/claimed"
    tail -1 "$WORK/out" | jq '.hosts[].forwarded' >>"$WORK/forwarded"
    tail -1 "$WORK/out" | jq '.hosts[].requests' >>"$WORK/requests"
  done
}

part_deploy() {
  local wall sessions bytes
  timed deploy >/dev/null
  deploys "$REPEAT"
  wall=$(median <"$WORK/walls")
  row deploy "deploy, 3 hosts, ready $((READY_MS / 1000)) s after start, one changed 6 MB layer, build included" '≤ 5.5 s' \
    "$(seconds "$wall") s (slowest $(seconds "$(largest <"$WORK/walls")") s)" "$(verdict "$wall" 5500)"
  sessions=$(largest <"$WORK/sessions")
  row deploy "SSH sessions (exec channels) per host in a deploy, by sshd's log" '≤ 6' \
    "$sessions (Stagecraft's own count: $(largest <"$WORK/claimed"))" "$(verdict "$sessions" 6)"
  row deploy 'forwarded connections per host in a deploy' - "$(largest <"$WORK/forwarded")" -
  row deploy 'engine requests per host in a deploy' - "$(largest <"$WORK/requests")" -
  bytes=$(largest <"$WORK/bytes")
  row deploy "bytes sent per host beyond the changed layer's, by the interface's counters" '≤ 64 kB' \
    "$((bytes / 1000)) kB at most, $(($(median <"$WORK/bytes") / 1000)) kB in the median" "$(verdict "$bytes" 64000)"
}

part_slow() {
  local n wall
  timed deploy >/dev/null
  for n in 1 2 3; do "$LAB/host" slow "$n" "$RTT"; done
  deploys "$REPEAT"
  for n in 1 2 3; do "$LAB/host" fast $n; done
  wall=$(median <"$WORK/walls")
  row slow "the same with $RTT ms RTT to each host" '≤ 7.5 s' \
    "$(seconds "$wall") s (slowest $(seconds "$(largest <"$WORK/walls")") s)" "$(verdict "$wall" 7500)"
}

part_nothing() {
  local before nothing plan
  timed deploy >/dev/null
  before=$(snapshot)
  nothing=$(times "$REPEAT" deploy | median)
  row nothing 'deploy with nothing to do, 3 hosts' '≤ 1 s' "$nothing ms" "$(verdict "$nothing" 1000)"
  [ "$(snapshot)" = "$before" ] || fail 'a deploy with nothing to do has changed something'
  new_version
  timed stagecraft plan >/dev/null # builds
  plan=$(times "$REPEAT" stagecraft plan | median)
  row nothing '`plan`, 3 hosts, built already' '≤ 1 s' "$plan ms" "$(verdict "$plan" 1000)"
}

# with_memory COMMAND…: milliseconds and the most memory that its own process had, in MB.
with_memory() {
  local began pid peak=0 now
  began=$(now_ms)
  "$@" >"$WORK/out" 2>"$WORK/err" &
  pid=$!
  while now=$(awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do
    peak=$now
    sleep 0.02
  done
  wait $pid || { tail -n 20 "$WORK/out" "$WORK/err" >&2; return 1; }
  echo "$(($(now_ms) - began)) $((peak / 1024))"
}

# A hundred connections to three hosts, each of which has many addresses: two entries with one address are refused. They see the
# same containers.
part_many() {
  local i n bare began took peak ratio command=(deploy --yes --json)
  timed deploy >/dev/null
  cp "$APP/stagecraft.yml" "$WORK/three.yml"
  for i in $(seq 4 100); do
    n=$(((i - 1) % 3 + 1))
    ip -n "$PFX-h$n" addr add "$(address_of "$i")/24" dev eth0
    sed -n "s/^$(address_of $n) /$(address_of "$i") /p" "$KNOWN_HOSTS" >>"$WORK/known"
  done
  cat "$WORK/known" >>"$KNOWN_HOSTS"
  stagecraft_yml "$(for i in $(seq 100); do host_entry "h$i" "$i"; done)" >"$APP/stagecraft.yml"
  bare=$(
    for i in $(seq 3); do
      began=$(now_ms)
      open_masters "many$i" 100
      echo $(($(now_ms) - began))
      close_masters "many$i" 100
    done | median
  )
  # Only plan when the hundred entries don't agree: it has the same connections and the same facts.
  if [ "$(stagecraft plan --check >/dev/null 2>&1; echo $?)" != 0 ]; then
    command=(plan --json)
  fi
  for i in $(seq 3); do
    with_memory "$STAGECRAFT" -C "$APP" "${command[@]}" >>"$WORK/many" || fail "100 connections: failed (see above)"
  done
  mv "$WORK/three.yml" "$APP/stagecraft.yml"
  took=$(cut -d' ' -f1 "$WORK/many" | median)
  peak=$(cut -d' ' -f2 "$WORK/many" | largest)
  ratio=$(awk "BEGIN { printf \"%.2f\", $took / $bare }")
  row many "100 connections to three hosts, nothing to do (\`${command[0]}\`), against 100 bare SSH masters" '≤ 2×' \
    "$ratio× ($took ms against $bare ms)" "$(verdict "$ratio" 2)"
  row many "Stagecraft's own memory with 100 connections" '≤ 200 MB' "$peak MB" "$(verdict "$peak" 200)"
}

# The engine without hosts: a benchmark in Rust that prints `hundred_hosts MILLISECONDS`.
part_fakes() {
  local took
  if [ ! -e "$ROOT/benches/hundred_hosts.rs" ]; then
    row fakes '100 hosts, nothing to do, fakes' '≤ 1 s' 'not measured' -
    return 0
  fi
  took=$(cargo bench --quiet --manifest-path "$ROOT/Cargo.toml" --bench hundred_hosts | awk '$1 == "hundred_hosts" { print $2 }')
  row fakes '100 hosts, nothing to do, fakes' '≤ 1 s' "$took ms" "$(verdict "$took" 1000)"
}
