//! Replacing a service's containers without a dropped request, as phases.
//!
//! The old containers are stopped and kept until the release is committed, so that every phase can be undone.

mod assess;
pub mod functions;
mod ready;
mod reasons;
mod remove;
mod replace;
mod start;
mod stop;

pub use assess::{Assessment, NewContainer, assess};
pub use ready::{HowReady, Ready};
pub use remove::Remove;
pub use start::Start;
pub use stop::Stop;
