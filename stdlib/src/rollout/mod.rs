//! Replacing a service's containers without a dropped request, as phases.
//!
//! The old containers are stopped and kept until the release is committed, so that every phase can be undone.

mod assess;
pub mod functions;
mod lane;
mod phases;
mod ready;
mod reasons;
mod remove;
mod rename;
mod replace;
mod start;
mod stop;

pub use assess::{Assessment, NewContainer, assess};
pub use phases::free_name;
pub use ready::{HowReady, Ready};
pub use remove::Remove;
pub use rename::Rename;
pub use replace::{replace, with_strategy};
pub use start::Start;
pub use stop::Stop;
