//! `host::run`: a shell command of the recipe's own on hosts.

use async_trait::async_trait;
use bytes::Bytes;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    failure::{Certainty, Failure},
    function::{Call, Function, Kind, Parameter, PlanError, Planning},
    model::Span,
    operation::{Context, Operation, Probe, Result},
    plan::{Effect, Scope},
};

/// How long a command may take where the recipe does not say.
const TIMEOUT: Span = Span::secs(60);

/// The most of a command's output that is kept, in characters from its end.
const KEPT: usize = 2000;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub command: String,
    pub undo: Option<String>,
    pub repeatable: bool,
    pub timeout: Span,
    /// Exit codes that leave the question open that the command asks.
    #[serde(default)]
    pub inconclusive: Vec<i32>,
}

impl Run {
    async fn shell(&self, cx: &Context, command: &str) -> Result<Value> {
        let host = cx.host()?;
        let output = host.shell(command, Bytes::new(), self.timeout).await?;
        let said = |bytes: &Bytes| end_of(&cx.values.scrub(&String::from_utf8_lossy(bytes)));
        let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
        match output.code {
            Some(0) => Ok(json!({ "stdout": stdout })),
            code => {
                let how = code.map_or("was ended by a signal".to_owned(), |code| format!("ended with {code}"));
                let mut failure = Failure::new(format!("`{command}` {how} on {}", host.name())).on(host.name());
                failure.detail = [stderr, stdout].into_iter().find(|text| !text.is_empty());
                if code.is_some_and(|code| self.inconclusive.contains(&code)) {
                    failure.certainty = Certainty::Unknown;
                }
                Err(failure.hint(format!("try it by hand: `stagecraft ssh {}`", host.name())))
            }
        }
    }
}

fn end_of(text: &str) -> String {
    let text = text.trim_end();
    text.chars().skip(text.chars().count().saturating_sub(KEPT)).collect()
}

#[async_trait]
impl Operation for Run {
    const KIND: &'static str = "host.run";

    fn title(&self) -> String {
        format!("run `{}`", self.command)
    }

    fn effect(&self) -> Effect {
        match (&self.undo, self.repeatable) {
            (Some(_), _) => Effect::Reversible,
            (None, true) => Effect::Repeatable,
            (None, false) => Effect::Final,
        }
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        self.shell(cx, &self.command).await
    }

    async fn undo(&self, cx: &Context, _: Option<&Value>) -> Result<()> {
        match &self.undo {
            Some(command) => self.shell(cx, command).await.map(|_| ()),
            None => Err(Failure::new(format!("`{}` has no undo command", self.command))),
        }
    }

    async fn probe(&self, cx: &Context) -> Result<Probe> {
        if self.repeatable {
            return Ok(Probe::NotDone);
        }
        let host = cx.host()?.name();
        Ok(Probe::CannotTell(format!("whether `{}` ran to its end on {host}", self.command)))
    }
}

/// Options of `host::run`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// A command that puts back what this one did. Without it, and without `repeatable`, a failure later in the run leaves
    /// this and all before it in place.
    undo: Option<String>,
    /// The command is harmless to run again and to keep. Default false.
    repeatable: bool,
    /// The longest it may take, such as `"5m"`. Default `"60s"`.
    #[schemars(with = "Option<String>")]
    timeout: Option<Span>,
    /// Exit codes that mean that it cannot be known, where the command is the gate of a `choice`; others than these and 0
    /// mean that it has failed. Needs `repeatable`.
    inconclusive: Vec<i32>,
}

pub const RUN: Function = Function {
    module: "host",
    name: "run",
    docs: "Runs a shell command as the SSH user on each of the hosts, all at once. Fails when it ends with another code \
        than 0, showing the end of its output.\n\n\
        The command stands in the plan and the journal as it is: no secret belongs in it.",
    parameters: &[Parameter { name: "hosts", kind: Kind::Hosts }, Parameter { name: "command", kind: Kind::Text }],
    options: Some(|| schema_for!(Options)),
    call: run,
};

fn run(_: &Planning<'_>, scope: &mut Scope, call: &Call) -> std::result::Result<(), PlanError> {
    let Options { undo, repeatable, timeout, inconclusive } = call.options()?;
    if !(repeatable || inconclusive.is_empty()) {
        return Err(PlanError::Options("`inconclusive` is for a command that only asks: `repeatable: true`".into()));
    }
    let command = call.text(1).to_owned();
    let operation = Run { command, undo, repeatable, timeout: timeout.unwrap_or(TIMEOUT), inconclusive };
    scope.parallel("run", |scope| {
        for host in call.hosts(0) {
            scope.sequence(host.as_str(), |scope| scope.operation(Some(host), &operation));
        }
    });
    Ok(())
}
