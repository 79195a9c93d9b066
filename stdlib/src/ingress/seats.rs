//! A server's place in a backend, with all that is needed to put it there again.

use serde::{Deserialize, Serialize};

use super::{
    configuration::server_options,
    fragment::{Backend, Check, Server},
};
use crate::model::ServiceName;

/// A server in a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    pub backend: String,
    pub service: ServiceName,
    pub check: Check,
    pub server: Server,
}

impl Seat {
    pub fn of(backend: &Backend, server: Server) -> Self {
        let Backend { name, service, check, .. } = backend;
        Self { backend: name.clone(), service: service.clone(), check: check.clone(), server }
    }

    pub fn name(&self) -> &str {
        &self.server.name
    }

    /// `BACKEND/SERVER`, as the runtime API names it.
    fn path(&self) -> String {
        format!("{}/{}", self.backend, self.server.name)
    }

    /// The backend that it belongs to, without servers.
    pub fn empty_backend(&self) -> Backend {
        let (name, service, check) = (self.backend.clone(), self.service.clone(), self.check.clone());
        Backend { name, service, check, servers: Vec::new() }
    }

    /// Adds it, without traffic, and begins to check it. It counts as down until its checks have passed.
    pub fn add(&self) -> [String; 3] {
        let Server { address, port, .. } = &self.server;
        let (path, options) = (self.path(), server_options(&self.empty_backend()));
        [
            format!("add server {path} {address}:{port} {options} init-state fully-down"),
            format!("set server {path} state drain"),
            format!("enable health {path}"),
        ]
    }

    /// Gives a server that is there the address.
    pub fn move_there(&self) -> String {
        format!("set server {} addr {} port {}", self.path(), self.server.address, self.server.port)
    }

    pub fn admit(&self) -> String {
        format!("set server {} state ready", self.path())
    }

    /// Takes no new request; those in flight go on.
    pub fn dismiss(&self) -> String {
        format!("set server {} state maint", self.path())
    }

    /// Waits until nothing is in flight, at most so many milliseconds.
    pub fn wait(&self, milliseconds: u64) -> String {
        format!("wait {milliseconds}ms srv-removable {}", self.path())
    }

    pub fn remove(&self) -> String {
        format!("del server {}", self.path())
    }
}
