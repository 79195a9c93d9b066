//! One service of Compose's JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Resolved, mounts,
    section::{Section, no_hint},
};
use crate::{
    compose::definition::{Attachment, Definition, HealthCheck, Limits, Logging, Port, Restart, Ulimit},
    model::{Dependency, DependencyCondition, NetworkName, SecretValue, ServiceName},
};

/// Labels with these beginnings are Compose's and Stagecraft's own.
const RESERVED: [&str; 2] = ["com.docker.compose.", "io.stagecraft."];

pub fn service(mut section: Section<'_>, name: &str, project: &str, services: &[String]) -> Resolved {
    let s = &mut section;
    // What only building, watching and choosing services looks at; Compose itself has done so.
    for key in ["profiles", "develop", "env_file"] {
        s.take(key);
    }
    pull_policy(s);
    let (environment, environment_unset) = environment(s);
    let (replicas, limits) = deploy(s);
    let definition = Definition {
        command: s.texts("command"),
        entrypoint: s.texts("entrypoint"),
        environment_unset,
        ports: s.list("ports").into_iter().filter_map(port).collect(),
        volumes: mounts::volumes(s),
        tmpfs: mounts::tmpfs(s),
        networks: networks(s),
        healthcheck: health_check(s),
        restart: s.parsed("restart", restart),
        labels: labels(s),
        user: s.text("user"),
        working_dir: s.text("working_dir"),
        stop_signal: s.text("stop_signal"),
        stop_grace_period: s.span("stop_grace_period"),
        logging: logging(s),
        limits,
        extra_hosts: s
            .texts("extra_hosts")
            .unwrap_or_default()
            .iter()
            .map(|entry| entry.replacen('=', ":", 1))
            .collect(),
        read_only: s.flag("read_only").unwrap_or(false),
        init: s.flag("init"),
        cap_add: s.texts("cap_add").unwrap_or_default(),
        cap_drop: s.texts("cap_drop").unwrap_or_default(),
        ulimits: ulimits(s),
        container_name: s.text("container_name"),
        hostname: s.text("hostname"),
        platform: s.text("platform"),
    };
    let resolved = Resolved {
        definition,
        environment,
        depends_on: depends_on(s, services),
        replicas,
        image: s.text("image").unwrap_or_else(|| format!("{project}-{name}")),
        build: s.take("build"),
    };
    section.finish(hint);
    resolved
}

fn hint(key: &str) -> Option<&'static str> {
    match key {
        "expose" => Some("leave it out: containers of one network reach every port of one another"),
        "secrets" | "configs" => Some("give the value by `environment` or `env_file`, or the file in the image"),
        "network_mode" => Some("leave it out: the service then joins the project's default network"),
        "links" | "external_links" => Some("leave it out: services of one network find one another by name"),
        "post_start" | "pre_stop" => Some("let the image's own program do it"),
        _ => None,
    }
}

/// An image that is missing is built or pulled on the operator's machine, before there is a plan; that is what these mean.
fn pull_policy(s: &mut Section<'_>) {
    if let Some(policy) = s.text("pull_policy")
        && !["missing", "if_not_present", "build"].contains(&policy.as_str())
    {
        s.problem(
            "pull_policy",
            format!(
                "Stagecraft does not support the pull policy `{policy}`: it pulls what the operator's engine lacks"
            ),
            Some("leave it out, and run `docker compose pull` where you want newer images"),
        );
    }
}

fn environment(s: &mut Section<'_>) -> (BTreeMap<String, SecretValue>, BTreeSet<String>) {
    let unset = match s.peek("environment") {
        Some(Value::Object(map)) => {
            map.into_iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name).collect()
        }
        _ => BTreeSet::new(),
    };
    let values = s.map("environment").into_iter().filter(|(name, _)| !unset.contains(name));
    (values.map(|(name, value)| (name, SecretValue::new(value))).collect(), unset)
}

fn port(mut section: Section<'_>) -> Option<Port> {
    // What Docker Compose has no use for either: they name the port, and say how a swarm would publish it.
    for key in ["name", "mode", "app_protocol"] {
        section.take(key);
    }
    let target = section.whole("target").and_then(|target| u16::try_from(target).ok());
    let port = Port {
        target: target?,
        protocol: section.text("protocol").unwrap_or_else(|| "tcp".into()),
        published: section.text("published"),
        host_ip: section.text("host_ip"),
    };
    section.finish(no_hint);
    Some(port)
}

fn networks(s: &mut Section<'_>) -> BTreeMap<NetworkName, Attachment> {
    let mut networks = BTreeMap::new();
    for (key, mut section) in s.named("networks") {
        let attachment = Attachment {
            aliases: section.texts("aliases").unwrap_or_default(),
            ipv4_address: section.parsed("ipv4_address", |value| {
                let address = value.as_str().and_then(|text| text.parse().ok());
                address.ok_or_else(|| "is not an IPv4 address".to_owned())
            }),
        };
        match NetworkName::new(key) {
            Ok(key) => {
                networks.insert(key, attachment);
            }
            Err(error) => section.wrong(error.to_string()),
        }
        section.finish(no_hint);
    }
    networks
}

fn health_check(s: &mut Section<'_>) -> Option<HealthCheck> {
    s.peek("healthcheck")?;
    let mut section = s.section("healthcheck");
    let disabled = section.flag("disable") == Some(true);
    let test = section.texts("test").unwrap_or_default();
    let check = HealthCheck {
        test: if disabled { vec!["NONE".to_owned()] } else { test },
        interval: section.span("interval"),
        timeout: section.span("timeout"),
        retries: section.whole("retries"),
        start_period: section.span("start_period"),
        start_interval: section.span("start_interval"),
    };
    if check.start_interval.is_some() && check.start_period.is_none() {
        section.problem("start_interval", "has no effect without `start_period`", Some("add `start_period`"));
    }
    section.finish(no_hint);
    Some(check)
}

