//! What the built-in recipes plan for an application on two hosts in memory. Each plan is a snapshot, is put back when its
//! commit fails, and leaves nothing to do when it has run.

#[path = "plans/crashes.rs"]
mod crashes;
#[path = "../benches/haproxy/mod.rs"]
mod haproxy;
#[path = "plans/meanwhile.rs"]
mod meanwhile;
#[path = "../benches/shop/mod.rs"]
mod shop;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shop::Shop;
use stagecraft::{
    engine::{self, Decode, Outcome},
    recipe::RecipeError,
};
use stdlib::{
    facts::{Facts, HostFacts},
    failure::Failure,
    labels,
    model::{Application, HostName, JobTime, Service, Strategy, Topology},
    operation::{AnyOperation, Context, Probe, Result},
    plan::{Change, Effect, Node, Plan},
};

struct World {
    shop: Shop,
    runs: u32,
}

impl World {
    async fn new() -> Self {
        Self { shop: Shop::new(2, 5).await, runs: 0 }
    }

    /// With the application in its first version deployed.
    async fn deployed() -> Self {
        let mut world = Self::new().await;
        let application = world.shop.application(1).await;
        world.deploy(application).await;
        world
    }

    /// The application in a version, without its job: what a job has done is not put back.
    async fn without_job(&self, version: u32) -> Application {
        let mut application = self.shop.application(version).await;
        application.services.retain(|service| service.job.is_none());
        application
    }

    async fn facts(&self) -> Arc<Facts> {
        Arc::new(self.shop.facts().await)
    }

    async fn plan(&mut self, recipe: &str, application: Application) -> Plan {
        self.runs += 1;
        self.shop.plan(recipe, &self.facts().await, application, self.runs).await
    }

    async fn deploy(&mut self, application: Application) {
        let plan = self.plan("deploy", application).await;
        self.run(&plan, engine::library()).await.unwrap();
    }

    /// The outcome, or why it is not [`Outcome::Done`].
    async fn run(&self, plan: &Plan, decode: Decode) -> std::result::Result<(), (Outcome, Vec<String>)> {
        let directory = tempfile::tempdir().unwrap();
        let ended = self.shop.execute(plan, directory.path(), self.runs, decode).await;
        let failures = ended.failures.into_iter().map(|failure| failure.message).collect();
        if ended.outcome == Outcome::Done { Ok(()) } else { Err((ended.outcome, failures)) }
    }

    /// The plan, which puts everything back when its commit fails, and after which there is nothing to do.
    async fn proven(&mut self, recipe: &str, application: Application) -> String {
        let before = standing(self.facts().await.as_ref());
        let plan = self.plan(recipe, application.clone()).await;
        let failed = self.run(&plan, failing_commit()).await;
        assert_eq!(failed, Err((Outcome::PutBack, vec!["the disk is full".to_owned()])));
        let after = standing(self.facts().await.as_ref());
        let gone: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
        let left: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
        assert!(gone.is_empty() && left.is_empty(), "not put back: {gone:#?} gone, {left:#?} left");
        self.done(recipe, application).await;
        outline(&plan)
    }

    /// The plan, after which there is nothing to do.
    async fn done(&mut self, recipe: &str, application: Application) -> String {
        let plan = self.plan(recipe, application).await;
        self.run(&plan, engine::library()).await.unwrap();
        let live = plan.release.clone().unwrap().application;
        let again = self.plan("deploy", live).await;
        assert!(again.is_empty(), "there is more to do:\n{}", outline(&again));
        outline(&plan)
    }
}

/// The library, but that no release can be committed.
fn failing_commit() -> Decode {
    Arc::new(|planned| match planned.effect {
        Effect::Commit => Ok(Box::new(FullDisk)),
        _ => stdlib::operation::decode(planned),
    })
}

#[derive(Debug)]
struct FullDisk;

