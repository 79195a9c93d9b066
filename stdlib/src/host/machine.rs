//! A connected host: its engine, and the access to the machine that the engine runs on.

use std::{io, path::Path, sync::Arc};

use async_trait::async_trait;
use bollard::{
    auth::DockerCredentials,
    models::{
        ContainerCreateBody, ContainerInspectResponse, ContainerSummary, EndpointSettings, ImageInspect, ImageSummary,
        Network, NetworkCreateRequest, Volume, VolumeCreateRequest,
    },
};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    Ahead, CommandOutput, Conversation, EngineInfo, Host, HostError, LockHolder, Locked, LogLine, LogQuery, Result,
    Usage,
    conversation::Talk,
    door::{Door, Way},
    engine::{Engine, Place},
    pulse::{Loss, Pulse},
    usage::Meter,
};
use crate::model::{HostName, Span};

/// How much of a command an error shows.
const COMMAND_SHOWN: usize = 60;

/// The ways to a machine: what SSH and this machine itself do differently.
#[async_trait]
pub trait Access: Send + Sync {
    /// The engine over a connection that long transfers may fill.
    async fn bulk(&self, engine: &Engine) -> Result<Engine>;
    /// A door to a socket of the machine.
    async fn door(&self, socket: &Path) -> Result<Door>;
    /// Runs a shell command to its end.
    async fn shell(&self, command: &str, stdin: Bytes) -> Result<CommandOutput>;
    async fn lock(&self, name: &str, holder: &LockHolder) -> Result<Locked>;
    /// Opens the session that [`Access::lock`] takes its locks in.
    async fn open_for_locks(&self) -> Result<()>;
    async fn close(&self);
}

/// A host that is not a fake.
pub struct Machine<A> {
    pub place: Place,
    pub meter: Arc<Meter>,
    pub pulse: Arc<Pulse>,
    pub engine: Engine,
    pub access: A,
}

impl<A: Access> Machine<A> {
    /// What may change the host: an answer that does not come leaves the outcome unknown.
    async fn within<T>(&self, what: String, deadline: Span, done: impl Future<Output = Result<T>>) -> Result<T> {
        if let Some(loss) = self.pulse.loss() {
            return Err(self.place.gone(&loss));
        }
        match self.pulse.during(timeout(deadline.duration(), done)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(HostError::Lost { host: self.place.host.clone(), what }),
        }
    }

    /// The connection, and in it a channel to the engine, which the first archive finds open.
    async fn open_for_images(&self) -> Result<()> {
        self.access.bulk(&self.engine).await?.greet().await
    }

    async fn exchange(&self, path: &Path, request: &[u8]) -> Result<Option<Bytes>> {
        let door = self.access.door(path).await?;
        let mut answer = Vec::new();
        let spoken = async {
            let mut stream = door.open().await?;
            stream.write_all(request).await?;
            stream.read_to_end(&mut answer).await
        };
        match spoken.await {
            // SSH accepts first, and closes when it finds that nothing listens.
            Ok(0) if !matches!(door.way, Way::Direct) => Ok(None),
            Ok(_) => Ok(Some(answer.into())),
            Err(error) if nothing_listens(&error) && answer.is_empty() => Ok(None),
            Err(error) => {
                let what = format!("a request to {}", path.display());
                tracing::debug!(host = %self.place.host, %error, what, "broke off");
                Err(HostError::Lost { host: self.place.host.clone(), what })
            }
        }
    }
}

pub fn nothing_listens(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | BrokenPipe | ConnectionReset)
}

/// The beginning of a command, for an error.
pub fn shown(command: &str) -> String {
    let mut line = command.lines().next().unwrap_or_default().to_owned();
    if line.chars().count() > COMMAND_SHOWN || line.len() < command.trim_end().len() {
        line = line.chars().take(COMMAND_SHOWN).chain(['…']).collect();
    }
    format!("`{line}`")
}

#[async_trait]
impl<A: Access> Host for Machine<A> {
    fn name(&self) -> &HostName {
        &self.place.host
    }
    fn is_lost(&self) -> bool {
        self.pulse.loss().is_some()
    }
    fn usage(&self) -> Usage {
        self.meter.usage()
    }

    fn platform(&self) -> String {
        self.engine.platform().to_owned()
    }

    async fn info(&self) -> Result<EngineInfo> {
        self.engine.info().await
    }
    async fn containers(&self) -> Result<Vec<ContainerSummary>> {
        self.engine.containers().await
    }
    async fn container(&self, id: &str) -> Result<Option<ContainerInspectResponse>> {
        self.engine.container(id).await
    }
    async fn images(&self) -> Result<Vec<ImageSummary>> {
        self.engine.images().await
    }
    async fn image(&self, reference: &str) -> Result<Option<ImageInspect>> {
        self.engine.image(reference).await
    }
    async fn networks(&self) -> Result<Vec<Network>> {
        self.engine.networks().await
    }
    async fn volumes(&self) -> Result<Vec<Volume>> {
        self.engine.volumes().await
    }

