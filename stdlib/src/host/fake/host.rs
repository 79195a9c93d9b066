//! The fake as a [`Host`].

use std::{
    io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bollard::{
    auth::DockerCredentials,
    models::{
        ContainerCreateBody, ContainerInspectResponse, ContainerSummary, EndpointSettings, ImageInspect, ImageSummary,
        Network, NetworkCreateRequest, Volume, VolumeCreateRequest,
    },
};
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{BoxStream, iter},
};

use super::{Answer, FakeHost, State, files::Tree};
use crate::{
    host::{
        Ahead, CommandOutput, Conversation, EngineInfo, Host, HostError, LockHolder, Locked, LogLine, LogQuery, Result,
        Usage,
    },
    model::{HostName, Span},
};

/// Exit code of a container that ends when it is told to.
const STOPPED: i64 = 0;

/// Whether a method changes nothing.
pub fn is_question(method: &str) -> bool {
    let questions = [
        "info",
        "containers",
        "container",
        "images",
        "image",
        "networks",
        "volumes",
        "wait_container",
        "logs",
        "save_image",
        "get_archive",
    ];
    questions.contains(&method)
}

fn optional<T>(answer: Answer<T>) -> Answer<Option<T>> {
    match answer {
        Err((404, _)) => Ok(None),
        answer => answer.map(Some),
    }
}

impl State {
    fn volume(&mut self, name: &str) -> &mut Tree {
        self.volumes.entry(name.to_owned()).or_default()
    }

    /// Where a path of a container lies: in one of its mounts, or in itself; and the path there.
    fn tree<'a>(&'a mut self, container: &str, path: &str) -> Answer<(&'a mut Tree, String)> {
        let found = self.containers.find(container)?;
        let mount = found.mounts.iter().rev().find_map(|(target, source)| {
            let rest = path.strip_prefix(target.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (source.clone(), rest.to_owned()))
        });
        match mount {
            Some((source, rest)) => Ok((self.volume(&source), rest)),
            None => Ok((&mut self.containers.find_mut(container)?.files, path.to_owned())),
        }
    }

    fn create_container(&mut self, name: &str, body: ContainerCreateBody) -> Answer<String> {
        let image = self.images.find(body.image.as_deref().unwrap_or_default())?;
        let container = self.containers.create(name, image, body)?;
        let (id, sources) = (container.id().to_owned(), container.mounts.values().cloned().collect::<Vec<_>>());
        for source in sources {
            self.volume(&source);
        }
        Ok(id)
    }

    fn volume_list(&self) -> Vec<Volume> {
        let named = self.volumes.keys().filter(|name| !name.starts_with('/'));
        let volume = |name: &String| Volume {
            name: name.clone(),
            driver: "local".into(),
            labels: self.volume_labels.get(name).cloned().unwrap_or_default(),
            ..Default::default()
        };
        named.map(volume).collect()
    }
}

#[async_trait]
impl Host for FakeHost {
    fn name(&self) -> &HostName {
        &self.name
    }
    fn usage(&self) -> Usage {
        self.lock_state().usage
    }

    fn platform(&self) -> String {
        self.lock_state().info.platform.clone()
    }

    async fn info(&self) -> Result<EngineInfo> {
        self.call("info", "", "what it is", |state| Ok(state.info.clone()))
    }
    async fn containers(&self) -> Result<Vec<ContainerSummary>> {
        self.call("containers", "", "its containers", |state| Ok(state.containers.list()))
    }
    async fn container(&self, id: &str) -> Result<Option<ContainerInspectResponse>> {
        let request = format!("inspect container {id}");
        self.call("container", id, &request, |state| optional(state.containers.inspect(id)))
    }
    async fn images(&self) -> Result<Vec<ImageSummary>> {
        self.call("images", "", "its images", |state| Ok(state.images.list()))
    }
    async fn image(&self, reference: &str) -> Result<Option<ImageInspect>> {
        let request = format!("inspect image {reference}");
        self.call("image", reference, &request, |state| optional(state.images.inspect(reference)))
    }
    async fn networks(&self) -> Result<Vec<Network>> {
        self.call("networks", "", "its networks", |state| Ok(state.networks.list()))
    }
    async fn volumes(&self) -> Result<Vec<Volume>> {
        self.call("volumes", "", "its volumes", |state| Ok(state.volume_list()))
    }

