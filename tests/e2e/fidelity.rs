//! The same Compose file put up by Docker Compose and by Stagecraft, and what the engine says of both.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    app::App,
    lab::{self, Place},
    stagecraft::stagecraft,
};

const HTTP: u16 = 8260;
const STAGECRAFT: &str = "e2e-fidelity";
const COMPOSE: &str = "e2e-fidelity-by-compose";

/// Every supported key once at least. It does run.
const FILE: &str = r#"
services:
  web:
    image: fidelity-app:1
    entrypoint: ["/app"]
    command: serve
    environment: { GREETING: "a$$b", EMPTY: "", FROM_SHELL: , NUMBER: 3 }
    env_file: [web.env]
    ports: ["28260:8080", "127.0.0.1::9090/udp", "9000-9001", { target: 80, published: "28261-28269", mode: host }]
    volumes:
      - data:/data
      - scratch:/scratch:ro
      - scratch:/nocopy:nocopy
      - ./html:/html:ro
      - /srv:/srv-private:rprivate
      - { type: bind, source: /srv, target: /srv-plain, bind: { create_host_path: false } }
      - { type: tmpfs, target: /memory, tmpfs: { size: 8m, mode: 01777 } }
    networks: { front: { aliases: [www], ipv4_address: 10.219.60.10 }, back: {} }
    healthcheck: { test: [CMD, /app, healthcheck], interval: 1s, timeout: 1.5s, retries: 30, start_period: 2s }
    depends_on: { plain: { condition: service_started }, store: { condition: service_started } }
    restart: on-failure:5
    labels: { one: "1", dollar: "$$d", empty: "" }
    user: "1000:1000"
    working_dir: /data
    stop_signal: SIGINT
    stop_grace_period: 1m30s
    logging: { driver: json-file, options: { max-size: 10m, max-file: "3" } }
    deploy: { resources: { limits: { cpus: "0.7", memory: 128M, pids: 50 }, reservations: { memory: 64M } } }
    extra_hosts: ["gateway:host-gateway", "other=::1"]
    read_only: true
    init: true
    cap_add: [net_bind_service]
    cap_drop: [ALL]
    ulimits: { nofile: { soft: 1000, hard: 2000 }, nproc: 500 }
    hostname: front-door
    tmpfs: [/run, "/tmp:size=10m,mode=1777"]
  store:
    image: fidelity-app:1
    command: [serve]
    healthcheck: { disable: true }
    mem_limit: 100m
    memswap_limit: 200m
    mem_reservation: 50m
    cpus: 0.1
    pids_limit: 100
    restart: unless-stopped
    init: false
    stop_grace_period: 500ms
  plain: { image: "fidelity-app:1", restart: "no" }
networks:
  front:
    driver: bridge
    labels: { l: m }
    ipam: { config: [{ subnet: 10.219.60.0/24, gateway: 10.219.60.1, aux_addresses: { other: 10.219.60.5 } }] }
  back: { internal: true }
volumes:
  data: { labels: { v: w } }
  scratch: { driver: local, driver_opts: { type: tmpfs, device: tmpfs, o: "size=1m" } }
"#;

/// Labels that differ on purpose: hashes and places of files are each tool's own.
const OWN_LABELS: [&str; 3] = [
    "com.docker.compose.config-hash",
    "com.docker.compose.project.config_files",
    "com.docker.compose.project.working_dir",
];

fn project() -> App {
    let app = App::empty(STAGECRAFT, &[Place::Here]);
    app.write(
        "Dockerfile",
        "FROM scratch\nCOPY app /app\nENV FROM_SHELL=image\nENTRYPOINT [\"/app\"]\nCMD [\"serve\"]\n",
    );
    app.write("compose.yaml", FILE);
    app.write("web.env", "FROM_FILE=x\n");
    std::fs::create_dir(app.path().join("html")).expect("a writable directory");
    let stop_first = "{ rollout: { strategy: stop-first } }";
    app.write("stagecraft.yml", &app.manifest(HTTP, &format!("  web: {stop_first}\n  store: {stop_first}\n")));
    app
}

/// Containers by service, networks and volumes by name, as `docker inspect` shows them.
fn inspect(project: &str, directory: &str) -> Map<String, Value> {
    let filter = format!("--filter label=com.docker.compose.project={project}");
    let list = |what: &str, ids: &str| -> Vec<Value> {
        let text = lab::local(&format!("docker {what} inspect $(docker {ids} {filter})"));
        serde_json::from_str(&text.replace(directory, "DIRECTORY")).expect("JSON")
    };
    let containers = list("container", "ps -aq --no-trunc").into_iter().map(|found| container(&found, project));
    let networks = list("network", "network ls -q").into_iter();
    let networks =
        networks.map(|found| part("network", &found, &["Driver", "Internal", "Options", "EnableIPv6"], project));
    let volumes = list("volume", "volume ls -q").into_iter();
    let volumes = volumes.map(|found| part("volume", &found, &["Driver", "Options"], project));
    containers.chain(networks).chain(volumes).collect()
}

