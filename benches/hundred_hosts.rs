//! A hundred hosts in memory: what a deploy costs without a network and without engines.
//!
//! Makes as many releases as are kept, by real plans that the real engine runs, and then measures "nothing to do": all facts
//! gathered and the recipe `deploy` evaluated to an empty plan. Prints a name and a number a line: milliseconds, and for memory
//! MB, the hosts' own included.

mod haproxy;
mod shop;

use std::{fs, sync::Arc, time::Instant};

use shop::Shop;
use stagecraft::engine::{self, Outcome};

const HOSTS: u32 = 100;
/// Releases kept on each host: the default.
const RETAIN: u32 = 5;
/// How often "nothing to do" is measured; the slowest counts.
const ROUNDS: u32 = 5;

#[tokio::main]
async fn main() {
    let shop = Shop::new(HOSTS, RETAIN).await;
    for version in 1..=RETAIN {
        deploy(&shop, version).await;
    }
    let mut slowest = 0;
    for round in 1..=ROUNDS {
        slowest = slowest.max(nothing_to_do(&shop, RETAIN + round).await);
    }
    println!("hundred_hosts {slowest}");
    println!("peak_memory {}", peak_memory().unwrap_or(0) / 1024);
}

async fn deploy(shop: &Shop, version: u32) {
    let application = shop.application(version).await;
    let began = Instant::now();
    let plan = shop.plan("deploy", &Arc::new(shop.facts().await), application, version).await;
    println!("plan_{version} {}", began.elapsed().as_millis());

    let directory = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let ended = shop.execute(&plan, directory.path(), version, engine::library()).await;
    let failure = ended.failures.first().map(|failure| &failure.message);
    assert_eq!(ended.outcome, Outcome::Done, "{failure:?}");
    println!("deploy_{version} {}", began.elapsed().as_millis());
}

/// How many milliseconds it takes to see that there is nothing to do.
async fn nothing_to_do(shop: &Shop, run: u32) -> u128 {
    let application = shop.application(RETAIN).await;
    let began = Instant::now();
    let facts = Arc::new(shop.facts().await);
    println!("facts {}", began.elapsed().as_millis());
    let plan = shop.plan("deploy", &facts, application, run).await;
    let took = began.elapsed().as_millis();
    let left: Vec<&str> = plan.root.operations().map(|planned| planned.title.as_str()).collect();
    assert!(plan.is_empty(), "there is something to do: {left:?}");
    took
}

/// In KiB.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
