//! A small application on two hosts, made by hand, for tests.

mod library;

use std::{collections::BTreeMap, sync::Arc};

use stdlib::{
    compose::Definition,
    facts::{ContainerFact, Facts, HostFacts, IngressFacts, OurContainer, StateFacts},
    function::Function,
    host::{EngineInfo, Hosts, ImageStore},
    model::{
        Address, Application, Dependency, DependencyCondition, Health, HostName, HostSettings, Image, IngressProvider,
        IngressSettings, JobTime, KeyedHash, Release, ReleaseId, Rollout, Route, RunId, Service, ServiceName, Strategy,
        Tls, Topology, Transfer,
    },
    plan::Node,
};

pub use library::{functions, stand_ins};

use super::{Evaluated, Inputs, Recipe, RecipeError, evaluate::Script};

pub fn recipe(source: &str) -> Recipe {
    Recipe { name: "own".into(), path: Some("recipes/own.rhai".into()), source: source.into() }
}

pub fn service(name: &str, needs: &[&str]) -> Service {
    let dependency = |need: &&str| Dependency {
        service: ServiceName::new(*need).unwrap(),
        condition: DependencyCondition::ServiceStarted,
    };
    Service {
        name: ServiceName::new(name).unwrap(),
        definition: Definition::default(),
        environment: BTreeMap::new(),
        image: image("web"),
        hosts: vec![host("web-1")],
        replicas: 1,
        depends_on: needs.iter().map(dependency).collect(),
        route: None,
        health: Health::default(),
        rollout: Rollout::default(),
        job: None,
    }
}

pub fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn image(name: &str) -> Image {
    Image {
        source: format!("shop-{name}"),
        digest: format!("sha256:{}", name.repeat(4)),
        platform: "linux/amd64".into(),
    }
}

/// `web` with a route on both hosts, `db` on one of them, stop-first, and `migrate`, a job before the rollout.
pub fn application() -> Application {
    let web = Service {
        hosts: vec![host("web-1"), host("web-2")],
        replicas: 2,
        environment: BTreeMap::from([("DATABASE_URL".into(), KeyedHash("hash".into()))]),
        route: Some(Route { host: "shop.example.com".into(), path: "/".into(), port: 3000, tls: Tls::Off }),
        ..service("web", &["db"])
    };
    let migrate = Service { job: Some(JobTime::Before), ..service("migrate", &["db"]) };
    let rollout = Rollout { strategy: Strategy::StopFirst, ..Rollout::default() };
    let db = Service { image: image("db"), rollout, hosts: vec![host("web-2")], ..service("db", &[]) };
    Application {
        project: stdlib::model::ProjectName::new("shop").unwrap(),
        environment: stdlib::model::EnvironmentName::new("default").unwrap(),
        services: vec![db, migrate, web],
        networks: vec![],
        volumes: vec![],
    }
}

/// Without a container of any service.
pub fn facts() -> Facts {
    let engine = EngineInfo {
        version: "28.5.2".into(),
        api: "1.44".into(),
        platform: "linux/amd64".into(),
        directory: "/var/lib/docker".into(),
        store: ImageStore::Classic,
        desktop: false,
    };
    let facts = |name| HostFacts {
        name: host(name),
        engine: engine.clone(),
        containers: vec![],
        networks: vec![],
        volumes: vec![],
        images: vec![],
        ingress: IngressFacts::default(),
        state: StateFacts::default(),
    };
    Facts { hosts: vec![facts("web-1"), facts("web-2")] }
}

pub fn container(service: &str, release: u64) -> ContainerFact {
    let ours = OurContainer {
        service: ServiceName::new(service).unwrap(),
        replica: 1,
        config: "hash".into(),
        release,
        run: "before".into(),
        job: false,
    };
    ContainerFact {
        id: format!("id-{service}"),
        name: format!("shop-{service}-r{release}-1"),
        running: true,
        stopped: false,
        labels: BTreeMap::new(),
        addresses: BTreeMap::new(),
        published: vec![],
        ours: Some(ours),
    }
}

pub fn topology() -> Topology {
    let ssh = |address: &str| Address::Ssh {
        address: address.into(),
        user: None,
        port: None,
        identity: None,
        known_hosts: None,
        jump: None,
    };
    let settings = |name, address, roles: &[&str]| HostSettings {
        name: host(name),
        address: ssh(address),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        labels: BTreeMap::from([("zone".into(), "a".into())]),
    };
    Topology {
        project: application().project,
        environment: application().environment,
        hosts: vec![settings("web-1", "203.0.113.10", &["web"]), settings("web-2", "203.0.113.11", &["web", "db"])],
        home: host("web-1"),
        transfer: Transfer::Direct,
        ingress: IngressSettings {
            provider: IngressProvider::Haproxy,
            image: "haproxy:3.2".into(),
            http: 80,
            https: 443,
        },
        retain: 5,
    }
}

