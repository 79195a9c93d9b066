//! Locks of a host, held by one SSH session for the whole run: the client of `holder.sh`.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines},
    sync::{mpsc, oneshot, watch},
    time::{interval, timeout},
};

use super::{directory_name, note, read_note};
use crate::host::{LockGuard, LockHolder, Locked};

/// What runs on the host; `sh -c` of it.
pub const HOLDER: &str = include_str!("holder.sh");

/// Between two beats.
const BEAT: Duration = Duration::from_secs(3);
/// A lock counts as lost when the last answered line was sent longer ago; the host frees it after 15 s.
const SILENCE: Duration = Duration::from_secs(10);

/// Why the holder did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HolderError {
    #[error("the lock's session has ended")]
    Ended,
    #[error("{0}")]
    Failed(String),
}

struct Request {
    line: String,
    answer: oneshot::Sender<String>,
}

/// The session that holds a host's locks. Dropping the last clone ends it, and with it every lock.
#[derive(Clone)]
pub struct Holder {
    requests: mpsc::UnboundedSender<Request>,
    health: Arc<Health>,
}

impl Holder {
    /// `keep` is what keeps the session open, such as its process; it is dropped when the session has ended.
    pub fn new<K: Send + 'static>(
        input: impl AsyncWrite + Unpin + Send + 'static,
        output: impl AsyncRead + Unpin + Send + 'static,
        keep: K,
    ) -> Self {
        let (requests, queue) = mpsc::unbounded_channel();
        let health = Arc::new(Health::now());
        let session = Session { input, output: BufReader::new(output).lines(), health: Arc::clone(&health) };
        tokio::spawn(async move {
            session.serve(queue).await;
            drop(keep);
        });
        Self { requests, health }
    }

    /// No longer of use: a new session is needed for another lock.
    pub fn has_ended(&self) -> bool {
        !self.health.good()
    }

    pub async fn take(&self, name: &str, holder: &LockHolder) -> Result<Locked, HolderError> {
        let name = directory_name(name);
        let answer = self.request(format!("take {name} {}", note(holder))).await?;
        let (word, rest) = answer.split_once(' ').unwrap_or((&answer, ""));
        let text = rest.strip_prefix(&name).unwrap_or(rest).trim();
        match word {
            "held" => {
                let guard = RemoteLock { name, holder: self.clone(), released: false };
                Ok(Locked::Held(Box::new(guard)))
            }
            "busy" => Ok(Locked::Busy(read_note(text))),
            _ => Err(HolderError::Failed(text.to_owned())),
        }
    }

    async fn request(&self, line: String) -> Result<String, HolderError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { line, answer }).map_err(|_| HolderError::Ended)?;
        answered.await.map_err(|_| HolderError::Ended)
    }
}

/// When the host last answered.
#[derive(Debug)]
struct Health {
    /// When the last answered line was *sent*. The second clock goes on while this machine sleeps.
    heard: Mutex<(Instant, SystemTime)>,
    ended: watch::Sender<bool>,
}

impl Health {
    fn now() -> Self {
        Self { heard: Mutex::new((Instant::now(), SystemTime::now())), ended: watch::Sender::new(false) }
    }

    fn good(&self) -> bool {
        !*self.ended.borrow() && self.left() > Duration::ZERO
    }

    /// How long the locks can still be thought held.
    fn left(&self) -> Duration {
        let (instant, time) = *self.heard.lock().expect("nothing panics while holding it");
        let slept = time.elapsed().unwrap_or_default();
        SILENCE.saturating_sub(instant.elapsed().max(slept))
    }

    fn answered(&self, sent: (Instant, SystemTime)) {
        *self.heard.lock().expect("nothing panics while holding it") = sent;
    }

    fn end(&self) {
        self.ended.send_replace(true);
    }
}

struct Session<I, O> {
    input: I,
    output: Lines<BufReader<O>>,
    health: Arc<Health>,
}

impl<I: AsyncWrite + Unpin, O: AsyncRead + Unpin> Session<I, O> {
    /// One line at a time, until nobody needs the session or it does not answer.
    async fn serve(mut self, mut queue: mpsc::UnboundedReceiver<Request>) {
        let mut beat = interval(BEAT);
        beat.tick().await;
        loop {
            let next = tokio::select! {
                request = queue.recv() => request.map(Some),
                _ = beat.tick() => Some(None),
                // It speaks only when it is spoken to: this is its end.
                _ = self.output.next_line() => None,
            };
            let answered = match next {
                Some(Some(request)) => self.serve_one(request).await,
                Some(None) => self.say("beat").await.map(drop),
                None => None,
            };
            if answered.is_none() {
                break;
            }
        }
        self.health.end();
    }

    async fn serve_one(&mut self, request: Request) -> Option<()> {
        let answer = self.say(&request.line).await?;
        let unwanted = request.answer.send(answer).err();
        // Whoever asked for the lock has given up waiting.
        if let Some(name) = unwanted.as_deref().and_then(|answer| answer.strip_prefix("held ")) {
            self.say(&format!("free {name}")).await?;
        }
        Some(())
    }

