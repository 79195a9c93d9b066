//! A service as `docker compose config --format json` resolved it, by the keys that Stagecraft supports.

use serde::{Deserialize, Serialize};

use crate::model::Span;

/// One service's definition without `environment`, whose values are secret and kept apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
}

impl Definition {
    /// Whether the Compose file has a health check for it that is not disabled.
    pub fn has_health_check(&self) -> bool {
        todo!()
    }

    /// `stop_grace_period`, by default 10 s as in Compose.
    pub fn stop_grace(&self) -> Span {
        todo!()
    }

    /// What of the definition cannot exist twice at once, such as `the volume data` or `port 5432`; such a service must be
    /// replaced by stop-first.
    pub fn exclusive(&self) -> Vec<String> {
        todo!()
    }
}
