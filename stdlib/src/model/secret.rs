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

/// The environment variables of a release's services, in clear.
/// Kept apart from [`super::Release`], so that a release can be shown, saved and compared without them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(pub BTreeMap<ServiceName, BTreeMap<String, SecretValue>>);

impl Values {
    pub fn service(&self, service: &ServiceName) -> impl Iterator<Item = (&str, &SecretValue)> {
        self.0.get(service).into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }
}
