//! What can be seen of the hosts before anything is changed: that the ports which are wanted are free, that there is room for
//! anything at all, and, once images are built, for those.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use stdlib::{
    facts::ground::{self, Disk, Ground, ROOM},
    failure::Failure,
    host::{Host, HostError},
    image, ingress, labels,
    plan::Plan,
};

use super::{CliError, images::Images, session::Session};
use crate::{config::Project, recipe::Recipe};

/// The ports that the project wants on a host, each with who wants it.
type Wanted = BTreeMap<u16, String>;

/// Looks at all hosts at once, where the recipe puts today's services on them. The error has every host's failures.
pub async fn check(session: &Session, recipe: &Recipe) -> Result<(), CliError> {
    if !recipe.transfers() {
        return Ok(());
    }
    let looked = join_all(session.hosts.iter().map(|host| look(host.as_ref(), &session.project))).await;
    let (disks, failures): (Vec<_>, Vec<_>) = looked.into_iter().unzip();
    let names = session.hosts.iter().map(|host| host.name().clone());
    session.disks.get_or_init(|| names.zip(disks).filter_map(|(name, disk)| Some((name, disk?))).collect());
    let failures: Vec<Failure> = failures.into_iter().flatten().collect();
    if failures.is_empty() { Ok(()) } else { Err(CliError::Preflight(failures)) }
}

/// Fails where a host has no room for the images that the plan would send it: known when they have been built. Only a run
/// looks at the hosts' disks.
pub async fn room_for_images(session: &Session, images: &Images, plan: &Plan) -> Result<(), CliError> {
    let (Images::Built(built), Some(disks)) = (images, session.disks.get()) else { return Ok(()) };
    Ok(image::check_room(&plan.root, &session.hosts, disks, &built.engine).await?)
}

async fn look(host: &dyn Host, project: &Project) -> (Option<Disk>, Vec<Failure>) {
    let read = async {
        let engine = host.info().await?;
        tokio::try_join!(ground::read(host, &engine.directory), published(host, project))
    };
    match read.await {
        Ok((ground, wanted)) => {
            let failures = room(host, &ground).into_iter().chain(ports(host, &ground, &wanted)).collect();
            (ground.disk, failures)
        }
        // A user who may use the engine and run nothing can deploy; the engine then says what is wrong.
        Err(error) => {
            tracing::debug!(host = %host.name(), %error, "no preflight");
            (None, Vec::new())
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
