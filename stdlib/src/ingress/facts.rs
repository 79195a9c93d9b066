//! Reads what the host's ingress is and does.

use bollard::models::ContainerInspectResponse;

use super::{CONTAINER, keeper, runtime};
use crate::{
    facts::{IngressContainer, IngressFacts},
    host::{Host, HostError},
    labels,
};

/// The ingress's container, its files and its runtime's account. Empty when there is none.
pub async fn read(host: &dyn Host) -> Result<IngressFacts, HostError> {
    let question = [runtime::SERVERS.to_owned(), runtime::show_map()];
    let (container, files, answer) =
        tokio::try_join!(host.container(CONTAINER), keeper::read(host), runtime::ask(host, &question))?;
    Ok(IngressFacts {
        container: container.map(described),
        files: files.unwrap_or_default(),
        routes: answer.as_deref().map(runtime::map).unwrap_or_default(),
        servers: answer.iter().flat_map(|answer| runtime::rows(answer)).map(Into::into).collect(),
    })
}

fn described(container: ContainerInspectResponse) -> IngressContainer {
    let config = container.config.unwrap_or_default();
    let label = |name: &str| config.labels.as_ref().and_then(|labels| labels.get(name).cloned()).unwrap_or_default();
    IngressContainer {
        running: container.state.and_then(|state| state.running).unwrap_or(false),
        config: label(labels::CONFIG),
        image: config.image.unwrap_or_default(),
        id: container.id.unwrap_or_default(),
    }
}
