//! A service as `docker compose config --format json` resolved it, by the keys that Stagecraft supports.

use serde::{Deserialize, Serialize};

/// One service's definition without `environment`, whose values are secret and kept apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
}
