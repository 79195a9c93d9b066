//! Whether a host is still there, and the end of everything that waits for one that is not.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::model::Span;

/// Between two looks at a host that something waits for.
const BEAT: Duration = Duration::from_secs(3);
/// How long a host may leave a look unanswered. With [`BEAT`] before it, a silence ends what waits within 15 s.
pub const SILENCE: Span = Span::secs(10);

/// Why a host is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Nothing has been heard of it for [`SILENCE`].
    Silent,
    /// The connection ended, or was closed by us; in the words of whoever ended it.
    Ended(String),
}

/// The pulse of one host, shared by all that use its connection.
#[derive(Debug)]
pub struct Pulse {
    waiting: watch::Sender<usize>,
    loss: watch::Sender<Option<Loss>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { waiting: watch::Sender::new(0), loss: watch::Sender::new(None) }
    }
}

impl Pulse {
    /// The host is lost, from now on and for good. The first reason stays.
    pub fn lose(&self, loss: Loss) {
        self.loss.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(loss);
            }
            first
        });
    }

    pub fn loss(&self) -> Option<Loss> {
        self.loss.borrow().clone()
    }

    /// Resolves when the host is lost.
    pub async fn lost(&self) -> Loss {
        let mut loss = self.loss.subscribe();
        let found = loss.wait_for(Option::is_some).await.expect("the sender lives in self").clone();
        found.expect("waited for")
    }

    /// Says that something waits for the host, for as long as the value lives.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.send_modify(|count| *count += 1);
        Waiting(Arc::clone(self))
    }

    /// The future's outcome, or the loss of the host, whichever comes first.
    pub async fn during<T>(self: &Arc<Self>, future: impl Future<Output = T>) -> Result<T, Loss> {
        let _waiting = self.wait();
        tokio::select! {
            biased;
            done = future => Ok(done),
            loss = self.lost() => Err(loss),
        }
    }

    /// Looks at the host while something waits for it. `look` resolves when the host has answered, whatever it said.
    /// Ends when the host is lost or nobody holds the pulse any more.
    pub async fn watch<F: Future<Output = ()>>(pulse: std::sync::Weak<Self>, look: impl Fn() -> F) {
        loop {
            let Some(mut waiting) = pulse.upgrade().map(|pulse| pulse.waiting.subscribe()) else { return };
            if waiting.wait_for(|count| *count > 0).await.is_err() {
                return;
            }
            drop(waiting);
            tokio::time::sleep(BEAT).await;
            let answered = tokio::time::timeout(SILENCE.duration(), look()).await.is_ok();
            let Some(pulse) = pulse.upgrade() else { return };
            if !answered {
                pulse.lose(Loss::Silent);
            }
            if pulse.loss().is_some() {
                return;
            }
        }
    }
}

/// See [`Pulse::wait`].
#[derive(Debug)]
pub struct Waiting(Arc<Pulse>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|count| *count -= 1);
    }
}
