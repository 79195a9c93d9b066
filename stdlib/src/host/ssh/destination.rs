//! Where `ssh` is to go, as its arguments.

use std::{ffi::OsString, fmt, path::PathBuf};

use crate::model::{Address, HostSettings};

/// What `stagecraft.yml` says of a host's address. What it does not say is left to the user's SSH configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    pub address: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity: Option<PathBuf>,
    pub known_hosts: Option<PathBuf>,
    pub jump: Option<String>,
}

/// `deploy@203.0.113.10`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.address)?;
        match self.port {
            Some(port) if port != 22 => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

impl Destination {
    /// `None` for a host that is this machine.
    pub fn of(settings: &HostSettings) -> Option<Self> {
        match settings.address.clone() {
            Address::Ssh { address, user, port, identity, known_hosts, jump } => {
                Some(Self { address, user, port, identity, known_hosts, jump })
            }
            Address::Local => None,
        }
    }

    /// Everything that decides to whom `ssh` speaks and how it makes sure of it; the address comes last.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = self.trust();
        if let Some(jump) = &self.jump {
            arguments.push("-o".into());
            arguments.push(self.through(jump));
        }
        if let Some(user) = &self.user {
            arguments.extend(["-l".into(), user.into()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".into(), port.to_string().into()]);
        }
        arguments.extend(["--".into(), OsString::from(&self.address)]);
        arguments
    }

    fn trust(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        for option in ["BatchMode=yes", "StrictHostKeyChecking=yes", "LogLevel=INFO"] {
            arguments.extend(["-o".into(), option.into()]);
        }
        if let Some(identity) = &self.identity {
            arguments.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), identity.into()]);
        }
        if let Some(file) = &self.known_hosts {
            let mut option = OsString::from("UserKnownHostsFile=\"");
            option.push(file);
            option.push("\"");
            arguments.extend(["-o".into(), option]);
        }
        arguments
    }

    /// What `-J` does, but with our checks: `-J` would neither check the jump host's key strictly nor keep from asking.
    fn through(&self, jump: &str) -> OsString {
        let (before, last) = match jump.rsplit_once(',') {
            Some((before, last)) => (Some(before), last),
            None => (None, jump),
        };
        let mut command = vec!["ProxyCommand=ssh".to_owned()];
        command.extend(self.trust().iter().map(|argument| quote(&argument.to_string_lossy()).replace('%', "%%")));
        if let Some(before) = before {
            command.extend(["-J".to_owned(), quote(before)]);
        }
        command.extend(["-W".to_owned(), "'[%h]:%p'".to_owned(), "--".to_owned()]);
        let last = if last.contains("://") { last.to_owned() } else { format!("ssh://{last}") };
        command.push(quote(&last));
        command.join(" ").into()
    }

    /// As a person would type it after `ssh`.
    pub fn command(&self) -> String {
        let mut words = Vec::new();
        if let Some(user) = &self.user {
            words.extend(["-l".to_owned(), quote(user)]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(jump) = &self.jump {
            words.extend(["-J".to_owned(), quote(jump)]);
        }
        words.push(quote(&self.address));
        words.join(" ")
    }
}

/// The text as one word of a shell.
pub fn quote(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"@%_-+=:,./".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::Destination;

    fn words(destination: &Destination) -> Vec<String> {
        destination.arguments().into_iter().map(|argument| argument.into_string().unwrap()).collect()
    }

    // spec: hosts.keys
    #[test]
    fn host_keys_are_checked_and_what_is_not_said_is_left_to_the_users_configuration() {
        let bare = Destination { address: "web".into(), ..Destination::default() };
        let checked = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=INFO", "--", "web"];
        assert_eq!(words(&bare), checked);
    }

    #[test]
    fn everything_that_is_said_is_passed_on() {
        let full = Destination {
            address: "10.0.0.1".into(),
            user: Some("ann".into()),
            port: Some(2222),
            identity: Some("~/.ssh/id".into()),
            known_hosts: Some("/a b".into()),
            jump: Some("gate@10.0.0.2:22".into()),
        };
        let words = words(&full);
        let trust = "-o BatchMode=yes -o StrictHostKeyChecking=yes -o LogLevel=INFO -o IdentitiesOnly=yes";
        let jump = format!(
            "ProxyCommand=ssh {trust} -i '~/.ssh/id' -o 'UserKnownHostsFile=\"/a b\"' -W '[%h]:%p' -- ssh://gate@10.0.0.2:22"
        );
        let expected = ["-i", "~/.ssh/id", "-o", "UserKnownHostsFile=\"/a b\"", "-o", &jump];
        assert_eq!(words[8..14], expected);
        assert_eq!(words[14..], ["-l", "ann", "-p", "2222", "--", "10.0.0.1"]);
        assert_eq!(full.to_string(), "ann@10.0.0.1:2222");
    }
}
