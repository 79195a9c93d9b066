//! What `ssh` says when a host's key is not the known one, and the command that accepts it.

use std::path::Path;

use super::destination::{Destination, quote};

const VERIFICATION_FAILED: &str = "Host key verification failed.";
const KNOWN_HOSTS: &str = "~/.ssh/known_hosts";

/// Why `ssh` ended before it was connected.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    HostKey {
        why: String,
        accept: String,
    },
    /// In ssh's own words.
    Other(String),
}

/// Reads what `ssh` wrote to its standard error.
pub fn refusal(log: &str, destination: &Destination) -> Refusal {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if !lines.contains(&VERIFICATION_FAILED) {
        return Refusal::Other(last_words(&lines));
    }
    let between = |begin: &str, end: &str| {
        lines.iter().find_map(|line| Some(line.split_once(begin)?.1.split_once(end)?.0.to_owned()))
    };
    let configured = destination.known_hosts.as_deref().map(Path::to_string_lossy);
    let file = configured.as_deref().unwrap_or(KNOWN_HOSTS);
    if let Some(name) = between("Host key for ", " has changed") {
        let sent = lines.iter().find(|line| line.starts_with("SHA256:")).map_or("another key", |key| *key);
        let sent = sent.trim_end_matches('.');
        // `Offending ED25519 key in /home/ann/.ssh/known_hosts:12`
        let place = offending(&lines).unwrap_or_else(|| file.to_owned());
        let known = place.rsplit_once(':').map_or(place.as_str(), |(path, _)| path).to_owned();
        let remove = format!("ssh-keygen -f {} -R {}", path(&known), quote(&name));
        return Refusal::HostKey {
            why: format!("{name} sent {sent}, and {place} has another one"),
            accept: format!("{remove} && {}", add(&name, &known, destination)),
        };
    }
    let name = between(" host key is known for ", " and you").unwrap_or_else(|| destination.address.clone());
    Refusal::HostKey { why: format!("{name} is not in {file}"), accept: add(&name, file, destination) }
}

fn offending(lines: &[&str]) -> Option<String> {
    lines.iter().find_map(|line| Some(line.strip_prefix("Offending ")?.split_once(" in ")?.1.to_owned()))
}

/// The command that adds the key of `name`, which is as `known_hosts` writes it: `[address]:port` for a port of its own.
fn add(name: &str, file: &str, destination: &Destination) -> String {
    let (address, port) = match name.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        Some((address, port)) => (address, format!("-p {port} ")),
        None => (name, String::new()),
    };
    // Behind a jump host, out of reach for ssh-keyscan: ssh itself shows the key and asks.
    if destination.jump.as_ref().is_some_and(|jump| !jump.contains(address)) {
        let options = format!("-o StrictHostKeyChecking=ask -o UserKnownHostsFile={}", path(file));
        return format!("ssh {options} {} true", destination.command());
    }
    format!("ssh-keyscan {port}{} >> {}", quote(address), path(file))
}

/// A path for the shell, its `~/` left to be expanded.
fn path(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => format!("~/{}", quote(rest)),
        None => quote(path),
    }
}

/// The last line, with the warnings before it: `Identity file … not accessible` explains `Permission denied`.
fn last_words(lines: &[&str]) -> String {
    let Some((last, before)) = lines.split_last() else { return "ssh ended without a word".to_owned() };
    let warnings = before.iter().filter(|line| line.starts_with("Warning: "));
    warnings.chain([last]).copied().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::{Refusal, refusal};
    use crate::host::ssh::destination::Destination;

    fn destination() -> Destination {
        Destination { address: "10.0.0.11".into(), ..Destination::default() }
    }

    fn host_key(log: &str, destination: &Destination) -> (String, String) {
        match refusal(log, destination) {
            Refusal::HostKey { why, accept } => (why, accept),
            Refusal::Other(why) => panic!("{why}"),
        }
    }

    const UNKNOWN: &str = "No ED25519 host key is known for 10.0.0.11 and you have requested strict checking.\r\n\
        Host key verification failed.\r\n";

    const CHANGED: &str = "\
        @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r\n\
        @    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n\
        @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r\n\
        IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r\n\
        The fingerprint for the ED25519 key sent by the remote host is\n\
        SHA256:CDOu0MDXcMHMUk0QbTUOcYDrUKXvSkJ6fUQoc42LLPo.\r\n\
        Please contact your system administrator.\r\n\
        Add correct host key in /root/known hosts to get rid of this message.\r\n\
        Offending ED25519 key in /root/known hosts:3\r\n\
          remove with:\r\n\
          ssh-keygen -f \"/root/known hosts\" -R \"[10.0.0.11]:2222\"\r\n\
        Host key for [10.0.0.11]:2222 has changed and you have requested strict checking.\r\n\
        Host key verification failed.\r\n";

    // spec: hosts.keys
    #[test]
    fn an_unknown_key_is_accepted_by_adding_it_to_the_file_in_use() {
        let expected = ("10.0.0.11 is not in ~/.ssh/known_hosts", "ssh-keyscan 10.0.0.11 >> ~/.ssh/known_hosts");
        let (why, accept) = host_key(UNKNOWN, &destination());
        assert_eq!((why.as_str(), accept.as_str()), expected);
        let other = Destination { known_hosts: Some("/etc/keys".into()), ..destination() };
        assert_eq!(host_key(UNKNOWN, &other).1, "ssh-keyscan 10.0.0.11 >> /etc/keys");
    }

    // spec: hosts.keys
    #[test]
    fn a_changed_key_is_shown_and_accepted_by_replacing_it() {
        let (why, accept) = host_key(CHANGED, &destination());
        let sent = "SHA256:CDOu0MDXcMHMUk0QbTUOcYDrUKXvSkJ6fUQoc42LLPo";
        assert_eq!(why, format!("[10.0.0.11]:2222 sent {sent}, and /root/known hosts:3 has another one"));
        let expected = "ssh-keygen -f '/root/known hosts' -R '[10.0.0.11]:2222' \
            && ssh-keyscan -p 2222 10.0.0.11 >> '/root/known hosts'";
        assert_eq!(accept, expected);
    }

    #[test]
    fn behind_a_jump_host_ssh_itself_asks() {
        let behind = Destination { jump: Some("gate".into()), user: Some("ann".into()), ..destination() };
        let expected = "ssh -o StrictHostKeyChecking=ask -o UserKnownHostsFile=~/.ssh/known_hosts \
            -l ann -J gate 10.0.0.11 true";
        assert_eq!(host_key(UNKNOWN, &behind).1, expected);
        let of_the_jump_host = UNKNOWN.replace("10.0.0.11", "gate");
        assert_eq!(host_key(&of_the_jump_host, &behind).1, "ssh-keyscan gate >> ~/.ssh/known_hosts");
    }

    #[test]
    fn other_failures_are_in_the_words_of_ssh() {
        let other = |log: &str| refusal(log, &destination());
        let refused = "ssh: connect to host 10.0.0.11 port 22: Connection refused";
        assert_eq!(other(&format!("{refused}\r\n")), Refusal::Other(refused.into()));
        let log = "Warning: Identity file /x not accessible: No such file or directory.\nWelcome!\nann@10.0.0.11: Permission denied (publickey).";
        let words = "Warning: Identity file /x not accessible: No such file or directory.; \
            ann@10.0.0.11: Permission denied (publickey).";
        assert_eq!(other(log), Refusal::Other(words.into()));
        assert_eq!(other(""), Refusal::Other("ssh ended without a word".into()));
    }
}
