//! What is asked of the load client.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};

use crate::settings::Options;

/// A forgotten load ends by itself.
const LONGEST_RUN_SECONDS: f64 = 3600.0;
const MOST_REQUESTS_A_SECOND: f64 = 5000.0;
const HELD_CONNECTIONS: f64 = 32.0;

#[derive(Debug)]
pub struct Load {
    pub targets: Vec<Target>,
    /// The `Host` header.
    pub host: String,
    pub until_file: Option<PathBuf>,
    pub at_most: Duration,
    pub json: Option<PathBuf>,
    pub trace: Option<PathBuf>,
    /// Connections held open to each target.
    pub held: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub address: SocketAddr,
    /// Between two requests.
    pub period: Duration,
}

impl Load {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count, not negative")]
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let options = Options::parse(arguments, &["to", "host", "until-file", "for", "json", "trace", "held"])?;
        let targets = options.text("to").context("--to ADDRESS:PORT=RATE,… is missing")?;
        Ok(Self {
            targets: targets.split(',').map(target).collect::<Result<_>>()?,
            host: options.text("host").unwrap_or("localhost").to_owned(),
            until_file: options.text("until-file").map(Into::into),
            at_most: Duration::from_secs_f64(options.number("for", LONGEST_RUN_SECONDS)?.min(LONGEST_RUN_SECONDS)),
            json: options.text("json").map(Into::into),
            trace: options.text("trace").map(Into::into),
            held: options.number("held", HELD_CONNECTIONS)? as usize,
        })
    }
}

fn target(text: &str) -> Result<Target> {
    let (address, rate) = text.split_once('=').with_context(|| format!("`{text}` is not ADDRESS:PORT=RATE"))?;
    let address: SocketAddr = address.parse().with_context(|| format!("`{address}` is not ADDRESS:PORT"))?;
    let is_ours = match address {
        SocketAddr::V4(address) => address.ip().is_loopback() || address.ip().is_private(),
        SocketAddr::V6(address) => address.ip().is_loopback() || address.ip().is_unique_local(),
    };
    if !is_ours {
        bail!("{address} is neither a loopback nor a private address: load goes only to one's own hosts");
    }
    let rate: f64 = rate.parse().with_context(|| format!("`{rate}` is not a number of requests a second"))?;
    if !(rate > 0.0 && rate <= MOST_REQUESTS_A_SECOND) {
        bail!("{rate} requests a second is not between 0 and {MOST_REQUESTS_A_SECOND}");
    }
    Ok(Target { address, period: Duration::from_secs_f64(1.0 / rate) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_an_address_and_a_rate() {
        let expected = Target { address: ([10, 66, 0, 11], 8000).into(), period: Duration::from_millis(2) };
        assert_eq!(target("10.66.0.11:8000=500").expect("valid"), expected);
    }

    #[test]
    fn load_on_others_is_refused() {
        for (text, words) in [
            ("192.0.2.1:80=5", "neither a loopback nor a private"),
            ("127.0.0.1:80=0", "not between"),
            ("127.0.0.1=5", "is not ADDRESS:PORT"),
            ("127.0.0.1:80", "is not ADDRESS:PORT=RATE"),
        ] {
            let error = target(text).expect_err(text).to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
