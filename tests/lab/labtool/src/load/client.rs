//! The connections to one target.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    time::Duration,
};

use super::ask::{Ask, Wire};
use crate::http::{Connection, Lost, Side, connect};

/// What a request may take in all.
pub const DEADLINE: Duration = Duration::from_secs(10);
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

pub struct Client {
    address: String,
    host: String,
    /// Connections to open before one is used again.
    held: usize,
    idle: RefCell<VecDeque<Connection>>,
    /// Held connections, those in use too.
    open: Cell<usize>,
    pub connects: Cell<u64>,
    /// Connections that the server closed while they were idle: no request was lost with them.
    pub closed_while_idle: Cell<u64>,
}

impl Client {
    pub fn new(address: SocketAddr, host: &str, held: usize) -> Self {
        Self {
            address: address.to_string(),
            host: host.to_owned(),
            held,
            idle: RefCell::default(),
            open: Cell::new(0),
            connects: Cell::new(0),
            closed_while_idle: Cell::new(0),
        }
    }

    /// The version that answered, or why the request failed.
    pub async fn send(&self, ask: Ask) -> Result<String, String> {
        let mut connection = match ask.wire {
            Wire::New => self.connect().await?,
            Wire::Held => self.held().await?,
        };
        let (outcome, keeps) = exchange(&mut connection, ask, &self.host).await;
        if ask.wire == Wire::Held && keeps {
            self.idle.borrow_mut().push_back(connection);
        } else if ask.wire == Wire::Held {
            self.open.set(self.open.get() - 1);
        }
        outcome
    }

    /// The connection that was idle the longest, once all are open; a new one where the server has closed it.
    async fn held(&self) -> Result<Connection, String> {
        while self.open.get() >= self.held {
            let Some(connection) = self.idle.borrow_mut().pop_front() else { break };
            if connection.is_idle() {
                return Ok(connection);
            }
            self.open.set(self.open.get() - 1);
            self.closed_while_idle.set(self.closed_while_idle.get() + 1);
        }
        let connection = self.connect().await?;
        self.open.set(self.open.get() + 1);
        Ok(connection)
    }

    async fn connect(&self) -> Result<Connection, String> {
        self.connects.set(self.connects.get() + 1);
        let stream = connect(&self.address, CONNECT_DEADLINE).await.map_err(|e| format!("connect: {}", e.kind()))?;
        Ok(Connection::new(stream, Side::Client))
    }
}

/// One request and its answer, and whether the connection can be used again.
async fn exchange(connection: &mut Connection, ask: Ask, host: &str) -> (Result<String, String>, bool) {
    if let Err(error) = connection.write(&ask.bytes(host)).await {
        return (Err(format!("write: {}", error.kind())), false);
    }
    match connection.read().await {
        Ok(answer) => (ask.judge(&answer), !answer.closes()),
        Err(Lost::Closed) => (Err("closed without an answer".to_owned()), false),
        Err(Lost::Broken(reason)) => (Err(format!("read: {reason}")), false),
    }
}
