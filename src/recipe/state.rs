//! What the functions of one evaluation share: what they may read, and the plan that grows.

use std::{
    cell::{Ref, RefCell, RefMut},
    collections::BTreeMap,
    future::Future,
    sync::Arc,
};

use rhai::Position;
use serde_json::Value;
use stdlib::{
    facts::HostFacts,
    function::{PlanError, Planning},
    host::Hosts,
    model::{HostName, Release},
    plan::{Policy, Question, Read, Scope, ScopeError},
};
use tokio::runtime::Handle;

use super::{
    Inputs, later,
    limits::Deadline,
    syntax::Closure,
    trouble::{Raised, Trouble},
};

/// See the module. Lives on the thread of the script.
pub struct State {
    pub inputs: Inputs,
    pub hosts: Hosts,
    pub args: BTreeMap<String, Value>,
    /// Of the recipe's text.
    pub closures: Vec<Closure>,
    runtime: Handle,
    deadline: Deadline,
    growing: RefCell<Growing>,
}

/// What an evaluation leads to.
pub struct Growing {
    pub scope: Scope,
    /// The release that the plan makes.
    pub release: Arc<Release>,
    pub restored: Option<u64>,
    pub reads: Vec<Read>,
    pub log: Vec<String>,
    /// The policies of the open steps, the innermost last.
    pub policies: Vec<Policy>,
    /// The open handlers, which run although the run stops: `on_failure` or `always`, the innermost last.
    pub handlers: Vec<&'static str>,
    /// What the closure of a `later` may call; `None` outside of one.
    may: Option<Vec<String>>,
    /// A refusal that a script's `try` may have caught: the plan is half made, so the evaluation fails all the same.
    refused: Option<(Trouble, Position)>,
}

impl Growing {
    /// What is appended from here on is what a `later` decides.
    pub fn begin_inside(&mut self, call: &later::Call) {
        self.scope = Scope::inside(call.key.clone(), &call.later);
        self.policies = vec![call.later.policy];
        self.may = Some(call.later.may.clone());
        if let Some(release) = &call.restored {
            self.release = Arc::clone(release);
        }
    }
}

impl State {
    pub fn new(
        inputs: Inputs,
        hosts: Hosts,
        args: BTreeMap<String, Value>,
        closures: Vec<Closure>,
        runtime: Handle,
        deadline: Deadline,
    ) -> Self {
        let growing = RefCell::new(Growing {
            scope: Scope::default(),
            release: Arc::clone(&inputs.release),
            restored: None,
            reads: Vec::new(),
            log: Vec::new(),
            policies: vec![Policy::default()],
            handlers: Vec::new(),
            may: None,
            refused: None,
        });
        Self { inputs, hosts, args, closures, runtime, deadline, growing }
    }

    pub fn growing(&self) -> Ref<'_, Growing> {
        self.growing.borrow()
    }

    pub fn grow(&self) -> RefMut<'_, Growing> {
        self.growing.borrow_mut()
    }

    /// Calls a library function with what it may look at.
    pub fn plan<T>(&self, plan: impl FnOnce(&Planning<'_>, &mut Scope) -> Result<T, PlanError>) -> Result<T, Trouble> {
        let mut growing = self.growing.borrow_mut();
        let release = Arc::clone(&growing.release);
        plan(&self.planning(&release), &mut growing.scope).map_err(of_plan_error)
    }

    fn planning<'a>(&'a self, release: &'a Release) -> Planning<'a> {
        Planning {
            topology: &self.inputs.topology,
            facts: &self.inputs.facts,
            application: &self.inputs.release.application,
            release,
            ingress_image: self.inputs.ingress_image.as_ref(),
            run: &self.inputs.run,
        }
    }

    /// The release that is live.
    pub fn live(&self) -> Option<&Release> {
        self.inputs.facts.live(&self.inputs.topology.home)
    }

    pub fn facts(&self, host: &HostName) -> Option<&HostFacts> {
        self.inputs.facts.host(host)
    }

    /// Waits for an answer from outside; its time is not the script's.
    pub fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.deadline.pause(|| self.runtime.block_on(answer))
    }

    /// Notes a question with its answer: both are part of the plan.
    pub fn read(&self, question: Question, answer: Value) {
        self.grow().reads.push(Read { question, answer });
    }

    /// Refuses for good: `try` cannot go on from here.
    #[expect(clippy::unnecessary_box_returns, reason = "Rhai's errors are boxed everywhere")]
    pub fn refuse(&self, trouble: Trouble, position: Position) -> Raised {
        self.grow().refused.get_or_insert((trouble.clone(), position));
        trouble.at(position)
    }

    /// Inside a `later` only what the plan shows of it appends: a function can also be called by its name as a text.
    pub fn may_append(&self, function: &str) -> Result<(), Trouble> {
        match &self.growing().may {
            Some(may) if !may.iter().any(|known| known == function) => {
                let message = format!("the plan does not say that this `later` may call `{function}`");
                Err(Trouble::new(message).help("call it, or the function that calls it, by its name".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The refusal that came before, if there was one.
    pub fn refused(&self) -> Result<(), Raised> {
        match &self.growing().refused {
            Some((trouble, position)) => Err(trouble.clone().at(*position)),
            None => Ok(()),
        }
    }

    pub fn into_growing(self) -> Growing {
        self.growing.into_inner()
    }
}

pub fn of_plan_error(error: PlanError) -> Trouble {
    match error {
        PlanError::Refused { message, hint } => Trouble::refusal(message).help(hint),
        PlanError::Options(_) | PlanError::Scope(_) => Trouble::new(error.to_string()),
    }
}

pub fn of_scope_error(error: &ScopeError) -> Trouble {
    Trouble::new(error.to_string())
}
