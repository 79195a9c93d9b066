# shellcheck shell=bash
# What the scripts share: they install what is missing, say what, and touch nothing that is there.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB=$ROOT/tests/lab
CACHE=${LAB_CACHE:-$HOME/.cache/stagecraft-lab}

say() { echo "$*" >&2; }
fail() { say "$*"; exit 1; }

# A heading in the output of a script.
step() { printf '\n── %s\n' "$*" >&2; }

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# seconds MILLISECONDS: 5432 is 5.4.
seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# The projects that this machine's ingress serves, a line each.
projects_in_ingress() {
  local app
  for app in /var/lib/stagecraft/ingress/config/apps/*.json; do
    [ ! -e "$app" ] || basename "$app" .json
  done
}

is_package_known() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

update_packages() {
  [ -z "${packages_updated:-}" ] || return 0
  local log
  log=$(mktemp)
  apt-get update -q >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; fail "apt-get update failed (see above)"; }
  rm -f "$log"
  packages_updated=1
}

install_packages() {
  [ "$(id -u)" = 0 ] || fail "$* must be installed: run this as root, or apt-get install $*"
  command -v apt-get >/dev/null || fail "$* must be installed, and this machine has no apt-get: install it and run this again"
  say "installing $* (apt-get)"
  update_packages
  local log
  log=$(mktemp)
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1 ||
    { tail -20 "$log" >&2; rm -f "$log"; fail "apt-get install $* failed (see above)"; }
  rm -f "$log"
}

# needs COMMAND PACKAGE
needs() { command -v "$1" >/dev/null || install_packages "$2"; }

# The pinned toolchain. Where rustup is there, it is used; a cargo of the distribution's is used when it is new enough.
needs_rust() {
  [ -z "${rust_is_there:-}" ] || return 0
  needs cc build-essential
  local channel wanted
  channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")
  export PATH="$PATH:$HOME/.cargo/bin"
  if ! command -v rustup >/dev/null && command -v cargo >/dev/null; then
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
    if [ "$(printf '%s\n' "$wanted" "$(rustc --version | cut -d' ' -f2)" | sort -V | head -1)" = "$wanted" ]; then
      rust_is_there=1
      return 0
    fi
  fi
  if ! command -v rustup >/dev/null; then
    needs curl curl
    [ -e /etc/ssl/certs/ca-certificates.crt ] || install_packages ca-certificates
    say "installing rustup into ~/.cargo and ~/.rustup (https://rustup.rs)"
    curl --proto '=https' --tlsv1.2 -sSf --max-time 120 https://sh.rustup.rs |
      sh -s -- -y -q --no-modify-path --profile minimal --default-toolchain none >&2 || fail "rustup could not be installed"
  fi
  if ! rustup toolchain list | grep -q "^$channel"; then
    say "installing the Rust toolchain $channel (rustup)"
    rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy >&2 ||
      fail "the toolchain $channel could not be installed"
  fi
  rust_is_there=1
}

# Docker's client with Compose and buildx, and an engine that answers. A dockerd that had to be started leaves its pid in
# $1, for stop_engine.
needs_docker() {
  local pid_file=$1
  if ! command -v docker >/dev/null; then
    update_packages
    install_packages docker.io
    # Newer releases keep the client in a package of its own.
    command -v docker >/dev/null || install_packages docker-cli
  fi
  needs_plugin compose docker-compose-plugin docker-compose-v2 docker-compose
  needs_plugin buildx docker-buildx-plugin docker-buildx
  docker version >/dev/null 2>&1 || start_engine "$pid_file"
}

# needs_plugin NAME PACKAGE…: of the packages that some distribution has, the first that is known here and is a plugin.
needs_plugin() {
  local name=$1 package
  shift
  ! docker "$name" version >/dev/null 2>&1 || return 0
  update_packages
  for package in "$@"; do
    is_package_known "$package" || continue
    # Compose 1 is another program under the same name.
    [ "$package" != docker-compose ] || ! apt-cache policy docker-compose | grep -q 'Candidate: 1\.' || continue
    install_packages "$package"
    ! docker "$name" version >/dev/null 2>&1 || return 0
  done
  "$LAB/prepare" plugins
  say "installing the plugin docker-$name of Debian sid into /usr/local/lib/docker/cli-plugins"
  install -D -m 755 "$CACHE/cli-plugins/docker-$name" "/usr/local/lib/docker/cli-plugins/docker-$name"
  docker "$name" version >/dev/null 2>&1 || fail "docker $name does not work: see \`docker $name version\`"
}

ENGINE_START_SECONDS=60

start_engine() {
  local pid_file=$1 log
  [ "$(id -u)" = 0 ] || fail "no Docker engine answers: start it, or run this as root"
  needs dockerd docker.io
  needs iptables iptables
  if [ -d /run/systemd/system ]; then
    say "no Docker engine answers: starting the service docker"
    systemctl start docker || fail "systemctl start docker failed: see journalctl -u docker"
  else
    log=${pid_file%.pid}.log
    mkdir -p "$(dirname "$pid_file")"
    say "no Docker engine answers: starting dockerd (its log: $log)"
    setsid dockerd >"$log" 2>&1 </dev/null &
    echo $! >"$pid_file"
  fi
  local until=$((SECONDS + ENGINE_START_SECONDS))
  until docker version >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || fail "the engine did not start within $ENGINE_START_SECONDS s: see ${log:-journalctl -u docker}"
    sleep 0.2
  done
}

# stop_engine PID_FILE: ends the dockerd that start_engine started, no other.
stop_engine() {
  [ -f "$1" ] || return 0
  local pid
  pid=$(cat "$1")
  if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
    say "ending the dockerd that was started (pid $pid)"
    kill "$pid"
    for _ in $(seq 150); do
      [ -e "/proc/$pid" ] || break
      sleep 0.1
    done
  fi
  rm -f "$1"
}

INGRESS_IMAGE=haproxy:3.2
PULL_SECONDS=60

# The image of the ingress: pulled where a registry can be reached, else built from Debian's package.
needs_ingress_image() {
  ! docker image inspect $INGRESS_IMAGE >/dev/null 2>&1 || return 0
  say "pulling $INGRESS_IMAGE"
  if timeout $PULL_SECONDS docker pull -q $INGRESS_IMAGE >/dev/null 2>&1; then
    return 0
  fi
  say "no registry can be reached: building $INGRESS_IMAGE from Debian's package"
  "$LAB/prepare" haproxy
  docker build -q -t $INGRESS_IMAGE "$CACHE/haproxy" >/dev/null || fail "the image $INGRESS_IMAGE could not be built"
}
