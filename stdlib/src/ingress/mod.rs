//! The ingress: one HAProxy on each host that has routes, shared by the projects on it.

pub mod authority;
pub mod facts;
pub mod functions;
mod pool;
mod rollout;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

pub use pool::{allocate, in_pool, is_current};
pub use rollout::{enroll, switch, withdraw, withdraw_removed};

/// The network that routed containers join, on each host, with a subnet of its own.
pub const NETWORK: &str = "stagecraft-ingress";

/// A container as a server of its service's backend. The server's name is the container's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    pub container: String,
    /// In [`NETWORK`].
    pub address: Ipv4Addr,
}
