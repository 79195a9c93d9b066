//! HAProxy's runtime API, over its Unix sockets.

use std::{path::Path, sync::Arc};

use super::{ADMIN, MASTER};
use crate::{
    facts::ServerFact,
    failure::Failure,
    host::{Host, HostError},
    model::Span,
};

/// How long the runtime may take to answer where nothing is waited for.
const ANSWER: Span = Span::secs(10);
/// How long a reload may take: it loads every certificate.
const RELOAD: Span = Span::secs(30);

/// The account of all servers. Its table ends with an empty line.
pub const SERVERS: &str = "show servers state";

/// Asks the worker; `None` when there is none. Commands are separated by `;`.
pub async fn ask(host: &dyn Host, commands: &str) -> Result<Option<String>, HostError> {
    ask_within(host, commands, ANSWER).await
}

async fn ask_within(host: &dyn Host, commands: &str, deadline: Span) -> Result<Option<String>, HostError> {
    let answer = host.socket(Path::new(ADMIN), format!("{commands}\n").as_bytes(), deadline).await?;
    Ok(answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Commands for a worker that must be there; `wait` is how long they may wait themselves.
pub async fn command(host: &Arc<dyn Host>, commands: &[String], wait: Span) -> Result<String, Failure> {
    let deadline = Span::millis(ANSWER.as_millis() + wait.as_millis());
    let answer = ask_within(host.as_ref(), &commands.join("; "), deadline).await?;
    answer.ok_or_else(|| {
        Failure::new(format!("the ingress of {} does not run", host.name())).on(host.name()).hint(format!(
            "look at its log: `stagecraft ssh {} docker logs {}`",
            host.name(),
            super::CONTAINER
        ))
    })
}

/// Loads the configuration anew without closing a connection. When it does not load, the old one goes on, and the error is
/// HAProxy's own words.
pub async fn reload(host: &Arc<dyn Host>) -> Result<(), Failure> {
    let answer = host.socket(Path::new(MASTER), b"reload\n", RELOAD).await?.unwrap_or_default();
    let text = String::from_utf8_lossy(&answer).into_owned();
    if text.starts_with("Success=1") {
        return Ok(());
    }
    let words: Vec<&str> = text.lines().filter(|line| line.contains("ALERT")).collect();
    Err(Failure::new(format!(
        "the ingress of {} does not load its new configuration; the old one goes on",
        host.name()
    ))
    .on(host.name())
    .detail(if words.is_empty() { text.clone() } else { words.join("\n") }))
}

/// A server in `show servers state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub backend: String,
    pub name: String,
    pub address: String,
    pub port: u16,
    /// Its checks have passed, or it has not been checked yet and counts as up.
    pub up: bool,
    /// Neither in maintenance nor draining.
    pub admitted: bool,
}

impl From<Row> for ServerFact {
    fn from(row: Row) -> Self {
        let ready = row.up && row.admitted;
        Self { backend: row.backend, name: row.name, address: row.address, port: row.port, ready }
    }
}

/// Reads the tables in an answer that holds `show servers state`; columns are found by the header's names.
pub fn rows(answer: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut header: Vec<&str> = Vec::new();
    for line in answer.lines() {
        if let Some(names) = line.strip_prefix("# ") {
            header = names.split_whitespace().collect();
            continue;
        }
        let cells: Vec<&str> = line.split_whitespace().collect();
        let cell = |name: &str| {
            let place = header.iter().position(|known| *known == name)?;
            cells.get(place).copied()
        };
        let row = || {
            Some(Row {
                backend: cell("be_name")?.to_owned(),
                name: cell("srv_name")?.to_owned(),
                address: cell("srv_addr")?.to_owned(),
                port: cell("srv_port")?.parse().ok()?,
                up: cell("srv_op_state")? == "2",
                admitted: cell("srv_admin_state")? == "0",
            })
        };
        rows.extend(row());
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::{Row, rows};

    const ANSWER: &str = "\nNew server registered.\n\n1\n\
        # be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change \
        srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id \
        srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n\
        4 shop:web:0 1 shop-web-r1-1 10.210.0.2 2 0 1 1 5 6 3 4 6 0 0 0 - 8080 - 0 0 - - 0\n\
        4 shop:web:0 2 shop-web-r2-1 10.210.0.3 0 8 1 1 0 1 0 0 14 0 0 0 - 8080 - 0 0 - - 0\n\n";

    #[test]
    fn servers_by_the_runtimes_account() {
        let row = |name: &str, address: &str, up, admitted| Row {
            backend: "shop:web:0".into(),
            name: name.into(),
            address: address.into(),
            port: 8080,
            up,
            admitted,
        };
        assert_eq!(
            rows(ANSWER),
            [row("shop-web-r1-1", "10.210.0.2", true, true), row("shop-web-r2-1", "10.210.0.3", false, false)]
        );
    }
}
