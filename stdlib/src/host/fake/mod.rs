//! A host in memory, for tests: it records what it is asked, and refuses what a Docker engine refuses.
//!
//! Nothing takes time: a container is healthy, or ends, when it has been looked at as often as the test's [`Script`] says.

mod containers;
mod files;
mod host;
mod images;
mod lock;
mod networks;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use tokio::sync::Notify;

pub use self::containers::Script;
use self::{containers::Containers, images::Images, lock::Locks, networks::Networks};
use super::{CommandOutput, EngineInfo, Host, HostError, ImageStore, Result, Usage};
use crate::model::{HostName, Span};

/// What a fake host says of its engine, unless a test says otherwise.
fn modern_engine() -> EngineInfo {
    EngineInfo {
        version: "28.5.2".into(),
        api: "1.51".into(),
        platform: "linux/amd64".into(),
        directory: "/var/lib/docker".into(),
        store: ImageStore::Classic,
        desktop: false,
    }
}

/// A refusal of the engine: its status and message.
type Refusal = (u16, String);
type Answer<T> = std::result::Result<T, Refusal>;
type SocketScript = Box<dyn FnMut(&Path, &[u8]) -> Option<Bytes> + Send>;
type ShellScript = Box<dyn FnMut(&str, &[u8]) -> CommandOutput + Send>;

/// A host in memory. A clone is another connection to the same host: it shares the containers, the calls and the locks.
#[derive(Clone)]
pub struct FakeHost {
    name: HostName,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

struct State {
    info: EngineInfo,
    calls: Vec<String>,
    usage: Usage,
    containers: Containers,
    networks: Networks,
    images: Images,
    /// The files of each volume and of each directory of the host that is mounted, by name or path.
    volumes: BTreeMap<String, files::Tree>,
    volume_labels: BTreeMap<String, HashMap<String, String>>,
    locks: Locks,
    failures: HashMap<String, VecDeque<Failing>>,
    silent: bool,
    closed: bool,
    socket: Option<SocketScript>,
    shell: Option<ShellScript>,
}

/// What the next call of a kind meets.
enum Failing {
    /// This, and nothing is done.
    Instead(HostError),
    /// It is done, and the answer is lost.
    After,
}

impl fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHost").field("name", &self.name).finish_non_exhaustive()
    }
}

impl FakeHost {
    /// An empty host with a current engine.
    pub fn new(name: &str) -> Self {
        let state = State {
            info: modern_engine(),
            calls: Vec::new(),
            usage: Usage::default(),
            containers: Containers::default(),
            networks: Networks::predefined(),
            images: Images::default(),
            volumes: BTreeMap::new(),
            volume_labels: BTreeMap::new(),
            locks: Locks::default(),
            failures: HashMap::new(),
            silent: false,
            closed: false,
            socket: None,
            shell: None,
        };
        Self {
            name: HostName::new(name).expect("a test's host name is valid"),
            state: Arc::new(Mutex::new(state)),
            changed: Arc::default(),
        }
    }

    /// As the code under test takes it.
    pub fn host(&self) -> Arc<dyn Host> {
        Arc::new(self.clone())
    }

    /// Every call so far, in order: the method and what it names, such as `start_container web-1`.
    pub fn calls(&self) -> Vec<String> {
        self.lock_state().calls.clone()
    }

    /// The calls so far that ask for a change.
    pub fn changes(&self) -> Vec<String> {
        let changes = |call: &String| !host::is_question(call.split(' ').next().unwrap_or_default());
        self.calls().into_iter().filter(changes).collect()
    }

    pub fn forget_calls(&self) {
        self.lock_state().calls.clear();
    }

    pub fn set_info(&self, info: EngineInfo) {
        self.lock_state().info = info;
    }

    /// Puts an image there, and returns its id. A name makes its only layer, so equal names are equal images.
    pub fn add_image(&self, reference: &str) -> String {
        self.lock_state().images.add(reference)
    }

