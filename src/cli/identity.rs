//! The environment's identity: its key and certificate authority.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use stdlib::{
    facts::Facts,
    ingress::authority,
    model::{Identity, SecretKey},
    release::state as records,
};

use super::CliError;
use crate::config::Project;

/// The identity that the hosts have, the home host's first. Before the first release there is none: then one is made and kept
/// on this machine, so that a saved plan and the run that follows it agree on it.
pub fn of(project: &Project, facts: &Facts) -> Result<Identity, CliError> {
    let home = facts.host(&project.topology.home).into_iter();
    if let Some(identity) = home.chain(&facts.hosts).find_map(|host| host.state.identity.as_ref()) {
        return Ok(identity.clone());
    }
    let path = draft(project);
    if let Ok(text) = fs::read_to_string(&path) {
        let identity = records::identity_from_json(&text).map_err(|why| anyhow::anyhow!("{} {why}", path.display()))?;
        return Ok(identity);
    }
    let identity = make(project)?;
    write(&path, &records::identity_to_json(&identity)).with_context(|| path.display().to_string())?;
    Ok(identity)
}

fn make(project: &Project) -> Result<Identity, CliError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let authority = authority::generate(&project.compose.project)?;
    Ok(Identity { key: SecretKey::new(key), authority })
}

fn draft(project: &Project) -> PathBuf {
    let kept = super::state::directory(&project.directory).join("identities");
    kept.join(format!("{}.json", project.topology.environment))
}

/// Readable by its owner only from the moment that it exists.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().expect("a file in a directory"))?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
