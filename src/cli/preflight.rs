//! What can be seen of the hosts before anything is built: that they have room, and that the ports which are wanted are free.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use stdlib::{
    facts::ground::{self, Ground, ROOM},
    failure::Failure,
    host::{Host, HostError},
    ingress, labels,
};

use super::{CliError, session::Session};
use crate::{config::Project, recipe::Recipe};

/// The ports that the project wants on a host, each with who wants it.
type Wanted = BTreeMap<u16, String>;

/// Looks at all hosts at once, where the recipe puts today's services on them. The error has every host's failures.
pub async fn check(session: &Session, recipe: &Recipe) -> Result<(), CliError> {
    if !recipe.transfers() {
        return Ok(());
    }
    let looked = join_all(session.hosts.iter().map(|host| look(host.as_ref(), &session.project))).await;
    let failures: Vec<Failure> = looked.into_iter().flatten().collect();
    if failures.is_empty() { Ok(()) } else { Err(CliError::Preflight(failures)) }
}

async fn look(host: &dyn Host, project: &Project) -> Vec<Failure> {
    let read = async {
        let engine = host.info().await?;
        tokio::try_join!(ground::read(host, &engine.directory), published(host, project))
    };
    match read.await {
        Ok((ground, wanted)) => room(host, &ground).into_iter().chain(ports(host, &ground, &wanted)).collect(),
        // A user who may use the engine and run nothing can deploy; the engine then says what is wrong.
        Err(error) => {
            tracing::debug!(host = %host.name(), %error, "no preflight");
            Vec::new()
        }
    }
}

/// What is wanted and no container of the project, nor a running ingress, has already.
async fn published(host: &dyn Host, project: &Project) -> Result<Wanted, HostError> {
    let mut wanted = project.ports_on(host.name());
    for container in host.containers().await? {
        let labels = container.labels.unwrap_or_default();
        let label = |name: &str| labels.get(name).map(String::as_str);
        if label("com.docker.compose.project") == Some(&project.compose.project) {
            for port in container.ports.unwrap_or_default().iter().filter_map(|port| port.public_port) {
                wanted.remove(&port);
            }
        }
        if label(labels::ROLE) == Some(labels::role::INGRESS) {
            wanted.retain(|_, who| who != ingress::CONTAINER);
        }
    }
    Ok(wanted)
}

fn room(host: &dyn Host, ground: &Ground) -> Option<Failure> {
    ground.disk.as_ref()?.lacks(ROOM, host.name(), "a deploy needs at least")
}

fn ports<'a>(host: &'a dyn Host, ground: &'a Ground, wanted: &'a Wanted) -> impl Iterator<Item = Failure> + 'a {
    let taken = wanted.iter().filter(|(port, _)| ground.listening.contains(port));
    taken.map(|(port, who)| {
        let name = host.name();
        let what = format!("port {port} of {name}, which {who} needs, is in use by something else");
        Failure::new(what).on(name).hint(format!("see what has it: `stagecraft ssh {name} ss -ltnp`"))
    })
}
