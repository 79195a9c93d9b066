//! `wait`: lets time pass, such as for a new release to show itself.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    model::Span,
    operation::{Context, Operation, Probe, Result},
    plan::{Effect, Scope},
};

/// Beyond the time itself, for a clock that was set while it ran.
const SLACK: Span = Span::secs(60);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    pub duration: Span,
}

impl Wait {
    /// Appends it. A step's `timeout` is for operations that should be quick: this one takes the time that it says.
    pub fn plan(self, scope: &mut Scope) {
        let limit = self.duration + SLACK;
        scope.operation_within(limit, &self);
    }
}

#[async_trait]
impl Operation for Wait {
    const KIND: &'static str = "wait";

    fn title(&self) -> String {
        format!("wait {}", self.duration)
    }

    fn effect(&self) -> Effect {
        Effect::Repeatable
    }

    /// What is left of it: a run that was resumed has waited before.
    async fn run(&self, cx: &Context) -> Result<Value> {
        sleep(left(cx.began, self.duration, Timestamp::now()).duration()).await;
        Ok(Value::Null)
    }

    async fn probe(&self, _: &Context) -> Result<Probe> {
        // Running it again waits for what is left.
        Ok(Probe::NotDone)
    }
}

/// What is left of a time that began then. A beginning that lies ahead was written by another machine's clock: it is now.
pub fn left(began: Timestamp, duration: Span, now: Timestamp) -> Span {
    let passed = u64::try_from(now.duration_since(began).as_millis()).unwrap_or(0);
    Span::millis(duration.as_millis().saturating_sub(passed))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::left;
    use crate::model::Span;

    // spec: gate.wait
    #[test]
    fn a_wait_goes_on_with_what_is_left() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let five = Span::secs(300);
        assert_eq!(left(at(0), five, at(0)), five);
        assert_eq!(left(at(0), five, at(100)), Span::secs(200));
        assert_eq!(left(at(0), five, at(1000)), Span::secs(0));
        assert_eq!(left(at(60), five, at(0)), five);
    }
}
