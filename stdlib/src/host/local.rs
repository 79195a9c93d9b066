//! The engine of this machine, without SSH.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, process::Command};

use super::{
    CommandOutput, Host, HostError, LockHolder, Locked, Result,
    door::{Door, Way},
    engine::{Engine, Place},
    lock,
    machine::{Access, Machine},
    pulse::Pulse,
    usage::Meter,
};
use crate::model::HostName;

const SOCKET: &str = "unix:///var/run/docker.sock";

/// Connects to the engine that the `docker` command would use here.
pub async fn connect(host: &HostName) -> Result<Arc<dyn Host>> {
    let meter = Arc::new(Meter::default());
    let pulse = Arc::new(Pulse::default());
    let socket = engine_socket(host)?;
    let place = Place { host: host.clone(), address: "local".to_owned(), socket: socket.display().to_string() };
    let access = Local { host: host.clone(), meter: Arc::clone(&meter) };
    let engine = match Engine::open(access.direct(&socket), place.clone(), Arc::clone(&pulse)).await {
        Err(HostError::NoEngine { .. }) if permission_denied(&socket).await => {
            let user = env::var("USER").unwrap_or_else(|_| "this user".to_owned());
            return Err(HostError::NoPermission { host: host.clone(), socket: place.socket, user });
        }
        opened => opened?,
    };
    Ok(Arc::new(Machine { place, meter, pulse, engine, access }))
}

async fn permission_denied(socket: &Path) -> bool {
    let connected = tokio::net::UnixStream::connect(socket).await;
    connected.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// `DOCKER_HOST`, or the endpoint of the current Docker context, or the default.
fn engine_socket(host: &HostName) -> Result<PathBuf> {
    let (source, address) = match env::var("DOCKER_HOST") {
        Ok(address) if !address.is_empty() => ("DOCKER_HOST".to_owned(), address),
        _ => match context() {
            Some(name) => {
                let address = endpoint(&name).unwrap_or_default();
                (format!("the Docker context {name}"), address)
            }
            None => ("the default".to_owned(), SOCKET.to_owned()),
        },
    };
    match address.strip_prefix("unix://") {
        Some(path) => Ok(PathBuf::from(path)),
        None => Err(HostError::Local {
            host: host.clone(),
            what: format!("{source} names the engine {address:?}"),
            why: "`address: local` needs a Unix socket (unix:///…); for another machine, give its SSH address".into(),
        }),
    }
}

/// The name of the Docker context in use, unless it is the default one.
fn context() -> Option<String> {
    let named = env::var("DOCKER_CONTEXT").ok().filter(|name| !name.is_empty());
    let name = named.or_else(|| {
        let config: Value = read_json(&docker_config()?.join("config.json"))?;
        Some(config["currentContext"].as_str()?.to_owned())
    })?;
    (name != "default" && !name.is_empty()).then_some(name)
}

fn endpoint(context: &str) -> Option<String> {
    let directory = hex::encode(Sha256::digest(context.as_bytes()));
    let meta = read_json(&docker_config()?.join("contexts/meta").join(directory).join("meta.json"))?;
    Some(meta["Endpoints"]["docker"]["Host"].as_str()?.to_owned())
}

fn docker_config() -> Option<PathBuf> {
    let named = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    named.or_else(|| Some(env::home_dir()?.join(".docker")))
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// This machine.
struct Local {
    host: HostName,
    meter: Arc<Meter>,
}

impl Local {
    fn direct(&self, socket: &Path) -> Door {
        Door { path: socket.to_owned(), way: Way::Direct, meter: Arc::clone(&self.meter) }
    }

    fn error(&self, what: &str, error: &std::io::Error) -> HostError {
        HostError::Local { host: self.host.clone(), what: what.to_owned(), why: error.to_string() }
    }
}

#[async_trait]
impl Access for Local {
    async fn bulk(&self, engine: &Engine) -> Result<Engine> {
        Ok(engine.clone())
    }

    async fn door(&self, socket: &Path) -> Result<Door> {
        Ok(self.direct(socket))
    }

    async fn shell(&self, command: &str, stdin: Bytes) -> Result<CommandOutput> {
        let run = async {
            let mut child = Command::new("sh")
                .args(["-c", command])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let mut input = child.stdin.take().expect("piped");
            let feed = async move {
                // A command need not read all that it is given.
                input.write_all(&stdin).await.ok();
            };
            let ((), output) = tokio::join!(feed, child.wait_with_output());
            output
        };
        let output = run.await.map_err(|error| self.error("sh", &error))?;
        let (stdout, stderr) = (output.stdout.into(), output.stderr.into());
        Ok(CommandOutput { code: output.status.code(), stdout, stderr })
    }

    async fn lock(&self, name: &str, holder: &LockHolder) -> Result<Locked> {
        lock::local::take(&lock::local::root(), name, holder)
            .map_err(|error| self.error(&format!("the lock {name}"), &error))
    }

    async fn open_for_locks(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self) {}
}
