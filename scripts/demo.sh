#!/bin/bash
# scripts/demo.sh: deploys the sample application to this machine's engine, then its second version under a constant
# load, counts the failed requests, rolls back, and leaves a URL to open. Installs what is missing and says what.
#
#   scripts/demo.sh --hosts 3    the same on three SSH hosts that it makes on this machine
#   scripts/demo.sh --down       removes all of it again
set -euo pipefail
. "$(dirname "$0")/lib.sh"

STATE=${XDG_CACHE_HOME:-$HOME/.cache}/stagecraft-demo
APP=$STATE/app
PROJECT=stagecraft-demo
STAGECRAFT=$ROOT/target/release/stagecraft
RATE=250 # requests a second to the first host; MINIMUM is what has to have been sent
OTHERS_RATE=50
MINIMUM=200

# The demo's SSH hosts stand beside those of the tests.
export LAB_RUN=$STATE/lab NET=10.67.0 PFX=demo CG=stagecraft-demo

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; }

# ── what it makes, it removes ────────────────────────────────────────────────────────────────────────────────────────

# What is there already is not the demo's.
remember_what_was_there() {
  mkdir -p "$STATE"
  [ ! -e "$STATE/images.before" ] || return 0
  docker images --format '{{.Repository}}:{{.Tag}}' | sort >"$STATE/images.before"
  [ -e /var/lib/stagecraft ] || touch "$STATE/no-var-lib-stagecraft"
  [ -z "$(docker ps -aq --filter name='^stagecraft-ingress$')" ] || fail "this machine has a Stagecraft ingress already (docker ps): the demo would change it; try scripts/demo.sh --hosts 3"
}

# remove KIND COMMAND…: removes what the command lists.
remove() {
  local what=$1 ids
  shift
  ids=$("$@" | sort -u)
  [ -n "$ids" ] || return 0
  case $what in
    container) xargs -r docker rm -f -v ;;
    network) xargs -r docker network rm ;;
    volume) xargs -r docker volume rm -f ;;
  esac <<<"$ids" >/dev/null
}

# The tags that the demo made: of its own images, which carry its project's label, and of those that Stagecraft needs.
# Others may have made some meanwhile, under the same repositories.
images_of_the_demo() {
  {
    docker images --filter "label=com.docker.compose.project=$PROJECT" --format '{{.Repository}}:{{.Tag}}'
    docker image inspect -f '{{join .RepoTags "\n"}}' $INGRESS_IMAGE stagecraft/empty:1 2>/dev/null || :
  } | grep -E '^(stagecraft[/-]|haproxy:)' | grep -v '<none>' | sort -u | comm -23 - "$STATE/images.before" || :
}

# A tag whose image a container still uses stays: the container is another project's.
remove_images() {
  local tag
  images_of_the_demo | while read -r tag; do
    docker rmi "$tag" >/dev/null 2>&1 || say "the image $tag stays: a container uses it"
  done
}

# Projects that were deployed to this machine since, and go through the same ingress.
others_in_ingress() { projects_in_ingress | sed "/^$PROJECT\$/d" | paste -sd ' '; }

remove_from_this_machine() {
  local others
  remove container docker ps -aq --filter "label=com.docker.compose.project=$PROJECT"
  remove container docker ps -aq --filter "name=^$PROJECT-stagecraft-state\$"
  others=$(others_in_ingress)
  if [ -n "$others" ]; then
    say "the ingress and /var/lib/stagecraft stay, because another project uses them: $others"
    rm -f "/var/lib/stagecraft/ingress/config/apps/$PROJECT".*
  else
    remove container docker ps -aq --filter 'name=^stagecraft-ingress$'
    remove network docker network ls -q --filter 'name=^stagecraft-ingress$'
    [ ! -e "$STATE/no-var-lib-stagecraft" ] || rm -rf /var/lib/stagecraft
  fi
  remove network docker network ls -q --filter "label=com.docker.compose.project=$PROJECT"
  remove volume docker volume ls -q --filter "name=^$PROJECT-"
}

down() {
  if [ ! -d "$STATE" ]; then
    say "there is no demo"
    return 0
  fi
  touch "$STATE/stop"
  [ ! -f "$LAB_RUN/id" ] || "$LAB/down"
  if [ -e "$STATE/images.before" ] && docker version >/dev/null 2>&1; then
    [ ! -e "$STATE/is-local" ] || remove_from_this_machine
    remove_images
  fi
  stop_engine "$STATE/dockerd.pid"
  [ ! -e "$STATE/no-cache" ] || rm -rf "$CACHE"
  rm -rf "$STATE"
  say "the demo is gone; packages that were installed and $ROOT/target stay"
}

# ── where it deploys to ──────────────────────────────────────────────────────────────────────────────────────────────

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port
  for ((port = 18080; port < 18980; port += 2)); do
    if is_free "$port" && is_free $((port + 1)); then
      echo "$port"
      return 0
    fi
  done
  fail "no free port between 18080 and 18980"
}

