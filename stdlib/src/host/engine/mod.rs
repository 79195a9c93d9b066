//! A host's Docker engine, over whatever door leads to its socket.

mod body;
mod containers;
mod images;
mod log;
mod networks;
mod stream;
mod trouble;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};
use futures_util::{FutureExt, future::BoxFuture};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::timeout;

use self::trouble::Trouble;
use super::{
    EngineInfo, HostError, ImageStore, Result,
    door::Door,
    pulse::{Loss, Pulse, SILENCE},
};
use crate::model::{HostName, Span};

/// Where an engine keeps its data, unless it says otherwise.
const DIRECTORY: &str = "/var/lib/docker";
/// The socket of a containerd that is a service of its own, and where it keeps its data.
const CONTAINERD: [&str; 2] = ["/run/containerd/containerd.sock", "/var/lib/containerd"];
/// For a question that the engine answers from memory.
const QUESTION: Span = Span::secs(15);
/// For a change that involves no transfer: creating, starting, removing.
const CHANGE: Span = Span::secs(120);
/// For images on their way.
const TRANSFER: Span = Span::secs(3600);
/// How long a broken connection may take to turn out to be the end of the whole host's.
const AFTERMATH: Duration = Duration::from_millis(300);
/// Bollard's own deadline, which would cut streams and waits: a year, in seconds.
const NEVER: u64 = 365 * 24 * 3600;

/// Where an engine is, for errors.
#[derive(Debug, Clone)]
pub struct Place {
    pub host: HostName,
    /// As the user wrote it, such as `deploy@203.0.113.10`.
    pub address: String,
    /// The engine's socket on the host.
    pub socket: String,
}

/// What an engine says of itself when it is first spoken to.
#[derive(Debug, Clone)]
struct Version {
    engine: String,
    api: String,
    platform: String,
}

/// A connected engine.
#[derive(Clone)]
pub struct Engine {
    place: Place,
    docker: Docker,
    pulse: Arc<Pulse>,
    version: Version,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("place", &self.place).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Engine {
    /// Asks the engine for its version (`GET /version`) and speaks the newest API that both know.
    pub async fn open(door: Door, place: Place, pulse: Arc<Pulse>) -> Result<Self> {
        let unknown = Version { engine: String::new(), api: String::new(), platform: String::new() };
        let mut engine = Self { docker: speaking(door.clone(), API_DEFAULT_VERSION), place, pulse, version: unknown };
        let found = engine.ask("its version", || engine.docker.version()).await?;
        let api = found.api_version.unwrap_or_default();
        let newest = client_version(&api).ok_or_else(|| {
            engine.refused("its version", Trouble::Unreadable(format!("`{api}` is not a version of the API")))
        })?;
        if newest < engine.docker.client_version() {
            engine.docker = speaking(door, &newest);
        }
        engine.version = Version {
            engine: found.version.unwrap_or_default(),
            api: engine.docker.client_version().to_string(),
            platform: platform(&found.os.unwrap_or_default(), &found.arch.unwrap_or_default()),
        };
        Ok(engine)
    }

    /// The same engine through another door, without asking again.
    pub fn through(&self, door: Door) -> Self {
        let version = self.docker.client_version();
        Self { docker: speaking(door, &version), ..self.clone() }
    }

    /// Looks at the host through a door: resolves when the engine has answered, or the connection to it has ended. Both
    /// are signs of life.
    pub fn look(&self, door: Door) -> impl Fn() -> BoxFuture<'static, ()> + use<> {
        let docker = speaking(door, &self.docker.client_version());
        move || {
            let docker = docker.clone();
            async move { drop(docker.ping().await) }.boxed()
        }
    }

    /// Leaves a connection open behind it, for the next request.
    pub async fn greet(&self) -> Result<()> {
        self.ask("whether it answers", || self.docker.ping()).await.map(drop)
    }

    pub fn platform(&self) -> &str {
        &self.version.platform
    }

    pub async fn info(&self) -> Result<EngineInfo> {
        let info = self.ask("what it is", || self.docker.info()).await?;
        let driver = info.driver_status.unwrap_or_default();
        let snapshotter =
            driver.iter().any(|pair| pair.iter().any(|text| text.starts_with("io.containerd.snapshotter")));
        let store = if snapshotter { ImageStore::Containerd } else { ImageStore::Classic };
        let containerd = info.containerd.and_then(|containerd| containerd.address);
        Ok(EngineInfo {
            version: self.version.engine.clone(),
            api: self.version.api.clone(),
            platform: self.version.platform.clone(),
            directory: image_directory(store, info.docker_root_dir, containerd.as_deref()),
            store,
            desktop: info.operating_system.is_some_and(|system| system.starts_with("Docker Desktop")),
        })
    }

    /// Whether the engine is of this API version or newer.
    fn speaks(&self, major: usize, minor: usize) -> bool {
        let version = self.docker.client_version();
        (version.major_version, version.minor_version) >= (major, minor)
    }

    /// Asks what changes nothing. A connection that breaks is tried once more: it may have been an idle one.
    async fn ask<T, F>(&self, what: &str, request: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, bollard::errors::Error>>,
    {
        match timeout(QUESTION.duration(), self.ask_patiently(what, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unanswered(what, QUESTION)),
        }
    }

    /// [`Engine::ask`] without a deadline, other than the host's own silence.
    async fn ask_patiently<T, F>(&self, what: &str, request: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, bollard::errors::Error>>,
    {
        self.still_there()?;
        let asked = async {
            match request().await.map_err(Trouble::from) {
                Err(Trouble::Broken(_) | Trouble::NotConnected(_)) => request().await.map_err(Trouble::from),
                answer => answer,
            }
        };
        match self.pulse.during(asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Trouble::Broken(why) | Trouble::NotConnected(why))) => Err(self.broken(what, why).await),
            Ok(Err(trouble)) => Err(self.refused(what, trouble)),
            Err(loss) => Err(self.lost_question(what, &loss)),
        }
    }

