//! The ingress: one HAProxy on each host that has routes, shared by the projects on it.
//!
//! A project's part of the configuration is its [`Fragment`], kept as JSON on the host beside what HAProxy reads, which is made
//! of it. Containers are switched at run time through HAProxy's socket; a reload happens only for a new backend or
//! certificate. Each change is on the disk too, so that a restart at any moment comes back right.

pub mod authority;
mod certificate;
mod configuration;
mod enroll;
pub mod facts;
mod fragment;
mod keeper;
mod pool;
mod rollout;
mod route;
mod runtime;
mod seats;
mod switch;
mod up;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

pub use enroll::Enroll;
pub use pool::{allocate, in_pool, is_current};
pub use rollout::{enroll, open, switch, withdraw, withdraw_removed};
pub use route::Route;
pub use switch::Switch;
pub use up::Up;

/// The network that routed containers join, on each host, with a subnet of its own.
pub const NETWORK: &str = "stagecraft-ingress";

/// The ingress's container.
pub const CONTAINER: &str = "stagecraft-ingress";

/// Where all that belongs to the ingress is, on the host and in its container alike.
const DIRECTORY: &str = "/var/lib/stagecraft/ingress";
/// The socket of the worker, for the runtime API.
const ADMIN: &str = "/var/lib/stagecraft/ingress/run/admin.sock";
/// The socket of the master, for reloads.
const MASTER: &str = "/var/lib/stagecraft/ingress/run/master.sock";
/// The map from host and path to backend, by the name that the runtime API knows.
const ROUTES: &str = "/var/lib/stagecraft/ingress/config/routes.map";

/// A container as a server of its service's backend. The server's name is the container's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    pub container: String,
    /// In [`NETWORK`].
    pub address: Ipv4Addr,
}
