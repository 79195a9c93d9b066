//! `approve`: a person decides whether the run goes on.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    failure::Failure,
    model::Span,
    operation::{Context, Operation, Probe, Result},
    plan::{Effect, Scope, ScopeError},
};

/// How long an answer may take where the recipe does not say.
const WITHIN: Span = Span::secs(3600);
/// Beyond that, for taking the lock again.
const SLACK: Span = Span::secs(600);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// What the person is asked.
    pub message: String,
    /// From when the question was first asked.
    pub within: Span,
}

/// Options of `approve`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How long an answer may take, such as `"30m"`; without one it is inconclusive. Default `"1h"`.
    #[schemars(with = "Option<String>")]
    pub within: Option<Span>,
}

impl Approve {
    pub fn new(message: String, options: &Options) -> Self {
        Self { message, within: options.within.unwrap_or(WITHIN) }
    }

    /// Appends it. Nothing may run beside it: the lock is let go while the person is asked.
    pub fn plan(self, scope: &mut Scope) -> std::result::Result<(), ScopeError> {
        if scope.runs_beside_others() {
            return Err(ScopeError::ApprovalInParallel);
        }
        scope.operation_within(self.within + SLACK, &self);
        Ok(())
    }
}

#[async_trait]
impl Operation for Approve {
    const KIND: &'static str = "approve";

    fn title(&self) -> String {
        format!("ask a person: {}", self.message)
    }

    fn effect(&self) -> Effect {
        Effect::Repeatable
    }

    fn approval(&self) -> Option<&Approve> {
        Some(self)
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        // Only the engine can let the lock go.
        Err(Failure::new(format!("{}: nobody can be asked here", cx.key)))
    }

    async fn probe(&self, _: &Context) -> Result<Probe> {
        Ok(Probe::NotDone)
    }
}
