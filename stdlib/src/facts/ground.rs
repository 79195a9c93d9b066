//! What a host's machine has left for a deploy: read in one session, before anything is built.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    failure::Failure,
    host::{Host, Result},
    model::{HostName, Span},
};

/// Less than this on the engine's disk, and nothing is begun. Bytes.
pub const ROOM: u64 = 128 << 20;

/// Room on the engine's disk, and the TCP ports that something listens on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ground {
    /// `None` where it cannot be seen.
    pub disk: Option<Disk>,
    pub listening: BTreeSet<u16>,
}

/// The disk with an engine's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub directory: String,
    /// Bytes.
    pub free: u64,
}

impl Disk {
    /// That it has less than `need` bytes, which `what` takes; `None` where it has them.
    pub fn lacks(&self, need: u64, host: &HostName, what: &str) -> Option<Failure> {
        let (directory, free, need_mb) = (&self.directory, self.free >> 20, need.div_ceil(1 << 20));
        let message = || format!("{host} has {free} MB free in {directory}, and {what} {need_mb} MB");
        let hint = || format!("make room: `stagecraft ssh {host} docker image prune -a`");
        (self.free < need).then(|| Failure::new(message()).on(host).hint(hint()))
    }
}

/// How long the host may take to say.
const DEADLINE: Span = Span::secs(10);
/// Linux's state of a listening socket, in /proc/net/tcp.
const LISTENING: &str = "0A";

/// Needs no rights but to run a command; what the user may not see is left out.
pub async fn read(host: &dyn Host, engine_directory: &str) -> Result<Ground> {
    // A busy host has thousands of connections in other states, which would be a megabyte.
    let script = format!(
        "{}; echo; grep -h ' {LISTENING} ' /proc/net/tcp /proc/net/tcp6 2>/dev/null; true",
        df(engine_directory)
    );
    let output = host.shell(&script, Bytes::new(), DEADLINE).await?;
    Ok(parse(engine_directory, &String::from_utf8_lossy(&output.stdout)))
}

/// Room as it is now, without the rest; `None` where it cannot be seen.
pub async fn disk(host: &dyn Host, engine_directory: &str) -> Result<Option<Disk>> {
    let output = host.shell(&df(engine_directory), Bytes::new(), DEADLINE).await?;
    Ok(parse(engine_directory, &String::from_utf8_lossy(&output.stdout)).disk)
}

fn df(directory: &str) -> String {
    format!("df -Pk '{}' 2>/dev/null | tail -n 1", directory.replace('\'', "'\\''"))
}

fn parse(directory: &str, text: &str) -> Ground {
    let mut lines = text.lines();
    let free = lines.next().and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    let listening = lines.filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, _, state) = (words.next()?, words.next()?, words.next()?);
        let (_, port) = local.rsplit_once(':')?;
        (state == LISTENING).then(|| u16::from_str_radix(port, 16).ok())?
    });
    let disk = free.map(|free| Disk { directory: directory.to_owned(), free: free * 1024 });
    Ground { disk, listening: listening.collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Disk, Ground, parse};

    #[test]
    fn free_bytes_and_listening_ports() {
        let text = "/dev/vda1 100 60 40 60% /\n\n  sl  local_address rem_address   st tx_queue\n   \
                    0: 0100007F:1F90 00000000:0000 0A 0:0\n   1: 0100007F:1F91 0100007F:C000 01 0:0\n   \
                    0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0\n";
        let disk = Disk { directory: "/d".into(), free: 40 * 1024 };
        let expected = Ground { disk: Some(disk), listening: BTreeSet::from([8080, 80]) };
        assert_eq!(parse("/d", text), expected);
        assert_eq!(parse("/d", "\n"), Ground::default());
    }
}
