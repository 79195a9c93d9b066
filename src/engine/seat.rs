//! The environment's lock, as the run has it: let go while a person is asked, and taken again.

use futures_util::future::join;
use stdlib::host::LockGuard;
use tokio::sync::{Notify, RwLock};

pub(super) struct Seat {
    /// `None`: it is let go, or none is needed.
    guard: RwLock<Option<Box<dyn LockGuard>>>,
    /// Who looks at the guard is to leave it.
    moving: Notify,
}

impl Seat {
    pub fn of(guard: Option<Box<dyn LockGuard>>) -> Self {
        Self { guard: RwLock::new(guard), moving: Notify::new() }
    }

    /// False once a lock that was not let go is not known to be held any more.
    pub fn held(&self) -> bool {
        // It cannot be read only while it is put down or taken up.
        self.guard.try_read().is_ok_and(|guard| guard.as_ref().is_none_or(|guard| guard.held()))
    }

    /// Resolves when [`Seat::held`] turns false.
    pub async fn lost(&self) {
        loop {
            let moving = self.moving.notified();
            tokio::pin!(moving);
            moving.as_mut().enable();
            let guard = self.guard.read().await;
            let Some(lock) = guard.as_ref() else {
                drop(guard);
                moving.await;
                continue;
            };
            tokio::select! {
                () = lock.lost() => return,
                () = moving => {}
            }
        }
    }

    pub async fn let_go(&self) {
        if let Some(guard) = self.put(None).await {
            guard.release().await;
        }
    }

    pub async fn take(&self, guard: Box<dyn LockGuard>) {
        self.put(Some(guard)).await;
    }

    async fn put(&self, guard: Option<Box<dyn LockGuard>>) -> Option<Box<dyn LockGuard>> {
        // In this order: who comes to look after the notice stands behind the writer.
        let notice = async { self.moving.notify_waiters() };
        let (mut place, ()) = join(self.guard.write(), notice).await;
        let before = std::mem::replace(&mut *place, guard);
        drop(place);
        // Who found the seat empty looks again.
        self.moving.notify_waiters();
        before
    }
}
