//! What of HAProxy's runtime API a deploy uses. A server that has been added is up at once.

use std::{collections::BTreeMap, fmt::Write as _};

use bytes::Bytes;

const VERSION: &str = "3.2.0\n";
const MISSING: &str = "No such server.\n";
const HEADER: &str = "# be_name srv_name srv_addr srv_port srv_op_state srv_admin_state\n";

#[derive(Default)]
pub struct Haproxy {
    /// By `BACKEND/SERVER`.
    servers: BTreeMap<String, Server>,
    /// The map of routes.
    routes: BTreeMap<String, String>,
}

struct Server {
    /// `ADDRESS:PORT`.
    at: String,
    admitted: bool,
}

impl Haproxy {
    /// The answer to a request to either of its sockets: the master's, where `@1` is the worker, or the worker's own.
    pub fn answer(&mut self, request: &[u8]) -> Bytes {
        let request = String::from_utf8_lossy(request);
        let commands = request
            .trim_end()
            .lines()
            .flat_map(|line| line.split("; "))
            .map(|command| command.strip_prefix("@1 ").unwrap_or(command));
        commands.map(|command| self.obey(command)).collect::<String>().into()
    }

    fn obey(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["reload"] => return "Success=1\n".into(),
            // It ends with an empty line, as every answer of HAProxy.
            ["echo", text] => return format!("{text}\n\n"),
            ["show", "version"] => return VERSION.into(),
            ["show", "servers", "state"] => return self.table(),
            ["show", "map", _] => return self.map(),
            ["add" | "set", "map", _, key, value] => drop(self.routes.insert(key.into(), value.into())),
            ["del", "map", _, key] => drop(self.routes.remove(key)),
            ["add", "server", path, at, ..] => {
                self.servers.insert(path.into(), Server { at: at.into(), admitted: false });
            }
            ["set", "server", path, ref change @ ..] => match self.servers.get_mut(path) {
                Some(server) => server.set(change),
                None => return MISSING.into(),
            },
            ["del", "server", path] => {
                if self.servers.remove(path).is_none() {
                    return MISSING.into();
                }
            }
            // No server has a request in flight, and no worker has been replaced.
            ["enable", "health", _] | ["wait", ..] | ["show", "proc"] | ["quit"] | ["prompt", "i"] => {}
            _ => panic!("no deploy asks HAProxy to `{command}`"),
        }
        String::new()
    }

    fn map(&self) -> String {
        let mut map = String::new();
        for (key, value) in &self.routes {
            let _ = writeln!(map, "0x1 {key} {value}");
        }
        map
    }

    fn table(&self) -> String {
        let mut table = HEADER.to_owned();
        for (path, Server { at, admitted }) in &self.servers {
            let (backend, name) = path.split_once('/').expect("BACKEND/SERVER");
            let (address, port) = at.split_once(':').expect("ADDRESS:PORT");
            let _ = writeln!(table, "{backend} {name} {address} {port} 2 {}", if *admitted { 0 } else { 8 });
        }
        table + "\n"
    }
}

impl Server {
    fn set(&mut self, change: &[&str]) {
        match *change {
            ["state", state] => self.admitted = state == "ready",
            ["addr", address, "port", port] => self.at = format!("{address}:{port}"),
            _ => panic!("no deploy sets {change:?} of a server"),
        }
    }
}