fn part(kind: &str, found: &Value, fields: &[&str], project: &str) -> (String, Value) {
    let mut part: Map<String, Value> = fields.iter().map(|&field| (field.to_owned(), found[field].clone())).collect();
    part.insert("Labels".into(), Value::Object(labels(&found["Labels"])));
    // The engine picks a subnet where the file names none.
    if found["Name"].as_str().is_some_and(|name| name.ends_with("_front")) {
        part.insert("IPAM".into(), found["IPAM"].clone());
    }
    let name = found["Name"].as_str().expect("a name").replacen(project, "PROJECT", 1);
    (format!("{kind} {name}"), normal(&Value::Object(part), project))
}

/// What of a container must agree: all of its configuration, and how it joins networks.
fn container(found: &Value, project: &str) -> (String, Value) {
    let service = found["Config"]["Labels"]["com.docker.compose.service"].as_str().expect("a service").to_owned();
    let id = &found["Id"].as_str().expect("an id")[..12];
    let mut config = found["Config"].clone();
    config["Labels"] = Value::Object(labels(&config["Labels"]));
    // Stagecraft names images by content.
    config["Image"] = Value::Null;
    let networks =
        found["NetworkSettings"]["Networks"].as_object().expect("networks").iter().map(|(name, endpoint)| {
            let joined = serde_json::json!({ "Aliases": endpoint["Aliases"], "IPAMConfig": endpoint["IPAMConfig"] });
            (name.replacen(project, "PROJECT", 1), joined)
        });
    let all = serde_json::json!({
        "Config": config,
        "HostConfig": found["HostConfig"],
        "Mounts": found["Mounts"],
        "Networks": Value::Object(networks.collect()),
    });
    let text = all.to_string().replace(id, "ID");
    (service, normal(&serde_json::from_str(&text).expect("JSON"), project))
}

fn labels(labels: &Value) -> Map<String, Value> {
    let mut labels = labels.as_object().cloned().unwrap_or_default();
    labels.retain(|name, _| !name.starts_with("io.stagecraft.") && !OWN_LABELS.contains(&name.as_str()));
    if let Some(Value::String(depends_on)) = labels.get_mut("com.docker.compose.depends_on") {
        // Compose writes them in no order.
        let sorted: BTreeSet<&str> = depends_on.split(',').collect();
        *depends_on = sorted.into_iter().collect::<Vec<_>>().join(",");
    }
    labels
}

/// Without the project's name, what is empty, and the order of lists.
fn normal(value: &Value, project: &str) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), normal(value, project)));
            Value::Object(entries.filter(|(_, value)| !empty(value)).collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| normal(item, project)).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::String(text) => Value::String(text.replace(project, "PROJECT")),
        other => other.clone(),
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) => false,
    }
}

/// The paths at which two values differ, with both sides.
fn differences(path: &str, compose: &Value, stagecraft: &Value) -> Vec<String> {
    match (compose, stagecraft) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            let at = |map: &Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or_default();
            keys.into_iter()
                .flat_map(|key| differences(&format!("{path}.{key}"), &at(left, key), &at(right, key)))
                .collect()
        }
        (left, right) if left == right => vec![],
        (left, right) => vec![format!("{path}: {left} by Compose, {right} by Stagecraft")],
    }
}

// spec: compose.fidelity
// spec: compose.ps
#[test]
fn containers_agree_with_those_that_docker_compose_makes() {
    let app = project();
    let directory = app.path().display().to_string();
    lab::local(&format!("docker build -q -t fidelity-app:1 {directory}"));
    lab::local(&format!("cd {directory} && docker compose -p {COMPOSE} up -d 2>&1"));
    let by_compose = inspect(COMPOSE, &directory);
    lab::local(&format!("cd {directory} && docker compose -p {COMPOSE} down -v 2>&1"));

    stagecraft(app.path(), &["deploy", "--yes"]).exits(0);
    let by_stagecraft = inspect(STAGECRAFT, &directory);
    assert_eq!(by_compose.len(), 8, "three services, three networks and two volumes: {:?}", by_compose.keys());
    let found = differences("", &Value::Object(by_compose), &Value::Object(by_stagecraft));
    assert!(found.is_empty(), "{}", found.join("\n"));

    let shown =
        lab::local(&format!("docker compose -p {STAGECRAFT} ps --format '{{{{.Service}}}} {{{{.State}}}}' | sort"));
    assert_eq!(shown, "plain running\nstore running\nweb running\n");
    let listed = lab::local(&format!("docker compose ls --filter name=^{STAGECRAFT}$"));
    assert!(listed.contains("running(3)"), "{listed}");
}
