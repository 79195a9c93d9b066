//! The connection to a host: its Docker engine, its sockets, its shell.
//!
//! [`Host`] is the one door to a machine. [`ssh`] and [`local`] are real; [`fake`] records what it is asked and keeps
//! containers, images and networks in memory, refusing what an engine would refuse.

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use bollard::auth::DockerCredentials;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, EndpointSettings, ImageInspect, ImageSummary,
    Network, NetworkCreateRequest, Volume, VolumeCreateRequest,
};
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::model::{HostName, Span};

mod connect;
mod conversation;
mod door;
mod engine;
mod error;
pub mod fake;
mod local;
mod lock;
mod machine;
mod pulse;
mod ssh;
mod usage;

pub use connect::connect;
pub use conversation::Conversation;
pub use error::HostError;

pub type Result<T> = std::result::Result<T, HostError>;

/// What a run has cost a host, for the summary and the budgets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// SSH sessions opened (exec channels).
    pub sessions: u64,
    /// Connections forwarded over SSH to a socket of the host.
    pub forwarded: u64,
    /// Requests to the engine.
    pub requests: u64,
    /// Bytes written to the engine, the sockets and the standard input of commands.
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

/// What the engine says about itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EngineInfo {
    /// The engine's own version, such as `28.5.2`.
    pub version: String,
    /// The API version that was agreed on, such as `1.44`.
    pub api: String,
    /// `linux/amd64`, in the names that images use.
    pub platform: String,
    pub store: ImageStore,
    /// Where images are kept on the host, such as `/var/lib/docker`.
    pub directory: String,
    /// The engine runs in a virtual machine of its own (Docker Desktop): its networks cannot be reached from this one.
    pub desktop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageStore {
    /// Graph drivers: an image's id is the digest of its config.
    Classic,
    /// Snapshotters: an image's id is the digest of its manifest.
    Containerd,
}

/// The end of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub stdout: Bytes,
    pub stderr: Bytes,
}

/// A line of a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// RFC 3339 with nanoseconds, as the engine writes it; empty when not asked for.
    pub time: String,
    pub stderr: bool,
    pub text: String,
}

/// Which lines of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Go on until the container ends or the stream is dropped.
    pub follow: bool,
    /// Only the last so many lines.
    pub tail: Option<u32>,
    /// Seconds since 1970, UTC.
    pub since: Option<i64>,
}

/// A lock that is held for as long as this value lives and its beat is answered.
#[async_trait]
pub trait LockGuard: Send + Sync {
    /// False once the lock is not known to be held: a beat has been unanswered for 10 s or the connection is gone.
    fn held(&self) -> bool;
    /// Resolves when [`LockGuard::held`] turns false.
    async fn lost(&self);
    /// Lets it go, and waits until the host has.
    async fn release(self: Box<Self>);
}

/// What a lock's holder says of itself: shown to whoever is refused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LockHolder {
    pub run: String,
    /// `user@machine`.
    pub who: String,
    /// RFC 3339.
    pub since: String,
    /// The pipeline or command, such as `deploy`.
    pub what: String,
}

/// What a host's connection can have opened before it is asked for, because opening it takes several round trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// What holds its locks.
    Locks,
    /// What images travel over.
    Images,
}

pub enum Locked {
    Held(Box<dyn LockGuard>),
    /// Somebody else has it. `None` when the holder's note cannot be read.
    Busy(Option<LockHolder>),
}

/// One connected host. Every method has a deadline of its own: short for questions, the given one for what may
/// take long; and all fail with [`HostError::Lost`] within 15 s of the host falling silent.
#[async_trait]
pub trait Host: Send + Sync {
    fn name(&self) -> &HostName;
    /// Whether the connection is lost for good, so that nothing more can be asked or done.
    fn is_lost(&self) -> bool {
        false
    }
    fn usage(&self) -> Usage;

    /// The engine's, such as `linux/amd64`: it has said so when it was connected to.
    fn platform(&self) -> String;

    // --- the engine: questions
    async fn info(&self) -> Result<EngineInfo>;
    /// All containers, also stopped ones.
    async fn containers(&self) -> Result<Vec<ContainerSummary>>;
    async fn container(&self, id: &str) -> Result<Option<ContainerInspectResponse>>;
    async fn images(&self) -> Result<Vec<ImageSummary>>;
    async fn image(&self, reference: &str) -> Result<Option<ImageInspect>>;
    async fn networks(&self) -> Result<Vec<Network>>;
    async fn volumes(&self) -> Result<Vec<Volume>>;