    async fn create_container(&self, name: &str, body: ContainerCreateBody) -> Result<String> {
        self.engine.create_container(name, body).await
    }
    async fn start_container(&self, id: &str) -> Result<()> {
        self.engine.start_container(id).await
    }
    async fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        self.engine.rename_container(id, name).await
    }
    async fn stop_container(&self, id: &str, grace: Span) -> Result<()> {
        self.engine.stop_container(id, grace).await
    }
    async fn remove_container(&self, id: &str) -> Result<()> {
        self.engine.remove_container(id).await
    }
    async fn wait_container(&self, id: &str) -> Result<i64> {
        self.engine.wait_container(id).await
    }
    async fn logs(&self, id: &str, query: LogQuery) -> Result<BoxStream<'static, Result<LogLine>>> {
        self.engine.logs(id, &query)
    }

    async fn create_network(&self, request: NetworkCreateRequest) -> Result<()> {
        self.engine.create_network(request).await
    }
    async fn connect_network(&self, network: &str, container: &str, endpoint: EndpointSettings) -> Result<()> {
        self.engine.connect_network(network, container, endpoint).await
    }
    async fn remove_network(&self, name: &str) -> Result<()> {
        self.engine.remove_network(name).await
    }
    async fn create_volume(&self, request: VolumeCreateRequest) -> Result<()> {
        self.engine.create_volume(request).await
    }
    async fn remove_volume(&self, name: &str) -> Result<()> {
        self.engine.remove_volume(name).await
    }
    async fn load_image(&self, tar: BoxStream<'static, io::Result<Bytes>>) -> Result<()> {
        self.access.bulk(&self.engine).await?.load_image(tar).await
    }
    async fn save_image(&self, reference: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.access.bulk(&self.engine).await?.save_image(reference).await
    }
    async fn import_image(&self, reference: &str, tar: Bytes) -> Result<()> {
        self.engine.import_image(reference, tar).await
    }
    async fn pull_image(&self, reference: &str, credentials: Option<DockerCredentials>) -> Result<()> {
        self.engine.pull_image(reference, credentials).await
    }
    async fn tag_image(&self, reference: &str, tag: &str) -> Result<()> {
        self.engine.tag_image(reference, tag).await
    }
    async fn remove_image(&self, reference: &str) -> Result<()> {
        self.engine.remove_image(reference).await
    }

    async fn put_archive(&self, container: &str, path: &str, tar: Bytes) -> Result<()> {
        self.engine.put_archive(container, path, tar).await
    }
    async fn get_archive(&self, container: &str, path: &str) -> Result<Option<Bytes>> {
        self.engine.get_archive(container, path).await
    }

    async fn socket(&self, path: &Path, request: &[u8], deadline: Span) -> Result<Option<Bytes>> {
        let what = format!("a request to {}", path.display());
        self.within(what, deadline, self.exchange(path, request)).await
    }
    async fn converse(&self, path: &Path) -> Result<Option<Box<dyn Conversation>>> {
        let door = self.access.door(path).await?;
        match door.open().await {
            Ok(stream) => {
                let (place, pulse) = (self.place.clone(), Arc::clone(&self.pulse));
                Ok(Some(Box::new(Talk { place, pulse, path: path.to_owned(), stream })))
            }
            Err(error) if nothing_listens(&error) => Ok(None),
            Err(error) => {
                let what = format!("a connection to {}", path.display());
                Err(HostError::Local { host: self.place.host.clone(), what, why: error.to_string() })
            }
        }
    }
    async fn shell(&self, command: &str, stdin: Bytes, deadline: Span) -> Result<CommandOutput> {
        self.meter.sent(stdin.len());
        let output = self.within(shown(command), deadline, self.access.shell(command, stdin)).await?;
        self.meter.received(output.stdout.len() + output.stderr.len());
        Ok(output)
    }
    async fn lock(&self, name: &str, holder: &LockHolder) -> Result<Locked> {
        if let Some(loss) = self.pulse.loss() {
            return Err(self.place.gone(&loss));
        }
        let taken = self.pulse.during(self.access.lock(name, holder)).await;
        taken.unwrap_or_else(|_| {
            Err(HostError::Lost { host: self.place.host.clone(), what: format!("taking the lock {name}") })
        })
    }
    async fn open_ahead(&self, what: Ahead) {
        let opened = match what {
            Ahead::Locks => self.access.open_for_locks().await,
            Ahead::Images => self.open_for_images().await,
        };
        if let Err(error) = opened {
            tracing::debug!(host = %self.place.host, %error, ?what, "could not be opened ahead");
        }
    }
    async fn close(&self) {
        self.pulse.lose(Loss::Ended("the connection has been closed".to_owned()));
        self.access.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn an_error_shows_a_command_as_one_short_line() {
        assert_eq!(shown("df -h /"), "`df -h /`");
        assert_eq!(shown("set -e\ndf -h /"), "`set -e…`");
        assert_eq!(shown(&"x".repeat(70)), format!("`{}…`", "x".repeat(60)));
    }
}
