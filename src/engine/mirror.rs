//! A copy of the journal where others see it.

use async_trait::async_trait;
use stdlib::failure::Failure;

use super::{Answer, Outcome};

/// Something that copies the journal while the run is under way.
#[async_trait]
pub trait Mirror: Send + Sync {
    /// Returns when the copy has all that the journal has on this machine's disk.
    async fn catch_up(&self) -> Result<(), Failure>;

    /// Copies nothing any more: the lock is not known to be held.
    fn stop(&self);

    /// The lock was let go and is held again: others may have written, and this answer is for the audit.
    async fn answered(&self, answer: &Answer) -> Result<(), Failure>;
    /// The run has ended, and the journal says so; the lock is still held. `None`: it was cut off, and without the lock nothing
    /// may be written any more.
    async fn close(&self, outcome: Option<Outcome>) -> Result<(), Failure>;
}
