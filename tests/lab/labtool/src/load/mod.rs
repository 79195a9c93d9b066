//! An open-loop load client that shows every dropped request: it never retries, and looks before it writes.

mod ask;
mod client;
mod options;
mod report;

use std::{
    cell::{Cell, RefCell},
    fs,
    path::PathBuf,
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use self::{
    ask::Ask,
    client::{Client, DEADLINE},
    options::{Load, Target},
    report::Report,
};
use crate::settings::Stop;

const LOOK_FOR_STOP_EVERY: Duration = Duration::from_millis(20);

pub async fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let load = Load::parse(arguments)?;
    allow_many_connections()?;
    let trace = load.trace.as_ref().map(fs::File::create).transpose().context("--trace")?;
    let report = Rc::new(RefCell::new(Report::new(&load, trace)));
    let is_over = Rc::new(Cell::new(false));
    let mut targets = JoinSet::new();
    for (place, target) in load.targets.iter().enumerate() {
        let client = Rc::new(Client::new(target.address, &load.host, load.held));
        targets.spawn_local(send(place, target.clone(), client, report.clone(), is_over.clone()));
    }
    tokio::select! {
        () = stop.asked() => (),
        () = sleep(load.at_most) => (),
        () = appears(load.until_file.clone()) => (),
    }
    is_over.set(true);
    report.borrow_mut().end();
    while let Some(ended) = targets.join_next().await {
        ended?;
    }
    let report = Rc::into_inner(report).expect("every request has ended").into_inner().finish()?;
    if let Some(file) = &load.json {
        fs::write(file, format!("{:#}\n", report.json)).with_context(|| file.display().to_string())?;
    }
    println!("{} requests, {} failed\n{}", report.sent, report.failed, report.summary());
    Ok(if report.failed == 0 && report.sent > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends this target's requests when they are due, whatever became of those before, and waits for the last answers.
async fn send(place: usize, target: Target, client: Rc<Client>, report: Rc<RefCell<Report>>, is_over: Rc<Cell<bool>>) {
    let mut under_way = JoinSet::new();
    let began = Instant::now() + target.period / 2;
    for number in 0_u32.. {
        sleep_until(began + target.period * number).await;
        if is_over.get() {
            break;
        }
        let (client, report, sent) = (client.clone(), report.clone(), Instant::now());
        under_way.spawn_local(async move {
            let ask = Ask::number(number);
            let outcome = timeout(DEADLINE, client.send(ask)).await.unwrap_or_else(|_| Err("no answer in time".into()));
            report.borrow_mut().add(place, ask, sent, &outcome);
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
    report.borrow_mut().add_connections(place, &client);
}

/// Returns once the file is there; never without a file.
async fn appears(file: Option<PathBuf>) {
    let Some(file) = file else { return std::future::pending().await };
    while !file.exists() {
        sleep(LOOK_FOR_STOP_EVERY).await;
    }
}

/// A server that hangs holds as many connections as requests come until the deadline.
fn allow_many_connections() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}