fn restart(value: &Value) -> Result<Restart, String> {
    let text = value.as_str().unwrap_or_default();
    let (policy, attempts) = text.split_once(':').unwrap_or((text, "0"));
    let wrong = || format!("`{text}` is not one of no, always, unless-stopped, on-failure and on-failure:N");
    match policy {
        "on-failure" => Ok(Restart::OnFailure { attempts: attempts.parse().map_err(|_| wrong())? }),
        "no" => Ok(Restart::No),
        "always" => Ok(Restart::Always),
        "unless-stopped" => Ok(Restart::UnlessStopped),
        _ => Err(wrong()),
    }
}

fn labels(s: &mut Section<'_>) -> BTreeMap<String, String> {
    let labels = s.map("labels");
    for name in labels.keys().filter(|name| RESERVED.iter().any(|reserved| name.starts_with(reserved))) {
        s.problem("labels", format!("the label `{name}` is set by Stagecraft itself"), Some("remove it"));
    }
    labels
}

fn logging(s: &mut Section<'_>) -> Option<Logging> {
    s.peek("logging")?;
    let mut section = s.section("logging");
    let logging = Logging { driver: section.text("driver"), options: section.map("options") };
    section.finish(no_hint);
    Some(logging)
}

fn ulimits(s: &mut Section<'_>) -> BTreeMap<String, Ulimit> {
    let ulimit = |value: &Value| {
        let (soft, hard) = match value {
            Value::Number(both) => (both.as_i64(), both.as_i64()),
            Value::Object(map) => (map.get("soft").and_then(Value::as_i64), map.get("hard").and_then(Value::as_i64)),
            _ => (None, None),
        };
        let wrong = || "should be a number, or a map of `soft` and `hard`".to_owned();
        Ok::<_, String>(Ulimit { soft: soft.ok_or_else(wrong)?, hard: hard.ok_or_else(wrong)? })
    };
    let parsed = s.parsed("ulimits", |value| match value {
        Value::Object(map) => map.iter().map(|(name, value)| Ok((name.clone(), ulimit(value)?))).collect(),
        _ => Err("should be a map".to_owned()),
    });
    parsed.unwrap_or_default()
}

/// `deploy` and the keys that it replaces. What `deploy` says wins, as in Compose.
fn deploy(s: &mut Section<'_>) -> (Option<u32>, Limits) {
    let mut limits = Limits {
        nano_cpus: s.decimal("cpus").map(nano_cpus),
        memory: s.whole("mem_limit"),
        memory_swap: s.whole("memswap_limit"),
        memory_reservation: s.whole("mem_reservation"),
        pids: s.whole("pids_limit"),
    };
    let scale = s.whole("scale");
    let mut deploy = s.section("deploy");
    let replicas = deploy.whole("replicas").or(scale).and_then(|replicas| u32::try_from(replicas).ok());
    if let Some(mode) = deploy.text("mode").filter(|mode| mode != "replicated") {
        let hint = "leave it out; stagecraft.yml says with `on` which hosts a service runs on";
        deploy.problem("mode", format!("Stagecraft does not support the mode `{mode}`"), Some(hint));
    }
    let mut resources = deploy.section("resources");
    let mut limit = resources.section("limits");
    limits.nano_cpus = limit.decimal("cpus").map(nano_cpus).or(limits.nano_cpus);
    limits.memory = limit.whole("memory").or(limits.memory);
    limits.pids = limit.whole("pids").or(limits.pids);
    limit.finish(no_hint);
    let mut reservation = resources.section("reservations");
    limits.memory_reservation = reservation.whole("memory").or(limits.memory_reservation);
    reservation.finish(|key| (key == "cpus").then_some("leave it out: it has no effect outside of a swarm"));
    resources.finish(no_hint);
    deploy.finish(|key| match key {
        "restart_policy" => Some("use `restart`"),
        "update_config" | "rollback_config" => Some("stagecraft.yml says it, with the service's `rollout`"),
        "placement" => Some("stagecraft.yml says it, with the service's `on`"),
        "labels" => Some("use the service's own `labels`"),
        _ => None,
    });
    (replicas, limits)
}

/// Compose reckons with single precision, and so must we, to come to the same number.
#[expect(clippy::cast_possible_truncation, reason = "single precision is what Compose has")]
fn nano_cpus(cpus: f64) -> i64 {
    (cpus as f32 * 1e9) as i64
}

fn depends_on(s: &mut Section<'_>, services: &[String]) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    for (name, mut section) in s.named("depends_on") {
        let required = section.flag("required").unwrap_or(true);
        if section.flag("restart") == Some(true) {
            section.problem(
                "restart",
                "Stagecraft does not restart what depends on a replaced service",
                Some("leave it out"),
            );
        }
        let condition = section.parsed("condition", |value| {
            serde_json::from_value(value.clone()).map_err(|_| format!("Stagecraft does not know the condition {value}"))
        });
        let condition = condition.unwrap_or(DependencyCondition::ServiceStarted);
        section.finish(no_hint);
        // One that is not required and whose profile is not active is not there.
        if let (true, Ok(service)) = (required || services.contains(&name), ServiceName::new(name)) {
            dependencies.push(Dependency { service, condition });
        }
    }
    dependencies
}
