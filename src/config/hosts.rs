//! The hosts of an environment, checked.

use std::{collections::BTreeMap, ops::Range, path::Path};

use stdlib::model::{Address, HostName, HostSettings};

use super::{
    environment::Chosen,
    file::Host,
    findings::{Findings, instead, list},
    values::{Named, Words},
};

/// The host of a file that has no `hosts`, and the address that means this machine.
const LOCAL: &str = "local";

/// The hosts in the order of the file. Those with a mistake are among them, so that their names resolve.
pub fn resolve(chosen: &Chosen, directory: &Path, findings: &mut Findings) -> Vec<HostSettings> {
    let Some(given) = chosen.hosts.given() else {
        let name = HostName::new(LOCAL).expect("a valid name");
        return vec![HostSettings { name, address: Address::Local, roles: Vec::new(), labels: BTreeMap::new() }];
    };
    if given.value.0.is_empty() {
        findings
            .error(&given.key, "there is no host")
            .help("leave `hosts` out to deploy to the engine of this machine");
    }
    let mut hosts: Vec<HostSettings> = Vec::new();
    for named in &given.value.0 {
        let name = match HostName::new(&named.name) {
            Ok(name) => name,
            Err(error) => {
                findings.error(&named.key, error.to_string());
                continue;
            }
        };
        let address = address(named, directory, findings).unwrap_or(Address::Local);
        if let Some(other) =
            hosts.iter().find(|other| named.value.address.given().is_some() && same(&other.address, &address))
        {
            let message = format!("`{name}` is the same machine as `{}`", other.name);
            findings.error(&named.key, message).help("give one host several roles instead");
        }
        let roles = named.value.roles.value().map_or(Vec::new(), |roles| roles.texts().map(str::to_owned).collect());
        let labels = named.value.labels.value().map_or(BTreeMap::new(), |labels| {
            labels.0.iter().map(|label| (label.name.clone(), label.value.clone())).collect()
        });
        hosts.push(HostSettings { name, address, roles, labels });
    }
    hosts
}

fn same(one: &Address, other: &Address) -> bool {
    /// Where `ssh` connects without a port.
    const SSH_PORT: u16 = 22;
    let place = |address: &Address| match address {
        Address::Local => None,
        Address::Ssh { address, port, jump, .. } => Some((address.clone(), port.unwrap_or(SSH_PORT), jump.clone())),
    };
    place(one) == place(other)
}

fn address(named: &Named<Host>, directory: &Path, findings: &mut Findings) -> Option<Address> {
    let Host { address, user, port, identity, known_hosts, jump, .. } = &named.value;
    let given = address.given()?;
    if given.value == LOCAL {
        let keys = [
            ("user", user.given().map(|given| &given.key)),
            ("port", port.given().map(|given| &given.key)),
            ("identity", identity.given().map(|given| &given.key)),
            ("known_hosts", known_hosts.given().map(|given| &given.key)),
            ("jump", jump.given().map(|given| &given.key)),
        ];
        for (name, key) in keys {
            if let Some(key) = key {
                findings
                    .error(key, format!("`{name}` is for SSH, and `address: local` is the engine of this machine"))
                    .help(format!("remove `{name}`"));
            }
        }
        return Some(Address::Local);
    }
    for text in [address, user, jump] {
        if let Some(given) = text.given() {
            plain(&given.value, &given.span, findings);
        }
    }
    if let Some((user, host)) = given.value.split_once('@') {
        findings
            .error(&given.span, "the SSH user stands in the address")
            .help(format!("write `address: {host}, user: {user}`"));
    }
    let path = |text: &String| directory.join(home(text));
    Some(Address::Ssh {
        address: given.value.clone(),
        user: user.value().cloned(),
        port: port.value().map(|port| port.0),
        identity: identity.value().map(path),
        known_hosts: known_hosts.value().map(path),
        jump: jump.value().cloned(),
    })
}

/// `~/…` as `ssh` itself reads it.
fn home(text: &str) -> std::path::PathBuf {
    match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => text.into(),
    }
}

/// Refuses what `ssh` would take for an option or several words.
fn plain(text: &str, span: &Range<usize>, findings: &mut Findings) {
    if text.is_empty() || text.starts_with('-') || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        findings
            .error(span, format!("`{text}` cannot be given to SSH"))
            .help("write a name without spaces that does not begin with `-`");
    }
}

/// The host that holds the environment's state: the one that is named, else the first. `None` only without hosts.
pub fn home_of(chosen: &Chosen, hosts: &[HostSettings], findings: &mut Findings) -> Option<HostName> {
    let Some(given) = chosen.state.given() else { return hosts.first().map(|host| host.name.clone()) };
    let found = hosts.iter().find(|host| host.name.as_str() == given.value);
    if found.is_none() {
        let help = instead(&given.value, hosts.iter().map(|host| host.name.as_str()));
        findings.error(&given.span, format!("there is no host `{}`", given.value)).help(help);
    }
    found.or(hosts.first()).map(|host| host.name.clone())
}

/// The hosts that `on` names, by themselves or by role, in the order of the file.
pub fn named(on: &Words, hosts: &[HostSettings], findings: &mut Findings) -> Vec<HostName> {
    let mut found = Vec::new();
    for (word, span) in &on.0 {
        let by_name = hosts.iter().filter(|host| host.name.as_str() == word).map(|host| &host.name);
        let by_role = hosts.iter().filter(|host| host.roles.contains(word)).map(|host| &host.name);
        let (by_name, by_role): (Vec<_>, Vec<_>) = (by_name.collect(), by_role.collect());
        if by_name.is_empty() && by_role.is_empty() {
            let roles = hosts.iter().flat_map(|host| host.roles.iter().map(String::as_str));
            let mut known: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).chain(roles).collect();
            known.sort_unstable();
            known.dedup();
            findings.error(span, format!("there is no role or host `{word}`")).help(instead(word, known));
        } else if !by_name.is_empty() && !by_role.is_empty() && by_name != by_role {
            findings
                .error(span, format!("`{word}` is a host, and a role of {}", list(&by_role)))
                .help("give the role another name");
        }
        found.extend(by_name.into_iter().chain(by_role));
    }
    hosts.iter().map(|host| &host.name).filter(|name| found.contains(name)).cloned().collect()
}
