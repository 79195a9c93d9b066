//! `stagecraft status`.

use serde_json::json;
use stdlib::{
    facts::{ContainerFact, Facts, HostFacts},
    host::HostError,
    ingress,
    model::HostName,
};

use super::{CliError, Exit, Global, last_line::LastLine, project, session::Session, table};

/// Show what runs where, by the hosts' own account
///
/// Hosts that cannot be reached are named on stderr, and those that the live release was put live without.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: &Args, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let (session, errors) = Session::connect_to_some(project::load(global).await?).await;
    if session.hosts.iter().next().is_none() {
        return Err(CliError::Hosts(errors));
    }
    let facts = session.facts().await?;
    if global.json {
        print_json(&facts);
    } else {
        print(&session, &facts, &errors);
    }
    let live = facts.live(&session.project.topology.home);
    for error in &errors {
        eprintln!("{error}");
    }
    if let Some(release) = live.filter(|release| !release.without.is_empty()) {
        let hosts: Vec<&str> = release.without.iter().map(HostName::as_str).collect();
        eprintln!(
            "release {} was put live without {}; `stagecraft deploy` brings it there",
            release.id,
            hosts.join(", ")
        );
    }
    last.print(Exit::Done, live.map(|release| release.id.clone()), &session.hosts);
    session.close().await;
    Ok(Exit::Done)
}

/// `in`, `out` or nothing for a container that no ingress has to do with.
fn pool(host: &HostFacts, container: &ContainerFact) -> &'static str {
    if !container.addresses.contains_key(ingress::NETWORK) {
        return "";
    }
    let ready = host.ingress.servers.iter().any(|server| server.name == container.name && server.ready);
    if ready { "in" } else { "out" }
}

fn ours(host: &HostFacts) -> impl Iterator<Item = (&ContainerFact, &stdlib::facts::OurContainer)> {
    host.containers.iter().filter_map(|container| Some((container, container.ours.as_ref()?)))
}

fn print(session: &Session, facts: &Facts, errors: &[HostError]) {
    let topology = &session.project.topology;
    let home_is_away = errors.iter().any(|error| *error.host() == topology.home);
    let live = match (facts.check_home(&topology.home), facts.live(&topology.home)) {
        (Err(failure), _) => format!("{failure}; {}", failure.hint.as_deref().unwrap_or_default()),
        (Ok(()), Some(release)) => format!("release {} is live", release.id),
        (Ok(()), None) if home_is_away => format!("what is live is not known: {} cannot be reached", topology.home),
        (Ok(()), None) => "nothing is deployed yet".to_owned(),
    };
    println!("{} {}: {live}\n", topology.project, topology.environment);
    let mut rows = Vec::new();
    for host in &facts.hosts {
        for (container, ours) in ours(host) {
            let state = if container.running { "running" } else { "stopped" };
            rows.push(vec![
                host.name.to_string(),
                ours.service.to_string(),
                ours.release.to_string(),
                state.to_owned(),
                pool(host, container).to_owned(),
                container.name.clone(),
            ]);
        }
    }
    rows.sort();
    table::print(&["HOST", "SERVICE", "RELEASE", "STATE", "INGRESS", "CONTAINER"], &rows);
}

fn print_json(facts: &Facts) {
    for host in &facts.hosts {
        for (container, ours) in ours(host) {
            println!(
                "{}",
                json!({
                    "type": "container", "version": 1, "host": host.name, "service": ours.service, "replica": ours.replica,
                    "release": ours.release, "running": container.running, "ingress": pool(host, container),
                    "container": container.name, "id": container.id, "live_release": host.state.current,
                })
            );
        }
    }
}
