//! What the environment and the machine say.

use std::{env, fs, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub fn text(name: &str, default: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}

pub fn number(name: &str, default: u64) -> Result<u64> {
    let value = text(name, &default.to_string());
    value.parse().with_context(|| format!("{name}={value} is not a number"))
}

pub fn milliseconds(name: &str) -> Result<Duration> {
    Ok(Duration::from_millis(number(name, 0)?))
}

pub fn is_on(name: &str) -> bool {
    text(name, "") == "1"
}

pub fn version() -> String {
    text("VERSION", "dev")
}

/// The name of this container, or of this machine outside of one.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Whether this runs on one of the named hosts. A container doesn't know its host's name; the engine copies the search
/// domains of the host's resolv.conf into it, and the lab gives every host its name as one.
pub fn is_on_host(names: &str) -> bool {
    let resolver = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    is_named(names, &hostname(), &resolver)
}

fn is_named(names: &str, hostname: &str, resolver: &str) -> bool {
    let domains = resolver.lines().filter_map(|line| line.strip_prefix("search ")).flat_map(str::split_whitespace);
    let here: Vec<&str> = domains.chain([hostname]).collect();
    names.split(',').any(|name| here.contains(&name.trim()))
}

/// SIGTERM and SIGINT. A program that is process 1 of a container has no default action for them.
pub struct Stop {
    term: Signal,
    interrupt: Signal,
}

impl Stop {
    pub fn listen() -> Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.term.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// `--name value` pairs of a command line.
pub struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    pub fn parse(arguments: &'a [String], known: &[&str]) -> Result<Self> {
        let mut pairs = Vec::new();
        for pair in arguments.chunks(2) {
            let name = pair[0].strip_prefix("--").filter(|name| known.contains(name));
            match (name, pair.get(1)) {
                (Some(name), Some(value)) => pairs.push((name, value.as_str())),
                (Some(name), None) => bail!("--{name} needs a value"),
                (None, _) => bail!("`{}` is not one of --{}", pair[0], known.join(" --")),
            }
        }
        Ok(Self(pairs))
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    pub fn number(&self, name: &str, default: f64) -> Result<f64> {
        let Some(value) = self.text(name) else { return Ok(default) };
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
            _ => bail!("--{name} {value} is not a number of zero or more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_its_name_or_its_search_domain() {
        let resolver = "nameserver 127.0.0.11\nsearch h3 lab\noptions ndots:0\n";
        assert!(is_named("h3", "d2c8a1", resolver));
        assert!(is_named("h1, d2c8a1", "d2c8a1", resolver));
        assert!(!is_named("h1,h2", "d2c8a1", resolver));
        assert!(!is_named("", "d2c8a1", resolver));
    }

    #[test]
    fn options_are_pairs_of_known_names() {
        let arguments = ["--for", "2.5", "--host", "a"].map(str::to_owned);
        let options = Options::parse(&arguments, &["for", "host"]).expect("known");
        assert_eq!(options.number("for", 0.0).expect("a number").to_string(), "2.5");
        assert_eq!(options.text("host"), Some("a"));
        let refusal = Options::parse(&arguments, &["for"]).err().expect("refused").to_string();
        assert_eq!(refusal, "`--host` is not one of --for");
    }
}
