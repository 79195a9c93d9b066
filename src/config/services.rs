//! The services of an environment: what the file says of each, held against the Compose model.

use std::{ops::Range, path::Path};

use stdlib::model::{Health, HostName, HostSettings, IngressProvider, JobTime, Rollout, ServiceName, Strategy};

use super::{
    file::Service,
    findings::Findings,
    hosts,
    routes::{self, Entrance},
    shape::{Given, Setting},
    values::{Named, Table},
};

/// What the file says of one service, checked by itself. What was read wrong has its default here.
#[derive(Debug, Clone)]
pub struct Settings {
    pub name: String,
    /// Where its name stands.
    pub key: Range<usize>,
    /// Its hosts, when `on` says which.
    pub on: Option<Vec<HostName>>,
    pub replicas: Option<Given<u32>>,
    pub route: Option<Entrance>,
    pub health: Health,
    pub rollout: Rollout,
    pub job: Option<Given<JobTime>>,
}

/// Where the services of an environment stand.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    pub directory: &'a Path,
    pub hosts: &'a [HostSettings],
    pub provider: IngressProvider,
}

/// Reads all services' settings.
pub fn settings(services: &Table<Service>, ground: Ground<'_>, findings: &mut Findings) -> Vec<Settings> {
    let settings: Vec<Settings> = services.0.iter().map(|named| one(named, ground, findings)).collect();
    let routes = settings.iter().filter_map(|service| Some((service.name.as_str(), service.route.as_ref()?)));
    routes::conflicts(routes, findings);
    settings
}

fn one(named: &Named<Service>, ground: Ground<'_>, findings: &mut Findings) -> Settings {
    let Service { on, replicas, route, health, rollout, job } = &named.value;
    if let Err(error) = ServiceName::new(&named.name) {
        findings.error(&named.key, error.to_string());
    }
    if let Some(on) = on.given().filter(|on| on.value.0.is_empty()) {
        findings.error(&on.key, "`on` names no host").help("leave `on` out to run on all hosts");
    }
    let settings = Settings {
        name: named.name.clone(),
        key: named.key.clone(),
        on: on.value().map(|on| hosts::named(on, ground.hosts, findings)),
        replicas: replicas.given().map(|given| given.with(given.value.0)),
        route: route.given().and_then(|given| routes::resolve(given, ground.provider, ground.directory, findings)),
        health: self::health(health.given(), route, findings),
        rollout: self::rollout(rollout.given(), findings),
        job: job.given().cloned(),
    };
    if let Some(job) = &settings.job {
        let misplaced =
            [("route", route.given().map(|given| &given.key)), ("replicas", replicas.given().map(|given| &given.key))];
        for (key, place) in misplaced.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            let line = findings.line(&job.key);
            findings
                .error(
                    place,
                    format!("`{}` is a job (line {line}): it runs once, on one host, and has no `{key}`", named.name),
                )
                .help(format!("remove `{key}` or `job`"));
        }
    }
    settings
}

fn health(
    given: Option<&Given<super::file::Health>>,
    route: &Setting<super::file::Route>,
    findings: &mut Findings,
) -> Health {
    let default = Health::default();
    let Some(Given { value: health, .. }) = given else { return default };
    if let Some(path) = health.path.given() {
        if !path.value.starts_with('/') {
            findings
                .error(&path.span, format!("the path `{}` does not begin with `/`", path.value))
                .help(format!("write `/{}`", path.value));
        } else if !routes::is_target(&path.value) {
            findings
                .error(&path.span, format!("`{}` is not a URL's path", path.value))
                .help("write a path such as `/up`, perhaps with a query; other characters are percent-encoded");
        }
        if route.is_absent() {
            findings
                .error(&path.key, "`health.path` is asked for at the route's port, and there is no route")
                .help("add a `route`, or a `healthcheck` in the Compose file");
        }
    }
    for timing in [&health.interval, &health.timeout] {
        positive(timing, findings);
    }
    Health {
        path: health.path.value().cloned(),
        interval: health.interval.or(default.interval),
        timeout: health.timeout.or(default.timeout),
        passes: health.passes.or(default.passes),
    }
}

fn rollout(given: Option<&Given<super::file::Rollout>>, findings: &mut Findings) -> Rollout {
    let default = Rollout::default();
    let Some(Given { value: rollout, .. }) = given else { return default };
    positive(&rollout.timeout, findings);
    Rollout {
        strategy: match rollout.strategy {
            // One complaint is enough: the missing stop-first may be what is misspelt.
            Setting::Wrong => Strategy::StopFirst,
            Setting::Absent | Setting::Given(_) => rollout.strategy.or(Strategy::Rolling),
        },
        drain: rollout.drain.or(default.drain),
        timeout: rollout.timeout.or(default.timeout),
        bake: rollout.bake.or(default.bake),
    }
}

fn positive(setting: &Setting<stdlib::model::Span>, findings: &mut Findings) {
    if let Some(given) = setting.given().filter(|given| given.value.as_millis() == 0) {
        findings.error(&given.span, "this cannot be zero").help("write a duration such as `5s`");
    }
}
