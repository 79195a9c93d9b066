//! Writing a journal: one thread that writes what has gathered, and flushes once for all who wait.

use std::{
    fs::File,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::entry::{Entry, Line, VERSION, seal};

/// Where a journal is kept.
pub trait Disk: Send + 'static {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when what was appended outlives a crash of this machine.
    fn flush(&mut self) -> io::Result<()>;
}

impl Disk for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// One entry on its way; who waits for it to be on the disk, if anybody does.
type Request = (Timestamp, Entry, Option<oneshot::Sender<io::Result<()>>>);

/// The journal of one run, open for appending.
#[derive(Debug)]
pub struct Journal {
    requests: mpsc::UnboundedSender<Request>,
    broken: Arc<AtomicBool>,
}

impl Journal {
    /// Appends to `disk`; the next line has number `next`.
    pub fn new(disk: impl Disk, next: u64) -> Self {
        let (requests, receiver) = mpsc::unbounded_channel();
        let broken = Arc::new(AtomicBool::new(false));
        let mut writer = Writer { disk, next, error: None, broken: Arc::clone(&broken) };
        // A thread of its own: a slow disk must not hold up the runtime's workers.
        thread::spawn(move || writer.serve(receiver));
        Self { requests, broken }
    }

    /// Appends soon, in order; after a crash it may be missing.
    pub fn note(&self, entry: Entry) {
        self.send(entry, None);
    }

    /// Appends, and returns when it is on the disk. One that fails makes all later ones fail.
    pub async fn commit(&self, entry: Entry) -> io::Result<()> {
        let (done, waiting) = oneshot::channel();
        self.send(entry, Some(done));
        waiting.await.unwrap_or_else(|_| Err(io::Error::other("the journal is closed")))
    }

    /// False once something could not be written.
    pub fn is_whole(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
    }

    fn send(&self, entry: Entry, done: Option<oneshot::Sender<io::Result<()>>>) {
        // When the writer has gone, the dropped `done` says so.
        let _ = self.requests.send((Timestamp::now(), entry, done));
    }
}

struct Writer<D> {
    disk: D,
    next: u64,
    /// The first error. After it nothing is written: a line behind a torn one would make the journal unreadable.
    error: Option<(io::ErrorKind, String)>,
    broken: Arc<AtomicBool>,
}

impl<D: Disk> Writer<D> {
    fn serve(&mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut batch = vec![first];
            while let Ok(request) = requests.try_recv() {
                batch.push(request);
            }
            self.write(batch);
        }
    }

    fn write(&mut self, batch: Vec<Request>) {
        let mut text = String::new();
        let mut waiting = Vec::new();
        for (time, entry, done) in batch {
            text.push_str(&seal(&Line { version: VERSION, seq: self.next, time, entry }));
            self.next += 1;
            waiting.extend(done);
        }
        if self.error.is_none() {
            let written = self.disk.append(text.as_bytes());
            let written = written.and_then(|()| if waiting.is_empty() { Ok(()) } else { self.disk.flush() });
            self.error = written.err().map(|error| (error.kind(), error.to_string()));
            self.broken.store(self.error.is_some(), Ordering::Release);
        }
        for done in waiting {
            let result = match &self.error {
                None => Ok(()),
                Some((kind, why)) => Err(io::Error::new(*kind, why.clone())),
            };
            // Whoever waited may have gone.
            let _ = done.send(result);
        }
    }
}
