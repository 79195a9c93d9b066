//! What a host's SSH connections give access to.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use openssh::{ForwardType, Stdio};
use tokio::{
    io::AsyncWriteExt,
    sync::{Mutex, Semaphore},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    CONNECT, ENGINE,
    destination::Destination,
    dial::{self, As},
    master::{Cargo, Master},
};
use crate::host::{
    CommandOutput, HostError, LockHolder, Locked, Result,
    door::{Door, Way},
    engine::{Engine, Place},
    lock::remote::{HOLDER, Holder, HolderError},
    machine::{Access, shown},
    usage::Meter,
};

/// How sockets of the host are reached.
#[derive(Debug, Clone)]
pub enum Reach {
    Forward,
    Dial(As, Arc<Semaphore>),
}

impl Reach {
    pub fn dial(user: As) -> Self {
        Self::Dial(user, Arc::new(Semaphore::new(dial::CONNECTIONS)))
    }
}

/// A master with the doors that lead through it.
struct Line {
    master: Master,
    doors: Mutex<Doors>,
}

#[derive(Default)]
struct Doors {
    open: HashMap<PathBuf, Door>,
    dialling: Vec<AbortOnDropHandle<()>>,
}

impl Line {
    fn new(master: Master) -> Self {
        Self { master, doors: Mutex::default() }
    }
}

/// A host's connections.
pub struct Ssh {
    destination: Destination,
    place: Place,
    meter: Arc<Meter>,
    reach: Reach,
    main: Line,
    /// For images, made when there is one to send.
    bulk: Mutex<Option<(Line, Engine)>>,
    holder: Mutex<Option<Holder>>,
}

impl Ssh {
    pub fn new(destination: Destination, place: Place, master: Master, meter: Arc<Meter>) -> Self {
        Self {
            destination,
            place,
            meter,
            reach: Reach::Forward,
            main: Line::new(master),
            bulk: Mutex::default(),
            holder: Mutex::default(),
        }
    }

    /// From now on, sockets are reached in this way.
    pub fn reach_by(&mut self, reach: Reach) {
        self.reach = reach;
        self.main.doors = Mutex::default();
    }

    pub async fn engine_door(&self) -> Result<Door> {
        self.door_through(&self.main, Path::new(ENGINE)).await
    }

    /// The engine's door, with a connection that no other use of it delays.
    pub async fn ping_door(&self) -> Result<Door> {
        let mut door = self.engine_door().await?;
        if let Way::Dialled(_) = door.way {
            door.way = Way::Dialled(Arc::new(Semaphore::new(1)));
        }
        Ok(door)
    }

    async fn door_through(&self, line: &Line, socket: &Path) -> Result<Door> {
        let mut doors = line.doors.lock().await;
        if let Some(door) = doors.open.get(socket) {
            return Ok(door.clone());
        }
        let session = line.master.session();
        let (path, way) = match &self.reach {
            Reach::Forward => {
                let path = line.master.socket(&format!("f{}", doors.open.len()));
                let forward = session.request_port_forward(ForwardType::Local, path.as_path(), socket);
                forward.await.map_err(|error| self.broken(&format!("forwarding {}", socket.display()), &error))?;
                (path, Way::Forwarded)
            }
            Reach::Dial(user, sessions) => {
                let path = line.master.socket(&format!("d{}", doors.open.len()));
                let dialling = dial::listen(&path, socket, *user, session, &self.meter)
                    .map_err(|error| self.broken(&format!("listening at {}", path.display()), &error))?;
                doors.dialling.push(dialling);
                (path, Way::Dialled(Arc::clone(sessions)))
            }
        };
        let door = Door { path, way, meter: Arc::clone(&self.meter) };
        doors.open.insert(socket.to_owned(), door.clone());
        Ok(door)
    }

