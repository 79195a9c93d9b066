//! What of HAProxy's runtime API a deploy uses. A server that has been added is up at once.

use std::{collections::BTreeMap, fmt::Write as _};

use bytes::Bytes;

const UPTIME: &str = "Uptime: 0d 0h00m01s\n";
const MISSING: &str = "No such server.\n";
const HEADER: &str = "# be_name srv_name srv_addr srv_port srv_op_state srv_admin_state\n";

#[derive(Default)]
pub struct Haproxy {
    /// By `BACKEND/SERVER`.
    servers: BTreeMap<String, Server>,
}

struct Server {
    /// `ADDRESS:PORT`.
    at: String,
    admitted: bool,
}

impl Haproxy {
    /// The answer to a request to either of its sockets.
    pub fn answer(&mut self, request: &[u8]) -> Bytes {
        let request = String::from_utf8_lossy(request);
        let commands = request.trim_end().split("; ");
        commands.map(|command| self.obey(command)).collect::<String>().into()
    }

    fn obey(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["reload"] => return "Success=1\n".into(),
            ["show", "info"] => return UPTIME.into(),
            ["show", "servers", "state"] => return self.table(),
            ["add", "server", path, at, ..] => {
                self.servers.insert(path.into(), Server { at: at.into(), admitted: false });
            }
            ["set", "server", path, "state", state] => match self.servers.get_mut(path) {
                Some(server) => server.admitted = state == "ready",
                None => return MISSING.into(),
            },
            ["del", "server", path] => {
                if self.servers.remove(path).is_none() {
                    return MISSING.into();
                }
            }
            ["enable", "health", _] | ["wait", ..] | ["add" | "set" | "del", "map", ..] => {}
            _ => panic!("no deploy asks HAProxy to `{command}`"),
        }
        String::new()
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
