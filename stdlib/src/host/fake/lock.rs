//! Locks of a fake host.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::host::{LockGuard, LockHolder, Locked};

/// Who holds what. A guard that is dropped lets go.
#[derive(Debug, Default)]
pub struct Locks(BTreeMap<String, (LockHolder, Weak<watch::Sender<bool>>)>);

impl Locks {
    pub fn take(&mut self, name: &str, holder: &LockHolder) -> Locked {
        if let Some((other, held)) = self.0.get(name)
            && held.strong_count() > 0
        {
            return Locked::Busy(Some(other.clone()));
        }
        let held = Arc::new(watch::Sender::new(true));
        self.0.insert(name.to_owned(), (holder.clone(), Arc::downgrade(&held)));
        Locked::Held(Box::new(FakeLock(held)))
    }

    pub fn lose(&self) {
        for held in self.0.values().filter_map(|(_, held)| held.upgrade()) {
            held.send_replace(false);
        }
    }
}

struct FakeLock(Arc<watch::Sender<bool>>);

#[async_trait]
impl LockGuard for FakeLock {
    fn held(&self) -> bool {
        *self.0.borrow()
    }
    async fn lost(&self) {
        self.0.subscribe().wait_for(|held| !held).await.expect("the sender lives in self");
    }
    async fn release(self: Box<Self>) {}
}
