//! Names that are checked once, where they enter.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that does not have the form its kind asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}: {rule}")]
pub struct InvalidName {
    pub kind: &'static str,
    pub text: String,
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $valid:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(InvalidName { kind: $kind, text, rule: $rule }) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }
    };
}

/// Lower-case letters, digits and hyphens, beginning with a letter or digit: what Compose accepts as a project name.
fn is_slug(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What Compose accepts as the key of a service, network or volume.
fn is_compose_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// What an SSH destination alias may be; never begins with `-`, which `ssh` would take for an option.
fn is_host(text: &str) -> bool {
    is_compose_key(text) && !text.starts_with(['-', '.'])
}

name!(
    /// Names the Compose project on the hosts, its releases and its state.
    ProjectName, "project name", is_slug, "lower-case letters, digits and hyphens, at most 63, not beginning with a hyphen"
);
name!(
    /// An environment of the project, such as `production`.
    EnvironmentName, "environment name", is_slug, "lower-case letters, digits and hyphens, at most 63, not beginning with a hyphen"
);
name!(
    /// A host as `stagecraft.yml` calls it, which need not be its network name.
    HostName, "host name", is_host, "letters, digits, `.`, `_` and `-`, not beginning with `-` or `.`"
);
name!(
    /// The key of a service in the Compose file.
    ServiceName, "service name", is_compose_key, "letters, digits, `.`, `_` and `-`"
);
name!(
    /// The key of a network in the Compose file.
    NetworkName, "network name", is_compose_key, "letters, digits, `.`, `_` and `-`"
);
name!(
    /// The key of a volume in the Compose file.
    VolumeName, "volume name", is_compose_key, "letters, digits, `.`, `_` and `-`"
);
name!(
    /// One execution of a plan. A UUID of version 7, so that ids sort by the time they were made.
    RunId, "run id", |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "letters, digits and `-`"
);
