//! Runs where others see them: in the environment's store on its home host stand the audit of who did what, and of the last
//! runs the bundle, which is the plan and a copy of the journal. With it a teammate or the next CI job can see, resume or
//! undo a run whose machine is gone.
//!
//! The copy lags behind the journal by up to a few seconds: what it says has ended has ended, and anything else may have begun.

mod audit;
mod bundle;
mod claim;
mod copy;
mod tally;

pub use audit::{Audit, Broken as BrokenAudit, Deed, Line};
pub use bundle::{Bundle, fetch, read_audit};
pub use claim::{Claim, answer, clear, read_claim, write_claim};
pub use copy::{Copy, Opening};
pub use tally::{Tally, tally};
