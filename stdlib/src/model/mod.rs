//! The nouns: pure values, valid by construction.

mod application;
mod duration;
mod name;
mod release;
mod secret;
mod topology;

pub use application::{
    Application, Dependency, DependencyCondition, Health, Image, JobTime, Network, NetworkSpec, Rollout, Route,
    Service, Strategy, Tls, Volume, VolumeSpec, compose_project, environment_option,
};
pub use duration::Span;
pub use name::{EnvironmentName, HostName, InvalidName, NetworkName, ProjectName, RunId, ServiceName, VolumeName};
pub use release::{Release, ReleaseId};
pub use secret::{Authority, Identity, KeyedHash, SecretKey, SecretValue, Values};
pub use topology::{Address, HostSettings, IngressProvider, IngressSettings, Topology, Transfer};
