//! The ingress's files on a host, read and changed through its container, under a short lock of the ingress's own.

use std::{collections::BTreeMap, io::Read as _, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::{
    CONTAINER, DIRECTORY, configuration,
    fragment::{Certificate, Fragment},
};
use crate::{
    failure::Failure,
    host::{Host, HostError, LockHolder, Locked},
    model::{HostName, SecretValue},
    operation::{Context, Result},
};

/// How long a run waits for another one's change of the same ingress.
const LOCK_WAIT: Duration = Duration::from_mins(1);
const LOCK_RETRY: Duration = Duration::from_millis(200);

/// Does something while nobody else changes this host's ingress.
pub async fn locked<T>(cx: &Context, body: impl Future<Output = Result<T>>) -> Result<T> {
    let host = cx.host()?;
    let holder = LockHolder {
        run: cx.run.to_string(),
        who: cx.run.to_string(),
        since: Timestamp::now().to_string(),
        what: format!("ingress, {}", cx.key.name()),
    };
    let until = Instant::now() + LOCK_WAIT;
    let guard = loop {
        match host.lock("ingress", &holder).await? {
            Locked::Held(guard) => break guard,
            Locked::Busy(_) if Instant::now() < until => sleep(LOCK_RETRY).await,
            Locked::Busy(other) => return Err(busy(host.name(), other)),
        }
    };
    let done = body.await;
    // Nothing of this run depends on when the host has let go.
    drop(guard);
    done
}

fn busy(host: &HostName, other: Option<LockHolder>) -> Failure {
    let who = other.map_or("another run".to_owned(), |other| format!("run {} ({})", other.run, other.what));
    Failure::new(format!("the ingress of {host} has been held by {who} for {} s", LOCK_WAIT.as_secs()))
        .on(host)
        .hint("try again when it has ended")
}

/// The configuration files, by their path below the configuration directory; `None` when there is no ingress. Certificates
/// are not among them.
pub async fn read(host: &dyn Host) -> std::result::Result<Option<BTreeMap<String, String>>, HostError> {
    let Some(archive) = host.get_archive(CONTAINER, &format!("{DIRECTORY}/config")).await? else { return Ok(None) };
    let unreadable = |error: std::io::Error| HostError::Local {
        host: host.name().clone(),
        what: format!("the ingress's files in {DIRECTORY}/config"),
        why: error.to_string(),
    };
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive.as_ref()).entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).map_err(unreadable)?;
        let path = path.split_once('/').map_or(path.as_str(), |(_, below)| below);
        files.insert(path.to_owned(), text);
    }
    Ok(Some(files))
}

/// Every project's fragment.
pub async fn fragments(host: &Arc<dyn Host>) -> Result<BTreeMap<String, Fragment>> {
    let files = read(host.as_ref()).await?.unwrap_or_default();
    Fragment::all(&files).map_err(|why| {
        Failure::new(format!("the ingress of {}: {why}", host.name()))
            .on(host.name())
            .hint("another version of Stagecraft may have written it; use that one, or remove the file")
    })
}

/// Files to be written below the ingress's directory.
#[derive(Debug, Default)]
pub struct Files(Vec<(String, String, u32)>);

impl Files {
    /// All that is made of the projects' fragments.
    pub fn of(fragments: &BTreeMap<String, Fragment>) -> Self {
        let mut files = Self::default();
        for (path, text) in configuration::files(fragments) {
            files.0.push((format!("config/{path}"), text, 0o644));
        }
        files.0.push(("certs/list.txt".to_owned(), configuration::certificate_list(fragments), 0o600));
        files
    }

    #[must_use]
    pub fn with(mut self, path: &str, text: String) -> Self {
        self.0.push((path.to_owned(), text, 0o644));
        self
    }

    /// Chain and key of a host name.
    pub fn certificate(&mut self, host: &str, certificate: &Certificate, pem: &SecretValue) {
        self.0.push((certificate.file(host), pem.expose().to_owned(), 0o600));
    }

    pub async fn write(self, host: &Arc<dyn Host>) -> Result<()> {
        Ok(host.put_archive(CONTAINER, DIRECTORY, self.archive()).await?)
    }

    fn archive(self) -> Bytes {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, mode) in [("config/", 0o755), ("config/apps/", 0o755), ("certs/", 0o700), ("run/", 0o755)] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(mode);
            header.set_size(0);
            builder.append_data(&mut header, path, std::io::empty()).expect("writing to memory");
        }
        for (path, text, mode) in self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_mode(mode);
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, path, text.as_bytes()).expect("writing to memory");
        }
        builder.into_inner().expect("writing to memory").into()
    }
}