pub fn release(number: u64, predecessor: Option<u64>, application: Application) -> Release {
    Release {
        schema: Release::SCHEMA,
        id: ReleaseId { number, commit: Some(format!("c{number}")), dirty: false },
        predecessor,
        run: RunId::new("run").unwrap(),
        created: "2026-01-01T00:00:00Z".into(),
        author: "ann@desk".into(),
        without: vec![],
        application,
    }
}

/// With nothing deployed.
pub fn inputs() -> Inputs {
    Inputs {
        topology: Arc::new(topology()),
        facts: Arc::new(facts()),
        release: Arc::new(release(1, None, application())),
        ingress_image: Some(image("haproxy")),
        run: RunId::new("run").unwrap(),
    }
}

/// With these releases deployed, each the successor of the one before it, and the next one to be made.
pub fn after(applications: &[Application]) -> Inputs {
    let mut facts = facts();
    let mut live = None;
    for (number, application) in (1..).zip(applications) {
        facts.hosts[0].state.releases.push(release(number, live, application.clone()));
        live = Some(number);
    }
    facts.hosts.iter_mut().for_each(|host| host.state.current = live);
    let next = release(live.unwrap_or(0) + 1, live, application());
    Inputs { facts: Arc::new(facts), release: Arc::new(next), ..inputs() }
}

/// Evaluates a built-in recipe with [`stand_ins`], and returns what it does, in order.
pub fn built_in(
    name: &str,
    inputs: Inputs,
    args: &[(&str, &str)],
) -> Result<(Vec<String>, Evaluated), Box<RecipeError>> {
    let recipe = super::built_in(name).expect("a built-in recipe");
    let evaluated = evaluate(recipe, inputs, args, stand_ins())?;
    let titles = evaluated.root.operations().map(|planned| planned.title.replace("stop ", "")).collect();
    Ok((titles, evaluated))
}

/// Evaluates a script with the functions that it has in earnest, and nothing deployed.
pub fn with_the_library(source: &str, args: &[(&str, &str)]) -> Result<Evaluated, Box<RecipeError>> {
    evaluate(recipe(source), inputs(), args, stdlib::function::registry())
}

/// Evaluates a script against these inputs, with no host connected.
pub fn evaluated(source: &str, inputs: Inputs, args: &[(&str, &str)]) -> Result<Evaluated, Box<RecipeError>> {
    evaluate(recipe(source), inputs, args, functions())
}

fn evaluate(
    recipe: Recipe,
    inputs: Inputs,
    args: &[(&str, &str)],
    functions: Vec<Function>,
) -> Result<Evaluated, Box<RecipeError>> {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let script = Script { recipe, inputs, hosts: Hosts::default(), functions };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(script.evaluate(args))
}

/// The plan of a script with nothing deployed, as an outline.
#[track_caller]
pub fn planned(source: &str) -> String {
    match evaluated(source, inputs(), &[]) {
        Ok(evaluated) => outline(&evaluated.root),
        Err(error) => panic!("{error}"),
    }
}

/// The error of a script with nothing deployed: place, message and help.
#[track_caller]
pub fn refused(source: &str) -> (String, Option<String>) {
    let error = evaluated(source, inputs(), &[]).expect_err("an error");
    (error.to_string(), error.diagnostic().help)
}

/// What the script logs, with nothing deployed.
#[track_caller]
pub fn logged(source: &str) -> Vec<String> {
    match evaluated(source, inputs(), &[]) {
        Ok(evaluated) => evaluated.log,
        Err(error) => panic!("{error}"),
    }
}

/// A line for each node, with its kind, and the host, policy and key of an operation.
pub fn outline(root: &Node) -> String {
    let mut lines = Vec::new();
    add(&mut lines, root, 0);
    lines.join("\n")
}

fn add(lines: &mut Vec<String>, node: &Node, depth: usize) {
    let indent = "  ".repeat(depth);
    lines.push(match node {
        Node::Operation(planned) => {
            let host = planned.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
            let retry =
                if planned.policy.retry > 0 { format!(" retry {}", planned.policy.retry) } else { String::new() };
            let timeout = planned.policy.timeout.map(|timeout| format!(" timeout {timeout}")).unwrap_or_default();
            format!("{indent}{}{host}{retry}{timeout}", planned.key)
        }
        Node::Sequence { key, .. } => format!("{indent}sequence {key}"),
        Node::Later { key, .. } => format!("{indent}later {key}"),
        Node::Leftover { key, of, .. } => format!("{indent}leftover {key} of {of}"),
        Node::Parallel { key, .. } => format!("{indent}parallel {key}"),
        Node::Choice { key, arms, .. } => {
            let arms: Vec<&str> = arms.iter().map(|(verdict, _)| verdict.word()).collect();
            format!("{indent}choice {key}: {}", arms.join(", "))
        }
        Node::Guard { key, on_failure, always, .. } => format!(
            "{indent}guard {key}{}{}",
            if on_failure.is_some() { " on_failure" } else { "" },
            if always.is_some() { " always" } else { "" }
        ),
    });
    node.children().into_iter().for_each(|child| add(lines, child, depth + 1));
}
