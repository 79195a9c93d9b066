//! A hundred hosts in memory: what a deploy costs without a network and without engines.
//!
//! Makes as many releases as are kept, by real plans that the real engine runs, and then measures "nothing to do": all facts
//! gathered and the recipe `deploy` evaluated to an empty plan. Prints a name and a number a line.

mod haproxy;
mod shop;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Instant};

use shop::Shop;
use stagecraft::{
    engine::{self, Execution, Outcome, RunDirectory, Timing},
    recipe::{self, Inputs},
};
use stdlib::{
    facts::{self, fingerprint},
    model::{Application, Release, ReleaseId, RunId},
    plan::Plan,
};
use tokio_util::sync::CancellationToken;

const HOSTS: u32 = 100;
/// Releases kept on each host: the default.
const RETAIN: u32 = 5;
/// How often "nothing to do" is measured; the slowest counts.
const ROUNDS: u32 = 5;

#[tokio::main]
async fn main() {
    let shop = Shop::new(HOSTS, RETAIN).await;
    let directory = tempfile::tempdir().unwrap();
    for version in 1..=RETAIN {
        let application = shop.application(version).await;
        let plan = plan(&shop, application, version).await;
        let operations = plan.root.operations().count();
        let began = Instant::now();
        execute(&shop, plan, directory.path(), version).await;
        println!("deploy_{version} {} ({operations} operations)", began.elapsed().as_millis());
    }
    let mut slowest = 0;
    for round in 1..=ROUNDS {
        let application = shop.application(RETAIN).await;
        let began = Instant::now();
        let plan = plan(&shop, application, RETAIN + round).await;
        slowest = slowest.max(began.elapsed().as_millis());
        let left: Vec<&str> = plan.root.operations().map(|planned| planned.title.as_str()).collect();
        assert!(plan.is_empty(), "there is something to do: {left:?}");
    }
    println!("hundred_hosts {slowest}");
    println!("peak_memory_mb {}", peak_memory().unwrap_or(0) / 1024);
}

/// From the hosts to a plan, as the command does it once the images are there.
async fn plan(shop: &Shop, application: Application, run: u32) -> Plan {
    let began = Instant::now();
    let topology = &shop.topology;
    let facts = facts::gather(&shop.hosts, &application.compose_project()).await.unwrap();
    let facts = Arc::new(facts);
    let gathered = began.elapsed();
    let run = run_id(run);
    let live = facts.host(&topology.home).and_then(|host| host.state.current);
    let release = Release {
        schema: Release::SCHEMA,
        id: ReleaseId { number: live.unwrap_or(0) + 1, commit: None, dirty: false },
        predecessor: live,
        run: run.clone(),
        created: "2026-01-01T00:00:00Z".into(),
        author: "ann@desk".into(),
        application,
    };
    let inputs = Inputs {
        topology: Arc::clone(topology),
        facts: Arc::clone(&facts),
        release: Arc::new(release),
        ingress_image: Some(shop.ingress.clone()),
        run,
    };
    let deploy = recipe::built_in("deploy").unwrap();
    let asked = Instant::now();
    let evaluated = recipe::evaluate(&deploy, inputs, &BTreeMap::new(), shop.hosts.clone()).await.unwrap();
    let evaluation = asked.elapsed();
    let plan = Plan {
        schema: Plan::SCHEMA,
        project: topology.project.clone(),
        environment: topology.environment.clone(),
        recipe: deploy.name.clone(),
        args: evaluated.args,
        reads: evaluated.reads,
        fingerprints: fingerprint(&facts),
        release: evaluated.release,
        changes: evaluated.changes,
        root: evaluated.root,
    };
    println!(
        "plan {} (facts {}, recipe {})",
        began.elapsed().as_millis(),
        gathered.as_millis(),
        evaluation.as_millis()
    );
    plan
}

/// Runs the plan to its end, with the journal on a disk.
async fn execute(shop: &Shop, plan: Plan, project: &Path, run: u32) {
    let run = run_id(run);
    let directory = RunDirectory::create(project, &run, &plan).unwrap();
    let (events, _receiver) = engine::channel();
    let execution = Execution {
        hosts: shop.hosts.clone(),
        builder: Some(Arc::clone(&shop.operator)),
        run,
        release: plan.release.clone().map(Arc::new),
        values: Arc::new(shop::values()),
        identity: Arc::new(shop.identity.clone()),
        lock: None,
        journal: directory.journal().unwrap(),
        limit: engine::HOSTS_AT_ONCE,
        timing: Timing::default(),
        decode: engine::library(),
        cancel: CancellationToken::new(),
        events,
        plan: Arc::new(plan),
    };
    let ended = engine::execute(execution).await;
    let failure = ended.failures.first().map(|failure| &failure.message);
    assert_eq!(ended.outcome, Outcome::Done, "{failure:?}");
}

fn run_id(number: u32) -> RunId {
    RunId::new(format!("run-{number}")).unwrap()
}

/// In KiB.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
