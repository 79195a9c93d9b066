//! Output of Docker Compose 2.40.3, `$$` already single, as `ComposeCli::config` returns it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Model, read};
use crate::{
    compose::definition::{Attachment, HealthCheck, Limits, Mount, Port, Restart, Ulimit},
    model::{DependencyCondition, NetworkName, NetworkSpec, ServiceName, Span, VolumeName, VolumeSpec},
};

const SHOP: &str = r#"{
  "name": "shop",
  "networks": {
    "back": {
      "name": "shop_back",
      "ipam": {},
      "internal": true
    },
    "default": {
      "name": "shop_default",
      "ipam": {}
    },
    "front": {
      "name": "shop_front",
      "driver": "bridge",
      "ipam": {"config": [{"subnet": "172.30.9.0/24", "gateway": "172.30.9.1", "aux_addresses": {"a": "172.30.9.5"}}]},
      "labels": {"l": "m"}
    }
  },
  "services": {
    "db": {
      "build": {"context": "/srv/shop", "dockerfile": "Dockerfile"},
      "cpus": 0.5,
      "command": [],
      "entrypoint": null,
      "healthcheck": {"disable": true},
      "mem_limit": "104857600",
      "networks": {"default": null},
      "pids_limit": 10,
      "scale": 3
    },
    "web": {
      "build": {"context": "/srv/shop", "dockerfile": "Dockerfile", "args": {"TOKEN": "s3cret"}},
      "develop": {"watch": [{"path": "/srv/shop/html", "action": "sync", "target": "/html", "exec": {"command": null}}]},
      "command": ["serve", "--x", "$HOME"],
      "depends_on": {"db": {"condition": "service_healthy", "required": true}, "gone": {"condition": "service_started", "required": false}},
      "deploy": {"replicas": 2, "resources": {"limits": {"cpus": 0.7, "memory": "134217728", "pids": 50}, "reservations": {"memory": "67108864"}}, "placement": {}},
      "entrypoint": ["/app", "a b"],
      "environment": {"DOLLAR": "a$b", "EMPTY": "", "GREETING": "hello", "NUM": "3", "SHELL_ONLY": null},
      "extra_hosts": ["a=1.2.3.4", "b=::1"],
      "healthcheck": {"test": ["CMD", "/app", "check"], "timeout": "1.5s", "interval": "1m30s", "retries": 3, "start_period": "2s", "start_interval": "500ms"},
      "image": "cfid-app:1",
      "init": true,
      "labels": {"a": "b", "c": "$d", "e": "", "n": "1"},
      "logging": {"driver": "json-file", "options": {"max-file": "3", "max-size": "10m"}},
      "networks": {"back": {}, "front": {"aliases": ["w", "www"], "ipv4_address": "172.30.9.10"}},
      "ports": [{"mode": "ingress", "target": 8080, "published": "18085", "protocol": "tcp"}, {"mode": "ingress", "host_ip": "127.0.0.1", "target": 9090, "protocol": "udp"}, {"name": "web", "mode": "host", "target": 80, "published": "18090-18092", "protocol": "tcp", "app_protocol": "http"}],
      "pull_policy": "missing",
      "restart": "on-failure:5",
      "stop_grace_period": "1m30s",
      "tmpfs": ["/run", "/tmp:size=10m,mode=1777"],
      "ulimits": {"nofile": {"soft": 100, "hard": 200}, "nproc": 5},
      "volumes": [{"type": "volume", "source": "data", "target": "/data", "volume": {}}, {"type": "volume", "source": "cache", "target": "/cache", "read_only": true, "volume": {"nocopy": true}}, {"type": "bind", "source": "/srv/shop/html", "target": "/html", "read_only": true, "bind": {"create_host_path": true}}, {"type": "bind", "source": "/srv/x", "target": "/x", "bind": {"propagation": "rslave", "create_host_path": true}}, {"type": "tmpfs", "target": "/tt", "tmpfs": {"size": "67108864", "mode": 1023}}]
    }
  },
  "volumes": {
    "cache": {
      "name": "mycache",
      "driver": "local",
      "driver_opts": {"device": "tmpfs", "o": "size=1m", "type": "tmpfs"},
      "labels": {"v": "w"}
    },
    "data": {
      "name": "shop_data"
    }
  },
  "x-anchor": {
    "a": 1
  }
}"#;

fn shop() -> Model {
    read(&serde_json::from_str(SHOP).unwrap()).unwrap()
}