    async fn say(&mut self, line: &str) -> Option<String> {
        // A session that was silent for too long may have been given up by the host: no later answer revives it.
        if !self.health.good() {
            return None;
        }
        let sent = (Instant::now(), SystemTime::now());
        let exchange = async {
            self.input.write_all(format!("{line}\n").as_bytes()).await.ok()?;
            self.input.flush().await.ok()?;
            self.output.next_line().await.ok()?
        };
        let answer = timeout(SILENCE, exchange).await.ok()??;
        self.health.answered(sent);
        Some(answer)
    }
}

struct RemoteLock {
    name: String,
    holder: Holder,
    released: bool,
}

#[async_trait]
impl LockGuard for RemoteLock {
    fn held(&self) -> bool {
        self.holder.health.good()
    }

    async fn lost(&self) {
        let mut ended = self.holder.health.ended.subscribe();
        while self.held() {
            tokio::select! {
                _ = ended.wait_for(|ended| *ended) => {}
                () = tokio::time::sleep(self.holder.health.left()) => {}
            }
        }
    }

    async fn release(mut self: Box<Self>) {
        self.released = true;
        let free = format!("free {}", self.name);
        // A holder that has ended has let go already.
        self.holder.request(free).await.ok();
    }
}

impl Drop for RemoteLock {
    fn drop(&mut self) {
        if !self.released {
            let (answer, _) = oneshot::channel();
            self.holder.requests.send(Request { line: format!("free {}", self.name), answer }).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Stdio};

    use tokio::process::{Child, Command};

    use super::{HOLDER, Holder, HolderError};
    use crate::host::{LockHolder, Locked};

    fn note(run: &str) -> LockHolder {
        // `\n` must come back as it is: an `echo` of dash would make a line of it.
        let (run, who, since) = (run.into(), "ann\\n@box".into(), "2026-01-02T03:04:05Z".into());
        LockHolder { run, who, since, what: "deploy \"now\"".into() }
    }

    fn session(root: &Path) -> (Holder, u32) {
        let mut child: Child = Command::new("sh")
            .args(["-c", HOLDER])
            .env("LOCK_ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let id = child.id().unwrap();
        (Holder::new(input, output, child), id)
    }

    async fn busy_with(holder: &Holder, name: &str) -> Option<LockHolder> {
        match holder.take(name, &note("other")).await.unwrap() {
            Locked::Busy(found) => found,
            Locked::Held(_) => panic!("{name} was free"),
        }
    }

    // spec: run.lock
    #[tokio::test]
    async fn one_session_serves_several_locks_and_tells_others_who_holds_them() {
        let root = tempfile::tempdir().unwrap();
        let ((one, _), (two, _)) = (session(root.path()), session(root.path()));
        let Locked::Held(shop) = one.take("shop", &note("one")).await.unwrap() else { panic!("is free") };
        let Locked::Held(ingress) = one.take("ingress/main", &note("one")).await.unwrap() else { panic!("is free") };
        assert!(shop.held() && ingress.held());
        assert_eq!(busy_with(&two, "shop").await, Some(note("one")));
        assert_eq!(busy_with(&two, "ingress/main").await, Some(note("one")));
        shop.release().await;
        assert!(matches!(two.take("shop", &note("two")).await.unwrap(), Locked::Held(_)));
        assert_eq!(busy_with(&two, "ingress/main").await, Some(note("one")));
    }

    #[tokio::test]
    async fn a_run_does_not_take_its_own_lock_twice() {
        let root = tempfile::tempdir().unwrap();
        let (one, _) = session(root.path());
        let _guard = one.take("shop", &note("one")).await.unwrap();
        let error = one.take("shop", &note("one")).await.err();
        assert_eq!(error, Some(HolderError::Failed("this run holds it already".into())));
    }

    // spec: run.lock
    #[tokio::test]
    async fn a_guard_that_is_dropped_and_a_client_that_is_gone_leave_no_lock() {
        let root = tempfile::tempdir().unwrap();
        let ((one, _), (two, _)) = (session(root.path()), session(root.path()));
        drop(one.take("shop", &note("one")).await.unwrap());
        // The free goes before this in the same session.
        let guard = one.take("shop", &note("one")).await.unwrap();
        assert_eq!(busy_with(&two, "shop").await, Some(note("one")));
        drop((guard, one));
        while let Locked::Busy(_) = two.take("shop", &note("two")).await.unwrap() {}
    }

    #[tokio::test]
    async fn a_lock_whose_session_has_ended_is_lost() {
        let root = tempfile::tempdir().unwrap();
        let (one, id) = session(root.path());
        let Locked::Held(guard) = one.take("shop", &note("one")).await.unwrap() else { panic!("is free") };
        std::process::Command::new("kill").arg(id.to_string()).status().unwrap();
        guard.lost().await;
        assert!(!guard.held());
        assert_eq!(one.take("shop", &note("one")).await.err(), Some(HolderError::Ended));
    }

    #[tokio::test]
    async fn what_cannot_be_locked_is_said_why() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("shop"), "").unwrap();
        let (one, _) = session(root.path());
        let why = format!("{} is not a directory, or cannot be made", root.path().join("shop").display());
        assert_eq!(one.take("shop", &note("one")).await.err(), Some(HolderError::Failed(why)));
    }
}