    // --- the engine: containers. `id` may be a name.
    async fn create_container(&self, name: &str, body: ContainerCreateBody) -> Result<String>;
    async fn start_container(&self, id: &str) -> Result<()>;
    async fn rename_container(&self, id: &str, name: &str) -> Result<()>;
    /// SIGTERM (or the container's stop signal), then SIGKILL after `grace`. No error if it has stopped already.
    async fn stop_container(&self, id: &str, grace: Span) -> Result<()>;
    /// With its anonymous volumes, and by force. No error if it is gone already.
    async fn remove_container(&self, id: &str) -> Result<()>;
    /// Resolves with the exit code when the container is not running any more.
    async fn wait_container(&self, id: &str) -> Result<i64>;
    async fn logs(&self, id: &str, query: LogQuery) -> Result<BoxStream<'static, Result<LogLine>>>;

    // --- the engine: networks, volumes, images
    async fn create_network(&self, request: NetworkCreateRequest) -> Result<()>;
    async fn connect_network(&self, network: &str, container: &str, endpoint: EndpointSettings) -> Result<()>;
    async fn remove_network(&self, name: &str) -> Result<()>;
    async fn create_volume(&self, request: VolumeCreateRequest) -> Result<()>;
    async fn remove_volume(&self, name: &str) -> Result<()>;
    /// `docker load` of a tar stream, which may be compressed. Over a connection of its own, so that a long transfer
    /// delays nothing else. An error line in the engine's answer is an error, also where the status says success.
    async fn load_image(&self, tar: BoxStream<'static, std::io::Result<Bytes>>) -> Result<()>;
    /// `docker save` of one image, uncompressed.
    async fn save_image(&self, reference: &str) -> Result<BoxStream<'static, Result<Bytes>>>;
    /// `docker import`: a one-layer image from a root file system in a tar.
    async fn import_image(&self, reference: &str, tar: Bytes) -> Result<()>;
    /// `credentials` for the registry, where it asks for them.
    async fn pull_image(&self, reference: &str, credentials: Option<DockerCredentials>) -> Result<()>;
    async fn tag_image(&self, reference: &str, tag: &str) -> Result<()>;
    async fn remove_image(&self, reference: &str) -> Result<()>;

    // --- files, through the engine's archive API: no shell, no sudo, no home directory
    /// Unpacks `tar` into the directory `path` of the container, which need not run.
    async fn put_archive(&self, container: &str, path: &str, tar: Bytes) -> Result<()>;
    /// A tar of `path`; `None` when the container or the path does not exist.
    async fn get_archive(&self, container: &str, path: &str) -> Result<Option<Bytes>>;

    // --- the machine itself
    /// Sends `request` to a Unix socket of the host and returns all it answers before closing; `None` when nothing
    /// listens there.
    async fn socket(&self, path: &Path, request: &[u8], deadline: Span) -> Result<Option<Bytes>>;
    /// Connects to a Unix socket of the host that is to be asked several times; `None` when nothing listens there.
    async fn converse(&self, path: &Path) -> Result<Option<Box<dyn Conversation>>>;
    /// Runs a shell command as the SSH user.
    async fn shell(&self, command: &str, stdin: Bytes, deadline: Span) -> Result<CommandOutput>;
    /// Tries to take the named lock.
    async fn lock(&self, name: &str, holder: &LockHolder) -> Result<Locked>;
    /// Opens something that will be needed soon. What fails here is met, and said, by whoever needs it.
    async fn open_ahead(&self, what: Ahead);
    /// Ends the connection. Later calls fail.
    async fn close(&self);
}

impl fmt::Debug for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(_) => f.write_str("Held"),
            Self::Busy(holder) => f.debug_tuple("Busy").field(holder).finish(),
        }
    }
}

/// The connected hosts of a run, in the order of `stagecraft.yml`.
#[derive(Clone, Default)]
pub struct Hosts(Vec<Arc<dyn Host>>);

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|host| host.name())).finish()
    }
}

impl Hosts {
    pub fn new(hosts: Vec<Arc<dyn Host>>) -> Self {
        Self(hosts)
    }

    pub fn get(&self, name: &HostName) -> Option<&Arc<dyn Host>> {
        self.0.iter().find(|host| host.name() == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Host>> {
        self.0.iter()
    }
}
