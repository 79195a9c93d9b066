//! What a run costs a host, counted where it happens.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Usage;

/// Counters that every connection to one host shares.
#[derive(Debug, Default)]
pub struct Meter {
    sessions: AtomicU64,
    forwarded: AtomicU64,
    requests: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

impl Meter {
    pub fn session(&self) {
        self.sessions.fetch_add(1, Relaxed);
    }

    pub fn forwarded(&self) {
        self.forwarded.fetch_add(1, Relaxed);
    }

    pub fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub fn sent(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Relaxed);
    }

    pub fn received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Relaxed);
    }

    pub fn usage(&self) -> Usage {
        Usage {
            sessions: self.sessions.load(Relaxed),
            forwarded: self.forwarded.load(Relaxed),
            requests: self.requests.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            bytes_received: self.bytes_received.load(Relaxed),
        }
    }
}