    /// Puts an image into the registry that `pull_image` pulls from.
    pub fn add_to_registry(&self, reference: &str) {
        self.lock_state().images.publish(reference);
    }

    /// How containers of this image behave from their next start on.
    pub fn script(&self, image: &str, script: Script) {
        self.lock_state().containers.script(image, script);
    }

    /// Ends a running container.
    pub fn exit_container(&self, name: &str, code: i64) {
        let ended = self.lock_state().containers.end(name, code);
        ended.unwrap_or_else(|(_, why)| panic!("{why}"));
        self.changed.notify_waiters();
    }

    /// The next call of this method, such as `start_container`, does nothing and fails with `error`.
    pub fn fail_next(&self, method: &str, error: HostError) {
        self.failing(method, Failing::Instead(error));
    }

    /// The next call of this method does what it should, and its answer is [`HostError::Lost`].
    pub fn lose_next(&self, method: &str) {
        self.failing(method, Failing::After);
    }

    fn failing(&self, method: &str, how: Failing) {
        self.lock_state().failures.entry(method.to_owned()).or_default().push_back(how);
    }

    /// From now on nothing is answered. As if the time until then had passed, questions fail with
    /// [`HostError::Timeout`], everything else with [`HostError::Lost`] without having been done, and locks are lost.
    pub fn go_silent(&self) {
        let mut state = self.lock_state();
        state.silent = true;
        state.locks.lose();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Answers requests to sockets of the host; `None` when nothing listens.
    pub fn on_socket(&self, script: impl FnMut(&Path, &[u8]) -> Option<Bytes> + Send + 'static) {
        self.lock_state().socket = Some(Box::new(script));
    }

    /// Answers shell commands, which are given with their standard input.
    pub fn on_shell(&self, script: impl FnMut(&str, &[u8]) -> CommandOutput + Send + 'static) {
        self.lock_state().shell = Some(Box::new(script));
    }

    /// A file of a volume, or of a directory of the host that some container mounts.
    pub fn file(&self, volume: &str, path: &str) -> Option<Bytes> {
        self.lock_state().volumes.get(volume)?.file(path)
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while holding it")
    }

    /// Records a call, and does it unless the test wants something else. `request` is how an error names it.
    fn call<T>(
        &self,
        method: &str,
        subject: &str,
        request: &str,
        done: impl FnOnce(&mut State) -> Answer<T>,
    ) -> Result<T> {
        let mut state = self.lock_state();
        let call = if subject.is_empty() { method.to_owned() } else { format!("{method} {subject}") };
        state.calls.push(call);
        state.usage.requests += 1;
        let failing = state.failures.get_mut(method).and_then(VecDeque::pop_front);
        drop(state);
        if let Some(Failing::Instead(error)) = failing {
            return Err(error);
        }
        let answer = self.peek(method, request, done);
        self.changed.notify_waiters();
        if failing.is_some() { Err(self.lost(request)) } else { answer }
    }

    /// [`FakeHost::call`] without a record of it.
    fn peek<T>(&self, method: &str, request: &str, done: impl FnOnce(&mut State) -> Answer<T>) -> Result<T> {
        let mut state = self.lock_state();
        if state.closed {
            return Err(self.gone("the connection has been closed"));
        }
        if state.silent {
            return Err(self.unanswered(method, request));
        }
        done(&mut state).map_err(|(status, message)| HostError::Engine {
            host: self.name.clone(),
            request: request.to_owned(),
            status,
            message,
        })
    }

    fn gone(&self, why: &str) -> HostError {
        HostError::Unreachable { host: self.name.clone(), address: self.name.to_string(), why: why.to_owned() }
    }

    fn lost(&self, request: &str) -> HostError {
        HostError::Lost { host: self.name.clone(), what: request.to_owned() }
    }

    fn unanswered(&self, method: &str, request: &str) -> HostError {
        if host::is_question(method) {
            HostError::Timeout { host: self.name.clone(), what: request.to_owned(), after: Span::secs(10) }
        } else {
            self.lost(request)
        }
    }
}

#[cfg(test)]
mod tests;