#[async_trait]
impl AnyOperation for FullDisk {
    async fn run(&self, _: &Context) -> Result<Value> {
        Err(Failure::new("the disk is full"))
    }
    async fn undo(&self, _: &Context, _: Option<&Value>) -> Result<()> {
        Ok(())
    }
    async fn probe(&self, _: &Context) -> Result<Probe> {
        Ok(Probe::NotDone)
    }
}

/// What runs and serves, a line each, in no order of servers. Staged records and images are left out: they are harmless and stay.
fn standing(facts: &Facts) -> Vec<String> {
    facts.hosts.iter().flat_map(standing_on).collect()
}

fn standing_on(host: &HostFacts) -> Vec<String> {
    let containers = host.containers.iter().filter(|container| !container.name.ends_with("-stagecraft-state"));
    let containers = containers.map(|container| {
        let address = container.addresses.get("stagecraft-ingress");
        format!("container {} running={} {address:?}", container.name, container.running)
    });
    let networks = host.networks.iter().map(|network| format!("network {} {:?}", network.name, network.subnets));
    let lines = |(path, text): (&String, &String)| -> Vec<String> {
        text.lines().map(|line| format!("{path}: {}", line.trim_end_matches(','))).collect()
    };
    let files = host.ingress.files.iter().flat_map(lines);
    let routes = host.ingress.routes.iter().map(|(key, value)| format!("route {key} {value}"));
    let servers = host.ingress.servers.iter().map(|server| format!("{server:?}"));
    let current = format!("current {:?}", host.state.current);
    let ingress = files.chain(routes).chain(servers);
    let mut lines: Vec<String> = containers.chain(networks).chain(ingress).chain([current]).collect();
    lines.sort();
    lines.into_iter().map(|line| format!("{}: {line}", host.name)).collect()
}

/// The table of changes, and a line for each node: of an operation its title, host and effect.
fn outline(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.changes.iter().map(changed).collect();
    lines.push(String::new());
    add(&mut lines, &plan.root, 0);
    lines.join("\n")
}

fn changed(change: &Change) -> String {
    let Change { host, subject, action, because, .. } = change;
    let because = if because.is_empty() { String::new() } else { format!(" ({})", because.join(", ")) };
    format!("{} {subject} on {host}{because}", action.symbol())
}

fn add(lines: &mut Vec<String>, node: &Node, depth: usize) {
    let indent = "  ".repeat(depth);
    lines.push(match node {
        Node::Operation(planned) => {
            let host = planned.host.as_ref().map_or("all hosts", HostName::as_str);
            format!("{indent}{} on {host}, {:?}", planned.title, planned.effect)
        }
        Node::Sequence { key, .. } => format!("{indent}in order {key}"),
        Node::Parallel { key, .. } => format!("{indent}at once {key}"),
        Node::Choice { key, .. } => format!("{indent}chosen {key}"),
        Node::Later { key, .. } | Node::Leftover { key, .. } => format!("{indent}decided later {key}"),
        Node::Guard { key, .. } => format!("{indent}guarded {key}"),
    });
    node.children().into_iter().for_each(|child| add(lines, child, depth + 1));
}

fn service<'a>(application: &'a mut Application, name: &str) -> &'a mut Service {
    application.services.iter_mut().find(|service| service.name.as_str() == name).unwrap()
}

#[tokio::test]
async fn the_first_deploy_runs_the_job_before_what_needs_it() {
    let mut world = World::new().await;
    let application = world.shop.application(1).await;
    insta::assert_snapshot!(world.done("deploy", application).await);
}