use_this_machine() {
  touch "$STATE/is-local"
  http=$(free_port)
  name=localhost
  url=http://localhost:$http/
  hosts='  here: { address: local }'
  load_to=127.0.0.1:$http=$RATE
}

use_lab_hosts() {
  local n address rate=$RATE
  "$LAB/prepare"
  N=$1 "$LAB/up"
  http=8080
  hosts=
  load_to=
  for n in $(seq "$1"); do
    address=$NET.$((10 + n))
    hosts+="  h$n: { address: $address, user: root, identity: $LAB_RUN/id, known_hosts: $LAB_RUN/known_hosts }"$'\n'
    load_to+=${load_to:+,}$address:$http=$rate
    rate=$OTHERS_RATE
  done
  name=$NET.11
  url=http://$name:$http/
}

write_sample() {
  rm -rf "$APP"
  cp -r "$ROOT/scripts/sample" "$APP"
  cp "$CACHE/bin/labtool" "$APP/app"
  local text
  text=$(<"$APP/stagecraft.yml")
  text=${text//@HOSTS@/${hosts%$'\n'}}
  text=${text//@NAME@/$name}
  text=${text//@HTTPS@/$((http + 1))}
  text=${text//@HTTP@/$http}
  printf '%s\n' "$text" >"$APP/stagecraft.yml"
}

# ── the demo itself ──────────────────────────────────────────────────────────────────────────────────────────────────

stagecraft() {
  printf '$ stagecraft %s\n' "$*" >&2
  "$STAGECRAFT" -C "$APP" "$@"
}

# under_load COMMAND…: runs it while requests are sent without a pause; ends with what became of them.
under_load() {
  local load began took code=0
  rm -f "$STATE/stop" "$STATE/load.json"
  "$CACHE/bin/labtool" load --to "$load_to" --host "$name" --until-file "$STATE/stop" --json "$STATE/load.json" \
    >"$STATE/load.txt" &
  load=$!
  # It would go on when the demo is interrupted.
  trap 'touch "$STATE/stop"' EXIT
  sleep 1
  began=$(now_ms)
  "$@" || code=$?
  took=$(($(now_ms) - began))
  sleep 1
  touch "$STATE/stop"
  if ! wait $load; then
    say "the requests that failed, one by one: $STATE/load.json"
    failed=yes
  fi
  cat "$STATE/load.txt"
  printf 'took %s s: %s\n' "$(seconds $took)" "$*"
  [ $code = 0 ] || fail "\`$*\` ended with exit code $code"
  local rate
  rate=$(sed -n 's/^  "rate": \([0-9]*\).*/\1/p' "$STATE/load.json")
  [ "${rate:-0}" -ge $MINIMUM ] || fail "only ${rate:-0} requests a second were sent, $MINIMUM were to be: the machine is too busy"
}

main() {
  local count=0
  case ${1:-} in
    --down) down; exit ;;
    --hosts)
      count=${2:-3}
      [[ $count =~ ^[1-9]$ ]] || fail "--hosts takes a number from 1 to 9"
      [ "$(id -u)" = 0 ] || fail "--hosts makes network namespaces: run it as root"
      ;;
    '') ;;
    *) usage; exit 2 ;;
  esac
  [ ! -d "$STATE" ] || { step 'Removing the demo that is there'; down; }

  step 'Installing what is missing'
  mkdir -p "$STATE"
  [ -d "$CACHE" ] || touch "$STATE/no-cache"
  needs_docker "$STATE/dockerd.pid"
  say "Docker engine $(docker version -f '{{.Server.Version}}'), Compose $(docker compose version --short), $(docker buildx version | cut -d' ' -f1,2)"
  remember_what_was_there
  needs_rust
  needs_ingress_image
  "$LAB/prepare" labtool

  step 'Building Stagecraft (a first build takes a few minutes)'
  cargo build --release --locked --manifest-path "$ROOT/Cargo.toml" --bin stagecraft

  if [ "$count" = 0 ]; then
    use_this_machine
  else
    step "Making $count SSH hosts"
    use_lab_hosts "$count"
  fi
  write_sample

  failed=
  step 'Deploying v1 of the sample application'
  stagecraft deploy --yes

  step 'Planning v2'
  sed -i 's/VERSION: v1/VERSION: v2/' "$APP/compose.yaml"
  stagecraft plan

  step "Deploying v2 under load"
  under_load stagecraft deploy --yes

  step 'Rolling back to v1 under load'
  under_load stagecraft rollback --yes

  step 'Done'
  [ -z "$failed" ] || fail 'requests failed, see above'
  say "open  $url (from this machine)"
  say "look  $STAGECRAFT -C $APP status"
  say "end   scripts/demo.sh --down"
}

main "$@"