    /// Runs `sh -c SCRIPT sh ARGUMENTS…` in a session; `what` names it in an error.
    pub async fn run(&self, what: String, script: &str, arguments: &[&str], stdin: Bytes) -> Result<CommandOutput> {
        self.meter.session();
        let mut child = Arc::clone(self.main.master.session())
            .arc_command("sh")
            .args(["-c", script, "sh"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .await
            .map_err(|error| self.broken("opening a session", &error))?;
        let mut input = child.stdin().take().expect("piped");
        let feed = async move {
            // A command need not read all that it is given.
            input.write_all(&stdin).await.ok();
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        match output {
            Ok(output) => Ok(CommandOutput {
                code: output.status.code(),
                stdout: output.stdout.into(),
                stderr: output.stderr.into(),
            }),
            Err(error) => {
                tracing::debug!(host = %self.place.host, %error, "a session ended without an exit code");
                Err(HostError::Lost { host: self.place.host.clone(), what })
            }
        }
    }

    /// The session of the locks, opened where there is none. It also makes `sshd` send small answers at once: until a
    /// connection has a session, its server waits for an acknowledgement of each before it sends the next.
    async fn holder(&self) -> Result<Holder> {
        let mut current = self.holder.lock().await;
        let session = match current.take().filter(|session| !session.has_ended()) {
            Some(session) => session,
            None => self.new_holder().await?,
        };
        *current = Some(session.clone());
        Ok(session)
    }

    async fn new_holder(&self) -> Result<Holder> {
        self.meter.session();
        let mut child = Arc::clone(self.main.master.session())
            .arc_command("sh")
            .args(["-c", HOLDER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .await
            .map_err(|error| self.broken("opening the lock's session", &error))?;
        let (input, output) = (child.stdin().take().expect("piped"), child.stdout().take().expect("piped"));
        Ok(Holder::new(input, output, child))
    }

    /// For what failed before it reached the host.
    fn broken(&self, what: &str, error: &dyn std::error::Error) -> HostError {
        let (host, address) = (self.place.host.clone(), self.place.address.clone());
        HostError::Unreachable { host, address, why: format!("{what}: {error}") }
    }
}

#[async_trait]
impl Access for Ssh {
    async fn bulk(&self, engine: &Engine) -> Result<Engine> {
        let mut bulk = self.bulk.lock().await;
        if let Some((line, engine)) = bulk.as_ref()
            && !line.master.has_ended()
        {
            return Ok(engine.clone());
        }
        let late = |_| HostError::Unreachable {
            host: self.place.host.clone(),
            address: self.place.address.clone(),
            why: format!("a second connection, for images, was not had within {CONNECT}"),
        };
        let started =
            timeout(CONNECT.duration(), Master::start(&self.destination, Cargo::Images)).await.map_err(late)?;
        let line = Line::new(started.map_err(|refusal| self.place.refused(refusal))?);
        let engine = engine.through(self.door_through(&line, Path::new(ENGINE)).await?);
        *bulk = Some((line, engine.clone()));
        Ok(engine)
    }

    async fn door(&self, socket: &Path) -> Result<Door> {
        self.door_through(&self.main, socket).await
    }

    async fn shell(&self, command: &str, stdin: Bytes) -> Result<CommandOutput> {
        self.run(shown(command), command, &[], stdin).await
    }

    async fn lock(&self, name: &str, holder: &LockHolder) -> Result<Locked> {
        let session = self.holder().await?;
        session.take(name, holder).await.map_err(|error| match error {
            HolderError::Ended => {
                HostError::Lost { host: self.place.host.clone(), what: format!("taking the lock {name}") }
            }
            HolderError::Failed(why) => {
                HostError::Local { host: self.place.host.clone(), what: format!("the lock {name}"), why }
            }
        })
    }

    async fn open_for_locks(&self) -> Result<()> {
        self.holder().await.map(drop)
    }

    async fn close(&self) {
        self.holder.lock().await.take();
        if let Some((line, _)) = self.bulk.lock().await.take() {
            line.master.close().await;
        }
        self.main.master.close().await;
    }
}
