//! Limits how many hosts are busy at once. A host that is busy already takes more work without another permit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

use stdlib::model::HostName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permit of a busy host, if it is busy.
type Slot = Arc<tokio::sync::Mutex<Weak<OwnedSemaphorePermit>>>;

#[derive(Debug)]
pub(super) struct Gate {
    permits: Arc<Semaphore>,
    slots: Mutex<HashMap<HostName, Slot>>,
}

/// The host is busy for as long as one of these lives.
#[derive(Debug)]
pub(super) struct Busy {
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl Gate {
    /// At most `limit` hosts at once, and at least one.
    pub fn new(limit: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(limit.max(1))), slots: Mutex::default() }
    }

    /// Waits until the host may be busy. What acts on no host of its own doesn't wait.
    pub async fn enter(&self, host: Option<&HostName>) -> Busy {
        let Some(host) = host else { return Busy { _permit: None } };
        let slot = {
            let mut slots = self.slots.lock().expect("nothing panics while it holds the slots");
            Arc::clone(slots.entry(host.clone()).or_default())
        };
        // Whoever comes second to the same host waits here for the first one's permit and shares it.
        let mut held = slot.lock().await;
        let permit = if let Some(permit) = held.upgrade() {
            permit
        } else {
            Arc::new(Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed"))
        };
        *held = Arc::downgrade(&permit);
        Busy { _permit: Some(permit) }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use stdlib::model::HostName;

    use super::Gate;

    #[tokio::test]
    async fn a_busy_host_takes_more_work_and_another_one_waits() {
        let (one, other) = (HostName::new("web-1").unwrap(), HostName::new("web-2").unwrap());
        let gate = Gate::new(1);
        let first = gate.enter(Some(&one)).await;
        let second = gate.enter(Some(&one)).await;
        assert!(gate.enter(Some(&other)).now_or_never().is_none());
        assert!(gate.enter(None).now_or_never().is_some());
        drop(first);
        assert!(gate.enter(Some(&other)).now_or_never().is_none());
        drop(second);
        assert!(gate.enter(Some(&other)).now_or_never().is_some());
    }
}