fn service(model: &Model, name: &str) -> super::Resolved {
    model.services[&ServiceName::new(name).unwrap()].clone()
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn reads_a_service_as_compose_resolved_it() {
    let model = shop();
    let web = service(&model, "web");
    let definition = web.definition;
    assert_eq!(definition.command, Some(texts(&["serve", "--x", "$HOME"])));
    assert_eq!(definition.entrypoint, Some(texts(&["/app", "a b"])));
    let published = |target, protocol: &str, published: Option<&str>, host_ip: Option<&str>| Port {
        target,
        protocol: protocol.into(),
        published: published.map(str::to_owned),
        host_ip: host_ip.map(str::to_owned),
    };
    assert_eq!(
        definition.ports,
        [
            published(8080, "tcp", Some("18085"), None),
            published(9090, "udp", None, Some("127.0.0.1")),
            published(80, "tcp", Some("18090-18092"), None),
        ]
    );
    let front = Attachment { aliases: texts(&["w", "www"]), ipv4_address: Some([172, 30, 9, 10].into()) };
    assert_eq!(definition.networks[&NetworkName::new("front").unwrap()], front);
    assert_eq!(definition.networks[&NetworkName::new("back").unwrap()], Attachment::default());
    assert_eq!(
        definition.healthcheck,
        Some(HealthCheck {
            test: texts(&["CMD", "/app", "check"]),
            interval: Some(Span::secs(90)),
            timeout: Some(Span::millis(1500)),
            retries: Some(3),
            start_period: Some(Span::secs(2)),
            start_interval: Some(Span::millis(500)),
        })
    );
    assert_eq!(definition.restart, Some(Restart::OnFailure { attempts: 5 }));
    assert_eq!(definition.labels, pairs(&[("a", "b"), ("c", "$d"), ("e", ""), ("n", "1")]));
    assert_eq!(definition.stop_grace_period, Some(Span::secs(90)));
    assert_eq!(definition.logging.unwrap().options, pairs(&[("max-file", "3"), ("max-size", "10m")]));
    let limits = Limits {
        nano_cpus: Some(700_000_000),
        memory: Some(128 << 20),
        memory_reservation: Some(64 << 20),
        pids: Some(50),
        memory_swap: None,
    };
    assert_eq!(definition.limits, limits);
    assert_eq!(definition.extra_hosts, ["a:1.2.3.4", "b:::1"]);
    assert_eq!(definition.init, Some(true));
    assert_eq!(definition.ulimits["nofile"], Ulimit { soft: 100, hard: 200 });
    assert_eq!(definition.ulimits["nproc"], Ulimit { soft: 5, hard: 5 });
    assert_eq!(definition.tmpfs, pairs(&[("/run", ""), ("/tmp", "size=10m,mode=1777")]));
    assert_eq!((web.replicas, web.image.as_str()), (Some(2), "cfid-app:1"));
    assert_eq!(web.build.unwrap()["args"]["TOKEN"], "s3cret");
}

#[test]
fn reads_mounts_of_every_kind() {
    let volumes = service(&shop(), "web").definition.volumes;
    let volume = |source, target: &str, read_only, nocopy| Mount::Volume {
        source: VolumeName::new(source).unwrap(),
        target: target.into(),
        read_only,
        nocopy,
    };
    let bind = |source: &str, target: &str, read_only, propagation: Option<&str>| Mount::Bind {
        source: source.into(),
        target: target.into(),
        read_only,
        create_host_path: true,
        propagation: propagation.map(str::to_owned),
        selinux: None,
    };
    assert_eq!(
        volumes,
        [
            volume("data", "/data", false, false),
            volume("cache", "/cache", true, true),
            bind("/srv/shop/html", "/html", true, None),
            bind("/srv/x", "/x", false, Some("rslave")),
            Mount::Tmpfs { target: "/tt".into(), read_only: false, size: Some(64 << 20), mode: Some(0o1777) },
        ]
    );
}

#[test]
fn values_of_the_environment_stand_apart() {
    let web = service(&shop(), "web");
    let values = web.environment.iter().map(|(name, value)| (name.as_str(), value.expose())).collect::<Vec<_>>();
    assert_eq!(values, [("DOLLAR", "a$b"), ("EMPTY", ""), ("GREETING", "hello"), ("NUM", "3")]);
    assert_eq!(web.definition.environment_unset.into_iter().collect::<Vec<_>>(), ["SHELL_ONLY"]);
}

#[test]
fn a_dependency_that_is_not_required_may_be_absent() {
    let depends_on = service(&shop(), "web").depends_on;
    let found: Vec<_> = depends_on.iter().map(|other| (other.service.as_str(), other.condition)).collect();
    assert_eq!(found, [("db", DependencyCondition::ServiceHealthy)]);
}

#[test]
fn reads_the_older_keys_and_a_disabled_check() {
    let db = service(&shop(), "db");
    assert_eq!(db.image, "shop-db");
    assert_eq!(db.replicas, Some(3));
    assert_eq!(db.definition.command, Some(vec![]));
    assert_eq!(db.definition.healthcheck.unwrap().test, ["NONE"]);
    let limits = Limits { nano_cpus: Some(500_000_000), memory: Some(100 << 20), pids: Some(10), ..Limits::default() };
    assert_eq!(db.definition.limits, limits);
}

#[test]
fn reads_networks_and_volumes() {
    let model = shop();
    let names: Vec<_> = model.networks.iter().map(|network| network.name.as_str()).collect();
    assert_eq!(names, ["shop_back", "shop_default", "shop_front"]);
    let created = |driver: Option<&str>, internal, labels, ipam| NetworkSpec::Created {
        driver: driver.map(str::to_owned),
        internal,
        labels,
        ipam,
    };
    assert_eq!(model.networks[0].spec, created(None, true, pairs(&[]), None));
    let pool = json!({"subnet": "172.30.9.0/24", "gateway": "172.30.9.1", "aux_addresses": {"a": "172.30.9.5"}});
    let ipam = Some(json!({ "config": [pool] }));
    assert_eq!(model.networks[2].spec, created(Some("bridge"), false, pairs(&[("l", "m")]), ipam));
    assert_eq!(model.volumes[0].name, "mycache");
    assert_eq!(
        model.volumes[0].spec,
        VolumeSpec::Created {
            driver: Some("local".into()),
            driver_opts: pairs(&[("device", "tmpfs"), ("o", "size=1m"), ("type", "tmpfs")]),
            labels: pairs(&[("v", "w")]),
        }
    );
    let external = json!({"name": "x", "networks": {"ext": {"name": "extn", "ipam": {}, "external": true}}});
    assert_eq!(read(&external).unwrap().networks[0].spec, NetworkSpec::External);
}

fn problems(config: &Value) -> Vec<String> {
    let problems = read(config).expect_err("problems");
    problems.into_iter().map(|problem| format!("{}: {}", problem.path.join("."), problem.message)).collect()
}

// spec: compose.unsupported
#[test]
fn every_unsupported_key_is_named_at_once() {
    let config = r#"{
      "name": "shop",
      "networks": { "default": { "name": "shop_default", "ipam": {}, "attachable": true } },
      "secrets": { "s": { "name": "shop_s", "environment": "HOME" } },
      "services": {
        "db": { "command": null, "entrypoint": null, "image": "a", "network_mode": "host" },
        "web": {
          "command": null,
          "depends_on": { "db": { "condition": "service_started", "restart": true, "required": true } },
          "deploy": {
            "mode": "global",
            "resources": { "reservations": { "cpus": 1 } },
            "restart_policy": { "condition": "any" },
            "placement": { "constraints": ["a"] }
          },
          "entrypoint": null,
          "expose": ["7000"],
          "healthcheck": { "test": ["CMD-SHELL", "x"], "start_interval": "1s" },
          "image": "a",
          "labels": { "com.docker.compose.project": "x" },
          "networks": { "default": { "priority": 3 } },
          "ports": [{ "mode": "ingress", "target": 80, "protocol": "tcp" }],
          "privileged": true,
          "pull_policy": "always",
          "restart": "sometimes",
          "secrets": [{ "source": "s", "target": "/run/secrets/s" }],
          "volumes": [
            { "type": "volume", "target": "/anon", "volume": {} },
            { "type": "image", "source": "a", "target": "/i" },
            { "type": "volume", "source": "data", "target": "/s", "volume": { "subpath": "x" } }
          ]
        }
      },
      "volumes": { "data": { "name": "shop_data" } }
    }"#;
    assert_eq!(
        problems(&serde_json::from_str(config).unwrap()),
        [
            "networks.default.attachable: Stagecraft does not support `attachable`",
            "services.db.network_mode: Stagecraft does not support `network_mode`",
            "services.web.pull_policy: Stagecraft does not support the pull policy `always`: it pulls what the operator's engine lacks",
            "services.web.deploy.mode: Stagecraft does not support the mode `global`",
            "services.web.deploy.resources.reservations.cpus: Stagecraft does not support `cpus`",
            "services.web.deploy.restart_policy: Stagecraft does not support `restart_policy`",
            "services.web.deploy.placement: Stagecraft does not support `placement`",
            "services.web.volumes.0.source: the volume at /anon has no name: each release would begin with an empty one",
            "services.web.volumes.1.type: Stagecraft does not support mounts of type `image`",
            "services.web.volumes.2.volume.subpath: Stagecraft does not support `subpath`",
            "services.web.networks.default.priority: Stagecraft does not support `priority`",
            "services.web.healthcheck.start_interval: has no effect without `start_period`",
            "services.web.restart: `sometimes` is not one of no, always, unless-stopped, on-failure and on-failure:N",
            "services.web.labels: the label `com.docker.compose.project` is set by Stagecraft itself",
            "services.web.depends_on.db.restart: Stagecraft does not restart what depends on a replaced service",
            "services.web.expose: Stagecraft does not support `expose`",
            "services.web.privileged: Stagecraft does not support `privileged`",
            "services.web.secrets: Stagecraft does not support `secrets`",
            "secrets: Stagecraft does not support `secrets`",
        ]
    );
}

#[test]
fn a_value_of_the_environment_is_in_no_message() {
    let config = json!({"name": "shop", "services": {"web": {"image": "a", "environment": {"KEY": ["s3cret"]}}}});
    assert_eq!(problems(&config), ["services.web.environment: should be a text, and is a list"]);
}