#[tokio::test]
async fn the_first_deploy_can_be_put_back() {
    let mut world = World::new().await;
    let application = world.without_job(1).await;
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn nothing_to_do() {
    let mut world = World::deployed().await;
    let application = world.shop.application(1).await;
    insta::assert_snapshot!(outline(&world.plan("deploy", application).await));
}

#[tokio::test]
async fn a_changed_image_goes_in_batches_of_replicas() {
    let mut world = World::deployed().await;
    let application = world.without_job(2).await;
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn a_container_name_is_freed_before_it_is_taken() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(1).await;
    service(&mut application, "db").definition.user = Some("postgres".into());
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn a_routed_service_that_stops_first_leaves_the_ingress_first() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(2).await;
    service(&mut application, "web").rollout.strategy = Strategy::StopFirst;
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn more_replicas_are_added_beside_those_that_serve() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(1).await;
    service(&mut application, "web").replicas = 3;
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn fewer_replicas_drain_those_that_go() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(1).await;
    service(&mut application, "web").replicas = 1;
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn a_removed_service_leaves_the_ingress_before_it_stops() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(1).await;
    application.services.retain(|service| service.name.as_str() != "web");
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn a_service_that_becomes_a_job_leaves_the_ingress_before_it_stops() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(1).await;
    let web = service(&mut application, "web");
    (web.job, web.route, web.replicas) = (Some(JobTime::Manual), None, 1);
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn a_service_that_becomes_a_job_gives_it_the_container_name() {
    let mut world = World::deployed().await;
    let mut application = world.shop.application(1).await;
    let tools = service(&mut application, "migrate").image.clone();
    application.services.retain(|service| service.name.as_str() != "migrate");
    let db = service(&mut application, "db");
    (db.job, db.image) = (Some(JobTime::Before), tools);
    insta::assert_snapshot!(world.done("deploy", application).await);
}

/// Such as one that an interrupted run has left.
#[tokio::test]
async fn what_a_job_has_left_goes_when_it_becomes_a_service() {
    let mut world = World::deployed().await;
    leave_job(&world, "shop-migrate-r1-1", "migrate").await;
    let mut application = world.shop.application(1).await;
    let image = service(&mut application, "web").image.clone();
    let migrate = service(&mut application, "migrate");
    (migrate.job, migrate.image) = (None, image);
    insta::assert_snapshot!(world.proven("deploy", application).await);
    let facts = world.facts().await;
    assert!(facts.hosts[0].containers.iter().all(|container| container.name != "shop-migrate-r1-1"));
}

#[tokio::test]
async fn what_a_removed_job_has_left_goes() {
    let mut world = World::deployed().await;
    leave_job(&world, "shop-seed-r1-1", "seed").await;
    let application = world.without_job(2).await;
    world.proven("deploy", application).await;
    let facts = world.facts().await;
    assert!(facts.hosts[0].containers.iter().all(|container| container.name != "shop-seed-r1-1"));
}

/// A container of a job that has ended.
async fn leave_job(world: &World, container: &str, job: &str) {
    world.shop.fakes[0].add_image("left:1");
    let labels = json!({
        "com.docker.compose.project": "shop", labels::ROLE: labels::role::JOB, labels::SERVICE: job, labels::REPLICA: "1",
        labels::CONFIG: "hash", labels::RELEASE: "1", labels::RUN: "run-0",
    });
    let body = serde_json::from_value(json!({ "Image": "left:1", "Labels": labels })).unwrap();
    world.shop.fakes[0].host().create_container(container, body).await.unwrap();
}

#[tokio::test]
async fn a_service_leaves_a_host_that_it_is_not_placed_on_any_more() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(1).await;
    service(&mut application, "web").hosts.pop();
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn a_changed_check_gets_a_backend_of_its_own() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(2).await;
    service(&mut application, "web").health.path = Some("/ready".into());
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn containers_that_are_only_checked_otherwise_move_to_another_backend() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(1).await;
    service(&mut application, "web").health.path = Some("/ready".into());
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn another_host_name_gets_a_certificate() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(1).await;
    service(&mut application, "web").route.as_mut().unwrap().host = "shop.example".into();
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn a_route_alone_is_switched_without_a_new_container() {
    let mut world = World::deployed().await;
    let mut application = world.without_job(1).await;
    service(&mut application, "web").route.as_mut().unwrap().path = "/shop".into();
    insta::assert_snapshot!(world.proven("deploy", application).await);
}

#[tokio::test]
async fn an_address_that_another_project_has_taken_since_is_named() {
    let mut world = World::deployed().await;
    let application = world.without_job(2).await;
    let plan = world.plan("deploy", application.clone()).await;
    let starts = plan.root.operations().find(|planned| planned.title == "start shop-web-r2-1").unwrap();
    let endpoints = starts.args["spec"]["networks"].as_array().unwrap();
    let address = endpoints.last().unwrap()["address"].as_str().unwrap().to_owned();
    let host = world.shop.fakes[0].host();
    world.shop.fakes[0].add_image("blog:1");
    let endpoint = json!({ "IPAMConfig": { "IPv4Address": address } });
    let networking = json!({ "EndpointsConfig": { "stagecraft-ingress": endpoint } });
    let body = serde_json::from_value(json!({ "Image": "blog:1", "NetworkingConfig": networking })).unwrap();
    host.create_container("blog-web-r1-1", body).await.unwrap();
    host.start_container("blog-web-r1-1").await.unwrap();
    let why = format!("shop-web-r2-1 cannot have its address {address} on web-001: blog-web-r1-1 has it since");
    assert_eq!(world.run(&plan, engine::library()).await, Err((Outcome::PutBack, vec![why])));
    world.done("deploy", application).await;
}

#[tokio::test]
async fn other_ports_alone_are_refused() {
    let mut world = World::deployed().await;
    let application = world.shop.application(1).await;
    let mut topology = Topology::clone(&world.shop.topology);
    topology.ingress.http = 8080;
    world.shop.topology = Arc::new(topology);
    let refused = world.shop.evaluate("deploy", &world.facts().await, application, 2).await.unwrap_err();
    let RecipeError::Refused { message, hint } = *refused else { panic!("{refused}") };
    assert_eq!(message, "the ingress of web-001 listens on ports 80 and 443, not on 8080 and 443");
    assert!(hint.unwrap().contains("`ingress: { http: 80, https: 443 }`"));
}

#[tokio::test]
async fn a_stopped_ingress_is_started_beside_containers_that_stay() {
    let mut world = World::deployed().await;
    world.shop.fakes[1].exit_container("stagecraft-ingress", 137);
    let application = world.shop.application(1).await;
    let plan = world.plan("deploy", application).await;
    let web = plan.changes.iter().find(|change| change.subject == "web" && change.host.as_str() == "web-002").unwrap();
    assert_eq!(web.because, ["ingress"]);
    assert!(web.from.is_some() && web.from == web.to, "{web:?}");
    insta::assert_snapshot!(outline(&plan));
}

/// Nothing sees a dead container ready again, so that no undo may wait for it.
#[tokio::test]
async fn a_dead_container_leaves_the_ingress_for_good() {
    let mut world = World::deployed().await;
    world.shop.fakes[0].exit_container("shop-web-r1-2", 1);
    let application = world.without_job(2).await;
    let plan = world.plan("deploy", application).await;
    let switches = plan.root.operations().filter(|planned| planned.kind == "ingress.switch");
    let names = |seats: &Value| -> Vec<String> {
        let name = |seat: &Value| seat["server"]["name"].as_str().unwrap().to_owned();
        seats.as_array().unwrap().iter().map(name).collect()
    };
    let first = &switches.into_iter().next().unwrap().args;
    assert_eq!(names(&first["entering"]), ["shop-web-r2-1"]);
    assert_eq!(names(&first["leaving"]), ["shop-web-r1-1"]);
    assert_eq!(names(&first["dead"]), ["shop-web-r1-2"]);
}

#[tokio::test]
async fn a_rollback_runs_no_job() {
    let mut world = World::deployed().await;
    let application = world.shop.application(2).await;
    world.deploy(application.clone()).await;
    insta::assert_snapshot!(world.proven("rollback", application).await);
}
