//! One `ssh` process in the master mode of connection sharing, kept for as long as the value lives.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use openssh::Session;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr, ChildStdin, Command},
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    destination::Destination,
    keys::{Refusal, refusal},
};

/// Between two looks whether `ssh` has logged in.
const LOOK: Duration = Duration::from_millis(5);
/// For `ssh` to end and clean up after itself.
const FAREWELL: Duration = Duration::from_secs(2);
/// How much of what `ssh` writes is kept.
const LOG_LINES: usize = 40;

/// Runs `ssh` until this process closes the shell's standard input, which it does also when it is killed: so that nothing
/// can leave a connection behind. Standard error ends when `ssh` does.
const WATCHDOG: &str = r#"
directory=$1; shift
"$@" </dev/null >/dev/null & ssh=$!
exec 2>/dev/null
read -r _
kill "$ssh"; wait "$ssh"
rm -rf "$directory"
"#;

/// What a connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cargo {
    /// Questions and answers: mostly JSON that repeats itself. `ssh` compresses them, where the server lets it.
    Words,
    /// Layers, which are compressed already.
    Images,
}

/// A connection that sessions and forwarded sockets share.
pub struct Master {
    /// Where its sockets are: short, because a socket's path may have only 104 bytes, and for this user alone.
    directory: PathBuf,
    session: Arc<Session>,
    /// Its end is the end of `ssh`.
    leash: Mutex<Option<ChildStdin>>,
    /// The last words of `ssh`, once it has ended.
    ended: watch::Receiver<Option<String>>,
}

impl Master {
    /// Resolves when `ssh` has logged in. To give up, drop the future.
    pub async fn start(destination: &Destination, cargo: Cargo) -> Result<Self, Refusal> {
        let failed = |error: std::io::Error| Refusal::Other(format!("ssh cannot be started: {error}"));
        let directory = tempfile::Builder::new().prefix("sc-").tempdir_in("/tmp").map_err(failed)?.keep();
        let control = directory.join("m");
        let mut child = command(&directory, &control, destination, cargo).spawn().map_err(failed)?;
        let leash = child.stdin.take().expect("piped");
        let errors = child.stderr.take().expect("piped");
        let (words, mut ended) = watch::channel(None);
        tokio::spawn(follow(child, errors, words));
        tokio::select! {
            () = appears(&control) => {}
            log = ended.wait_for(Option::is_some) => {
                let log = log.map(|log| log.clone().unwrap_or_default()).unwrap_or_default();
                return Err(refusal(&log, destination));
            }
        }
        let session = Arc::new(Session::resume_mux(control.into_boxed_path(), None));
        Ok(Self { directory, session, leash: Mutex::new(Some(leash)), ended })
    }

    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// A path for a socket of this connection.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Resolves with what `ssh` wrote, when it has ended.
    pub fn end(&self) -> impl Future<Output = String> + Send + use<> {
        let mut ended = self.ended.clone();
        async move { ended.wait_for(Option::is_some).await.ok().and_then(|log| log.clone()).unwrap_or_default() }
    }

    /// Ends `ssh` and removes its sockets.
    pub async fn close(&self) {
        self.leash.lock().expect("nothing panics while holding it").take();
        timeout(FAREWELL, self.end()).await.ok();
        // As the shell does; here so that it is done when this returns.
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

fn command(directory: &Path, control: &Path, destination: &Destination, cargo: Cargo) -> Command {
    let mut command = Command::new("sh");
    command.args([OsStr::new("-c"), OsStr::new(WATCHDOG), OsStr::new("ssh"), directory.as_os_str()]);
    // Nothing of the user's configuration that would start something of its own, or end the connection early.
    command.args(["ssh", "-a", "-x", "-N", "-M", "-S"]).arg(control);
    for option in [
        "ControlPersist=no",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "ConnectTimeout=10",
        "ServerAliveInterval=30",
    ] {
        command.args(["-o", option]);
    }
    if cargo == Cargo::Words {
        command.args(["-o", "Compression=yes"]);
    }
    command.args(destination.arguments());
    // A group of its own: the terminal's Ctrl-C is for this process, which still needs its hosts to put things back.
    command.process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// `ssh` makes its control socket when it has logged in.
async fn appears(control: &Path) {
    while !control.exists() {
        sleep(LOOK).await;
    }
}

/// Reads what `ssh` writes until it ends, and then waits for the shell around it.
async fn follow(mut child: Child, errors: ChildStderr, words: watch::Sender<Option<String>>) {
    let mut log = std::collections::VecDeque::new();
    let mut lines = BufReader::new(errors).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        log.push_back(String::from_utf8_lossy(&line).into_owned());
        if log.len() > LOG_LINES {
            log.pop_front();
        }
    }
    words.send_replace(Some(log.make_contiguous().join("\n")));
    child.wait().await.ok();
}
