//! Release records in the environment's state on every host, and the commit.

mod commit;
pub mod functions;
mod stage;
pub mod state;
pub mod store;
mod trim;

pub use commit::{Commit, Follow};
pub use stage::Stage;
pub use trim::Trim;
