//! `stagecraft ca`.

use super::{CliError, Exit, Global, identity, project, session::Session};

/// Print the certificate of the environment's own authority (`tls: internal`), PEM
///
/// Add it to what a browser or `curl --cacert` trusts. Its key stays in the environment's state on the hosts.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_: &Args, global: &Global) -> Result<Exit, CliError> {
    let session = Session::connect(project::load(global).await?).await?;
    let facts = session.facts().await?;
    let identity = identity::of(&session.project, &facts)?;
    print!("{}", identity.authority.certificate);
    session.close().await;
    Ok(Exit::Done)
}