    async fn create_container(&self, name: &str, body: ContainerCreateBody) -> Result<String> {
        let request = format!("create container {name}");
        self.call("create_container", name, &request, |state| state.create_container(name, body))
    }
    async fn start_container(&self, id: &str) -> Result<()> {
        let request = format!("start container {id}");
        self.call("start_container", &self.called(id), &request, |state| state.containers.start(id, &state.networks))
    }
    async fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        let subject = format!("{} {name}", self.called(id));
        let request = format!("rename container {id} to {name}");
        self.call("rename_container", &subject, &request, |state| state.containers.rename(id, name))
    }
    async fn stop_container(&self, id: &str, _grace: Span) -> Result<()> {
        let request = format!("stop container {id}");
        self.call("stop_container", &self.called(id), &request, |state| state.containers.end(id, STOPPED))
    }
    async fn remove_container(&self, id: &str) -> Result<()> {
        let request = format!("remove container {id}");
        self.call("remove_container", &self.called(id), &request, |state| {
            state.containers.remove(id);
            Ok(())
        })
    }
    async fn wait_container(&self, id: &str) -> Result<i64> {
        let request = format!("wait for container {id}");
        let exit = |state: &mut State| state.containers.exit_code(id);
        let mut code = self.call("wait_container", &self.called(id), &request, exit)?;
        loop {
            if let Some(code) = code {
                return Ok(code);
            }
            // Listening begins before looking, or the end could come in between.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            code = self.peek("wait_container", &request, exit)?;
            if code.is_none() {
                changed.await;
            }
        }
    }
    async fn logs(&self, id: &str, query: LogQuery) -> Result<BoxStream<'static, Result<LogLine>>> {
        let request = format!("logs of container {id}");
        let lines = self.call("logs", &self.called(id), &request, |state| state.containers.log(id))?;
        let skipped = query.tail.map_or(0, |tail| lines.len().saturating_sub(tail as usize));
        let lines = iter(lines.into_iter().skip(skipped).map(Ok));
        Ok(if query.follow { lines.chain(futures_util::stream::pending()).boxed() } else { lines.boxed() })
    }

    async fn create_network(&self, request: NetworkCreateRequest) -> Result<()> {
        let (name, words) = (request.name.clone(), format!("create network {}", request.name));
        self.call("create_network", &name, &words, |state| state.networks.create(request))
    }
    async fn connect_network(&self, network: &str, container: &str, endpoint: EndpointSettings) -> Result<()> {
        let subject = format!("{network} {}", self.called(container));
        let request = format!("connect container {container} to network {network}");
        self.call("connect_network", &subject, &request, |state| {
            state.containers.connect(container, network, endpoint, &state.networks)
        })
    }
    async fn remove_network(&self, name: &str) -> Result<()> {
        self.call("remove_network", name, &format!("remove network {name}"), |state| {
            let in_use = state.containers.use_network(name);
            state.networks.remove(name, in_use)
        })
    }
    async fn create_volume(&self, request: VolumeCreateRequest) -> Result<()> {
        let name = request.name.unwrap_or_default();
        self.call("create_volume", &name, &format!("create volume {name}"), |state| {
            state.volume(&name);
            // A volume that is there already stays as it is.
            state.volume_labels.entry(name.clone()).or_insert_with(|| request.labels.unwrap_or_default());
            Ok(())
        })
    }
    async fn remove_volume(&self, name: &str) -> Result<()> {
        self.call("remove_volume", name, &format!("remove volume {name}"), |state| {
            if !state.volumes.contains_key(name) {
                return Err((404, format!("get {name}: no such volume")));
            }
            if state.containers.use_volume(name) {
                return Err((409, format!("remove {name}: volume is in use")));
            }
            state.volumes.remove(name);
            state.volume_labels.remove(name);
            Ok(())
        })
    }
    async fn load_image(&self, tar: BoxStream<'static, io::Result<Bytes>>) -> Result<()> {
        let read = tar.try_fold(BytesMut::new(), |mut whole, chunk| async move {
            whole.extend_from_slice(&chunk);
            Ok(whole)
        });
        let archive = read.await.map_err(|error| HostError::Local {
            host: self.name.clone(),
            what: "the image to be sent".into(),
            why: error.to_string(),
        })?;
        self.call("load_image", "", "load an image", |state| {
            state.usage.bytes_sent += archive.len() as u64;
            state.images.load(&archive, state.info.store)
        })
    }
    async fn save_image(&self, reference: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let request = format!("save image {reference}");
        let archive = self.call("save_image", reference, &request, |state| state.images.save(reference))?;
        Ok(iter([Ok(archive)]).boxed())
    }
    async fn import_image(&self, reference: &str, tar: Bytes) -> Result<()> {
        self.call("import_image", reference, &format!("import image {reference}"), |state| {
            state.usage.bytes_sent += tar.len() as u64;
            state.images.import(reference, tar, state.info.store);
            Ok(())
        })
    }
    async fn pull_image(&self, reference: &str, _credentials: Option<DockerCredentials>) -> Result<()> {
        self.call("pull_image", reference, &format!("pull image {reference}"), |state| state.images.pull(reference))
    }
    async fn tag_image(&self, reference: &str, tag: &str) -> Result<()> {
        let (subject, request) = (format!("{reference} {tag}"), format!("tag image {reference} as {tag}"));
        self.call("tag_image", &subject, &request, |state| state.images.tag(reference, tag))
    }
    async fn remove_image(&self, reference: &str) -> Result<()> {
        self.call("remove_image", reference, &format!("remove image {reference}"), |state| {
            state.images.remove(reference, |id| state.containers.use_image(id))
        })
    }

    async fn put_archive(&self, container: &str, path: &str, tar: Bytes) -> Result<()> {
        let subject = format!("{container} {path}");
        let request = format!("put files into {container}:{path}");
        self.call("put_archive", &subject, &request, |state| {
            state.usage.bytes_sent += tar.len() as u64;
            let (tree, inner) = state.tree(container, path)?;
            if !tree.has_directory(&inner) {
                return Err((404, format!("Could not find the file {path} in container {container}")));
            }
            tree.unpack(&inner, &tar).map_err(|error| (500, format!("Error processing tar file: {error}")))
        })
    }
    async fn get_archive(&self, container: &str, path: &str) -> Result<Option<Bytes>> {
        let subject = format!("{container} {path}");
        let request = format!("get files from {container}:{path}");
        self.call("get_archive", &subject, &request, |state| {
            let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(".");
            Ok(optional(state.tree(container, path))?.and_then(|(tree, inner)| tree.pack(&inner, name)))
        })
    }

    async fn socket(&self, path: &Path, request: &[u8], _deadline: Span) -> Result<Option<Bytes>> {
        let (subject, words) = (path.display().to_string(), format!("a request to {}", path.display()));
        self.call("socket", &subject, &words, |state| {
            state.usage.forwarded += 1;
            Ok(state.socket.as_mut().and_then(|script| script(path, request)))
        })
    }
    async fn converse(&self, path: &Path) -> Result<Option<Box<dyn Conversation>>> {
        Ok(Some(Box::new(FakeConversation { host: self.clone(), path: path.to_owned() })))
    }
    async fn shell(&self, command: &str, stdin: Bytes, _deadline: Span) -> Result<CommandOutput> {
        let missing = || CommandOutput {
            code: Some(127),
            stdout: Bytes::new(),
            stderr: Bytes::from_static(b"sh: not scripted: use on_shell\n"),
        };
        self.call("shell", command, &format!("`{command}`"), |state| {
            state.usage.sessions += 1;
            Ok(state.shell.as_mut().map_or_else(missing, |script| script(command, &stdin)))
        })
    }
    async fn lock(&self, name: &str, holder: &LockHolder) -> Result<Locked> {
        self.call("lock", name, &format!("taking the lock {name}"), |state| Ok(state.locks.take(name, holder)))
    }
    async fn open_ahead(&self, _what: Ahead) {}
    async fn close(&self) {
        self.lock_state().closed = true;
        self.changed.notify_waiters();
    }
}

/// Each question is one to the socket.
struct FakeConversation {
    host: FakeHost,
    path: PathBuf,
}

#[async_trait]
impl Conversation for FakeConversation {
    async fn ask(&mut self, request: &[u8], end: &[u8], deadline: Span) -> Result<Option<Bytes>> {
        let answer = self.host.socket(&self.path, request, deadline).await?;
        Ok(answer.and_then(|answer| answer.strip_suffix(end).map(Bytes::copy_from_slice)))
    }
}

impl FakeHost {
    /// The name of a container, so that calls read the same whether they give its id or its name.
    fn called(&self, id: &str) -> String {
        self.lock_state().containers.find(id).map_or_else(|_| id.to_owned(), |found| found.name.clone())
    }
}
