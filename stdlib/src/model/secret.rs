//! Values that must not be seen: they have no `Display` and no `Serialize`, and `Debug` hides them.

use std::{collections::BTreeMap, fmt};

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::ServiceName;

/// A value of `environment`, `env_file` or a build secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself. Call it only where the value is handed to the engine or written to the environment's state.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// The environment's random key, 32 bytes. It keys the hashes that stand for secrets in plans and labels,
/// so that a plan can say that a value changes and nobody can guess to what.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// For the environment's state, which only root and the engine's group can read.
    pub fn expose_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// HMAC-SHA-256, cut to 128 bits.
    pub fn hash(&self, value: &str) -> KeyedHash {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(value.as_bytes());
        KeyedHash(hex::encode(&mac.finalize().into_bytes()[..16]))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// What stands for a secret value in plans, labels and journals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyedHash(pub String);

/// What a release needs and must not show: kept apart from [`super::Release`], so that a release can be shown, saved and
/// compared without it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// The environment variables of each service.
    pub environment: BTreeMap<ServiceName, BTreeMap<String, SecretValue>>,
    /// Contents of files by name, such as `tls/shop.example.com` (certificate chain and key, PEM).
    pub files: BTreeMap<String, SecretValue>,
}

impl Values {
    pub fn service(&self, service: &ServiceName) -> impl Iterator<Item = (&str, &SecretValue)> {
        self.environment.get(service).into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// Replaces every value that stands in `text` by `…`, so that captured output can be shown. Values shorter than four
    /// characters are left: they would tear ordinary words apart.
    pub fn scrub(&self, text: &str) -> String {
        let environment = self.environment.values().flat_map(BTreeMap::values);
        let mut values: Vec<&str> = environment.chain(self.files.values()).map(SecretValue::expose).collect();
        values.retain(|value| value.len() >= 4);
        // The longest first: one value may be the beginning of another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.iter().fold(text.to_owned(), |text, value| text.replace(value, "…"))
    }
}

/// What an environment makes once and keeps in its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub key: SecretKey,
    pub authority: Authority,
}

/// The environment's own certificate authority, for `tls: internal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// PEM. `stagecraft ca` prints it.
    pub certificate: String,
    /// PEM, PKCS #8.
    pub key: SecretValue,
}