    /// Asks for a change. Once it has been sent, a missing answer is [`HostError::Lost`].
    async fn change<T>(
        &self,
        what: &str,
        deadline: Span,
        request: impl Future<Output = std::result::Result<T, bollard::errors::Error>>,
    ) -> Result<T> {
        self.still_there()?;
        match self.pulse.during(timeout(deadline.duration(), request)).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) => match Trouble::from(error) {
                Trouble::NotConnected(why) => Err(self.broken(what, why).await),
                Trouble::Broken(_) => Err(self.lost(what)),
                trouble => Err(self.refused(what, trouble)),
            },
            Ok(Err(_)) | Err(_) => Err(self.lost(what)),
        }
    }

    /// The connection of what changed nothing has broken: the engine's end, or the whole host's.
    async fn broken(&self, what: &str, why: String) -> HostError {
        let loss = timeout(AFTERMATH, self.pulse.lost()).await.ok();
        loss.map_or_else(|| self.no_engine(why), |loss| self.lost_question(what, &loss))
    }

    /// Nothing is sent to a host that is lost.
    fn still_there(&self) -> Result<()> {
        self.pulse.loss().map_or(Ok(()), |loss| Err(self.gone(&loss)))
    }

    fn refused(&self, what: &str, trouble: Trouble) -> HostError {
        let (status, message) = match trouble {
            Trouble::Status(status, message) => (status, message),
            // Said in the answer's body, after the status.
            Trouble::Said(message) => (500, message),
            Trouble::Unreadable(why) | Trouble::Broken(why) | Trouble::NotConnected(why) => {
                (200, format!("the engine's answer cannot be read: {why}"))
            }
        };
        HostError::Engine { host: self.place.host.clone(), request: what.to_owned(), status, message }
    }

    fn no_engine(&self, why: String) -> HostError {
        HostError::NoEngine { host: self.place.host.clone(), socket: self.place.socket.clone(), why }
    }

    fn lost(&self, what: &str) -> HostError {
        HostError::Lost { host: self.place.host.clone(), what: what.to_owned() }
    }

    fn unanswered(&self, what: &str, after: Span) -> HostError {
        HostError::Timeout { host: self.place.host.clone(), what: what.to_owned(), after }
    }

    fn lost_question(&self, what: &str, loss: &Loss) -> HostError {
        match loss {
            Loss::Silent => self.unanswered(what, SILENCE),
            Loss::Ended(_) => self.gone(loss),
        }
    }

    fn gone(&self, loss: &Loss) -> HostError {
        self.place.gone(loss)
    }
}

impl Place {
    /// For what is not sent at all.
    pub fn gone(&self, loss: &Loss) -> HostError {
        let why = match loss {
            Loss::Silent => format!("it has not answered for {SILENCE}"),
            Loss::Ended(why) => why.clone(),
        };
        HostError::Unreachable { host: self.host.clone(), address: self.address.clone(), why }
    }
}

/// What the engine says is not there, as a value.
fn optional<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(HostError::Engine { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Go's names for systems and processors, as `GET /version` gives them, are those of images; `arm` lacks its variant.
fn platform(os: &str, arch: &str) -> String {
    match arch {
        "arm" => format!("{os}/arm/v7"),
        arch => format!("{os}/{arch}"),
    }
}

/// The containerd store is where its containerd is: below the engine's own directory, unless that is a service of its own.
fn image_directory(store: ImageStore, root: Option<String>, containerd: Option<&str>) -> String {
    let [socket, directory] = CONTAINERD;
    match (store, containerd) {
        (ImageStore::Containerd, Some(address)) if address.trim_start_matches("/var") == socket => directory.to_owned(),
        _ => root.unwrap_or_else(|| DIRECTORY.to_owned()),
    }
}

/// `1.41`.
fn client_version(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

fn speaking(door: Door, version: &ClientVersion) -> Docker {
    let meter = Arc::clone(&door.meter);
    let client = Client::builder(TokioExecutor::new()).build(door);
    let transport = move |request: BollardRequest| {
        meter.request();
        let response = client.request(request);
        async move { Ok(response.await?) }
    };
    Docker::connect_with_custom_transport(transport, Some("http://docker"), NEVER, version)
        .expect("the address is well formed")
}

#[cfg(test)]
mod tests {
    use super::{ImageStore, image_directory, platform};

    #[test]
    fn platforms_have_the_names_of_images() {
        assert_eq!(platform("linux", "amd64"), "linux/amd64");
        assert_eq!(platform("linux", "arm"), "linux/arm/v7");
    }

    #[test]
    fn images_are_where_the_store_is() {
        let directory = |store, containerd| image_directory(store, Some("/data".into()), containerd);
        let (own, service) = ("/var/run/docker/containerd/containerd.sock", "/run/containerd/containerd.sock");
        assert_eq!(directory(ImageStore::Classic, Some(service)), "/data");
        assert_eq!(directory(ImageStore::Containerd, Some(own)), "/data");
        assert_eq!(directory(ImageStore::Containerd, Some(service)), "/var/lib/containerd");
        assert_eq!(image_directory(ImageStore::Classic, None, None), "/var/lib/docker");
    }
}
