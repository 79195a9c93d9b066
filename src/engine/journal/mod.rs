//! What a run has done, durable before the effect: one JSON object a line, each with a checksum.
//!
//! | kind | meaning | on the disk before |
//! |---|---|---|
//! | `begin` | the run, and the digest of its plan | anything starts |
//! | `resume` | the run goes on in another process | anything starts |
//! | `lagging` | what stands before is a copy that may have been behind | anything starts |
//! | `back` | the run goes back, because a person wants it to | anything starts |
//! | `turned` | the run goes back from here | the first inverse; in the copy too |
//! | `assumed` | a person's word on an operation that cannot tell whether it has happened | what follows from it |
//! | `start` | an operation is about to run | its effect |
//! | `ok` | it has ended, with its output | |
//! | `answered` | a person's answer, with who and when | what follows from it |
//! | `failed` | it has failed, after its retries | |
//! | `stopped` | it was let go because the run stops | |
//! | `undo_start` | its inverse is about to run | the inverse's effect |
//! | `undone` | its inverse has ended | |
//! | `undo_failed` | its inverse has failed, after its retries | |
//! | `end` | the run is over | the lock is let go |
//!
//! What need not be on the disk at once is found out again by asking the host. Secret values are never in it.

mod entry;
mod history;
mod writer;

pub use entry::{Entry, VERSION};
pub use history::{Broken, History, Recorded};
pub use writer::{Disk, Journal};
