//! An operation: one effect on a host, as data that can be saved, run, asked about and undone.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    approve::{self, Approve},
    command, compose,
    failure::Failure,
    host::{Host, Hosts},
    http, image, ingress,
    later::{self, Later},
    model::{HostName, Identity, Release, RunId, Values},
    plan::{Effect, Key, Planned},
    release, rollout, wait,
};

pub type Result<T> = std::result::Result<T, Failure>;

/// What an operation may use while it runs.
#[derive(Clone)]
pub struct Context {
    pub hosts: Hosts,
    pub run: RunId,
    pub key: Key,
    /// The host of the operation, where it has one.
    pub host: Option<HostName>,
    /// When it first began, by the journal: a run that was resumed has it from before.
    pub began: Timestamp,
    /// The release that is being put live, with the values that its containers need. The values come from today's files
    /// in a deploy, and from the environment's state in a rollback or resume.
    pub release: Option<Arc<Release>>,
    pub values: Arc<Values>,
    pub identity: Arc<Identity>,
    /// The operator's own engine: where images are built and exported from.
    pub source: Option<Arc<image::Source>>,
    pub outputs: Arc<dyn Outputs>,
    pub progress: Arc<dyn Progress>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("run", &self.run)
            .field("key", &self.key)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The host that this operation acts on.
    pub fn host(&self) -> Result<&Arc<dyn Host>> {
        let name = self.host.as_ref().ok_or_else(|| Failure::new(format!("{} names no host", self.key)))?;
        self.host_named(name)
    }

    pub fn host_named(&self, name: &HostName) -> Result<&Arc<dyn Host>> {
        named(&self.hosts, name)
    }
}

/// The host that a plan names.
pub fn named<'a>(hosts: &'a Hosts, name: &HostName) -> Result<&'a Arc<dyn Host>> {
    hosts.get(name).ok_or_else(|| {
        Failure::new(format!("host {name} is not connected in this run")).hint("plan again: the topology has changed")
    })
}

/// The outputs of operations that have ended, by key.
pub trait Outputs: Send + Sync {
    fn get(&self, key: &Key) -> Option<Value>;
}

/// Where an operation says what it is doing: one short present-tense phrase, such as `3 of 5 layers, 12 MB`.
pub trait Progress: Send + Sync {
    fn say(&self, host: Option<&HostName>, text: &str);
}

/// Whether an operation that was started has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    Done(Value),
    NotDone,
    /// Begun and not finished; running it again finishes it.
    Partial,
    /// A person has to look; says what and where.
    CannotTell(String),
}

/// One effect. The type is its arguments: plain data, without secrets.
#[async_trait]
pub trait Operation: Serialize + DeserializeOwned + fmt::Debug + Send + Sync + 'static {
    /// Such as `container.start`; unique, and part of saved plans.
    const KIND: &'static str;

    /// One line for people, in the imperative: `start shop-web-r12-1`.
    fn title(&self) -> String;

    fn effect(&self) -> Effect;

    /// What a person is asked, for an operation that does nothing else.
    fn approval(&self) -> Option<&Approve> {
        None
    }

    /// What is decided, for an operation that does nothing else.
    fn later(&self) -> Option<&Later> {
        None
    }

    /// Does it, and returns what later operations and the inverse need to know.
    async fn run(&self, cx: &Context) -> Result<Value>;

    /// Puts back what was before [`Operation::run`]; `output` is what it returned, `None` when it did not end. Works also
    /// when the run had only half happened, and when undone before. Called only for reversible operations.
    async fn undo(&self, cx: &Context, output: Option<&Value>) -> Result<()> {
        let _ = output;
        Err(Failure::new(format!("{} cannot be undone", cx.key)))
    }

    /// Asks the host whether it happened. Changes nothing.
    async fn probe(&self, cx: &Context) -> Result<Probe>;
}

/// [`Operation`] without its type, for the engine.
#[async_trait]
pub trait AnyOperation: fmt::Debug + Send + Sync {
    /// What a person is asked, for an operation that does nothing else.
    fn approval(&self) -> Option<&Approve> {
        None
    }
    /// What is decided, for an operation that does nothing else.
    fn later(&self) -> Option<&Later> {
        None
    }
    async fn run(&self, cx: &Context) -> Result<Value>;
    async fn undo(&self, cx: &Context, output: Option<&Value>) -> Result<()>;
    async fn probe(&self, cx: &Context) -> Result<Probe>;
}

#[async_trait]
impl<O: Operation> AnyOperation for O {
    fn approval(&self) -> Option<&Approve> {
        Operation::approval(self)
    }
    fn later(&self) -> Option<&Later> {
        Operation::later(self)
    }
    async fn run(&self, cx: &Context) -> Result<Value> {
        Operation::run(self, cx).await
    }
    async fn undo(&self, cx: &Context, output: Option<&Value>) -> Result<()> {
        Operation::undo(self, cx, output).await
    }
    async fn probe(&self, cx: &Context) -> Result<Probe> {
        Operation::probe(self, cx).await
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("{key}: no operation of kind `{kind}` is known; the plan was made by another version of Stagecraft")]
    UnknownKind { key: Key, kind: String },
    #[error("{key}: the arguments of `{kind}` cannot be read: {why}")]
    Arguments { key: Key, kind: String, why: String },
}

type Decoder = fn(Value) -> serde_json::Result<Box<dyn AnyOperation>>;

fn decoder<O: Operation>() -> (&'static str, Decoder) {
    (O::KIND, |args| Ok(Box::new(serde_json::from_value::<O>(args)?)))
}

/// Every operation that a plan may hold: one line each.
fn registry() -> Vec<(&'static str, Decoder)> {
    vec![
        decoder::<approve::Approve>(),
        decoder::<command::Run>(),
        decoder::<http::Check>(),
        decoder::<ingress::Enroll>(),
        decoder::<ingress::Route>(),
        decoder::<ingress::Switch>(),
        decoder::<ingress::Up>(),
        decoder::<later::Later>(),
        decoder::<release::Commit>(),
        decoder::<release::Follow>(),
        decoder::<release::Stage>(),
        decoder::<release::Trim>(),
        decoder::<rollout::Ready>(),
        decoder::<rollout::Remove>(),
        decoder::<rollout::Rename>(),
        decoder::<rollout::Start>(),
        decoder::<rollout::Stop>(),
        decoder::<compose::Prepare>(),
        decoder::<compose::RunJob>(),
        decoder::<image::Forget>(),
        decoder::<image::SendImages>(),
        decoder::<wait::Wait>(),
    ]
}

/// Makes a planned operation runnable.
pub fn decode(planned: &Planned) -> std::result::Result<Box<dyn AnyOperation>, DecodeError> {
    let (_, decode) = registry()
        .into_iter()
        .find(|(kind, _)| *kind == planned.kind)
        .ok_or_else(|| DecodeError::UnknownKind { key: planned.key.clone(), kind: planned.kind.clone() })?;
    decode(planned.args.clone()).map_err(|error| DecodeError::Arguments {
        key: planned.key.clone(),
        kind: planned.kind.clone(),
        why: error.to_string(),
    })
}
