//! A host over SSH: the system's `ssh`, with the user's own configuration.

mod access;
mod destination;
mod diagnosis;
mod dial;
mod keys;
mod master;

use std::sync::Arc;

use tokio::time::timeout;

use self::{
    access::{Reach, Ssh},
    destination::Destination,
    diagnosis::Socket,
    dial::As,
    keys::Refusal,
    master::{Cargo, Master},
};
use super::{
    Host, HostError, Result,
    engine::{Engine, Place},
    machine::Machine,
    pulse::{Loss, Pulse},
    usage::Meter,
};
use crate::model::{HostSettings, Span};

/// From nothing to an engine that has said its version.
const CONNECT: Span = Span::secs(10);
const ENGINE: &str = "/var/run/docker.sock";

pub async fn connect(settings: &HostSettings) -> Result<Arc<dyn Host>> {
    let destination = Destination::of(settings).expect("only hosts over SSH come here");
    let place = Place { host: settings.name.clone(), address: destination.to_string(), socket: ENGINE.to_owned() };
    match timeout(CONNECT.duration(), connect_patiently(destination, place.clone())).await {
        Ok(connected) => connected,
        Err(_) => Err(HostError::Unreachable {
            host: place.host,
            address: place.address,
            why: format!("it has not answered within {CONNECT}"),
        }),
    }
}

async fn connect_patiently(destination: Destination, place: Place) -> Result<Arc<dyn Host>> {
    let master = Master::start(&destination, Cargo::Words).await.map_err(|refusal| place.refused(refusal))?;
    let (meter, pulse) = (Arc::new(Meter::default()), Arc::new(Pulse::default()));
    tokio::spawn(end_with(master.end(), Arc::clone(&pulse)));
    let mut access = Ssh::new(destination, place.clone(), master, Arc::clone(&meter));
    let engine = match open(&access, &place, &pulse).await {
        Err(HostError::NoEngine { why, .. }) => find_another_way(&mut access, &place, &pulse, why).await?,
        opened => opened?,
    };
    let look = engine.look(access.ping_door().await?);
    tokio::spawn(Pulse::watch(Arc::downgrade(&pulse), look));
    Ok(Arc::new(Machine { place, meter, pulse, engine, access }))
}

async fn open(access: &Ssh, place: &Place, pulse: &Arc<Pulse>) -> Result<Engine> {
    let door = access.engine_door().await?;
    Engine::open(door, place.clone(), Arc::clone(pulse)).await
}

/// The engine did not answer over the forwarded socket: finds out why, and whether it can be reached by a command.
async fn find_another_way(access: &mut Ssh, place: &Place, pulse: &Arc<Pulse>, why: String) -> Result<Engine> {
    let no_engine =
        |why: &str| HostError::NoEngine { host: place.host.clone(), socket: place.socket.clone(), why: why.to_owned() };
    let what = "why its engine does not answer".to_owned();
    let answer = access.run(what, diagnosis::QUESTION, &[ENGINE], bytes::Bytes::new()).await?;
    let found = diagnosis::read(&String::from_utf8_lossy(&answer.stdout)).ok_or_else(|| no_engine(&why))?;
    let user = match found.socket {
        Socket::Absent => return Err(no_engine("neither its socket nor the docker command is there")),
        Socket::Stopped => return Err(no_engine("Docker is installed, but its socket is not there")),
        Socket::Open => As::User,
        Socket::Denied => As::Root,
    };
    access.reach_by(Reach::dial(user));
    match (open(access, place, pulse).await, user) {
        (Err(HostError::NoEngine { .. }), As::User) => Err(no_engine("the socket is there, and nothing answers")),
        (Err(HostError::NoEngine { .. }), As::Root) => {
            Err(HostError::NoPermission { host: place.host.clone(), socket: place.socket.clone(), user: found.user })
        }
        (opened, _) => opened,
    }
}

/// The end of the connection is the loss of the host.
async fn end_with(end: impl Future<Output = String>, pulse: Arc<Pulse>) {
    let log = end.await;
    let words = log.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("without a word").to_owned();
    pulse.lose(Loss::Ended(format!("the SSH connection ended: {words}")));
}

impl Place {
    fn refused(&self, refusal: Refusal) -> HostError {
        let (host, address) = (self.host.clone(), self.address.clone());
        match refusal {
            Refusal::HostKey { why, accept } => HostError::HostKey { host, address, why, accept },
            Refusal::Other(why) => HostError::Unreachable { host, address, why },
        }
    }
}
