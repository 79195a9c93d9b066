//! What a host's machine has left for a deploy: read in one session, before anything is built.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    host::{Host, Result},
    model::Span,
};

/// Room on the engine's disk, and the TCP ports that something listens on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ground {
    /// The engine's directory, and the bytes that are free there; `None` where it cannot be seen.
    pub disk: Option<(String, u64)>,
    pub listening: BTreeSet<u16>,
}

/// How long the host may take to say.
const DEADLINE: Span = Span::secs(10);
/// Linux's state of a listening socket, in /proc/net/tcp.
const LISTENING: &str = "0A";

/// Needs no rights but to run a command; what the user may not see is left out.
pub async fn read(host: &dyn Host, engine_directory: &str) -> Result<Ground> {
    let directory = engine_directory.replace('\'', "'\\''");
    // A busy host has thousands of connections in other states, which would be a megabyte.
    let script = format!(
        "df -Pk '{directory}' 2>/dev/null | tail -n 1; echo; \
         grep -h ' {LISTENING} ' /proc/net/tcp /proc/net/tcp6 2>/dev/null; true"
    );
    let output = host.shell(&script, Bytes::new(), DEADLINE).await?;
    Ok(parse(engine_directory, &String::from_utf8_lossy(&output.stdout)))
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
    Ground { disk: free.map(|free| (directory.to_owned(), free * 1024)), listening: listening.collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Ground, parse};

    #[test]
    fn free_bytes_and_listening_ports() {
        let text = "/dev/vda1 100 60 40 60% /\n\n  sl  local_address rem_address   st tx_queue\n   \
                    0: 0100007F:1F90 00000000:0000 0A 0:0\n   1: 0100007F:1F91 0100007F:C000 01 0:0\n   \
                    0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0\n";
        let expected = Ground { disk: Some(("/d".into(), 40 * 1024)), listening: BTreeSet::from([8080, 80]) };
        assert_eq!(parse("/d", text), expected);
        assert_eq!(parse("/d", "\n"), Ground::default());
    }
}
