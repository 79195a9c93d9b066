//! The question that a run puts to a person.

use std::io::{self, IsTerminal};

use stdlib::model::environment_option;

use crate::engine::{Event, Petition};

/// Puts a run's questions into words. The run says before in which environment it is.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// The option that chooses the environment.
    environment: String,
}

impl Asking {
    /// The question that this event puts, and how to answer it.
    pub fn question(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::RunStarted { environment, .. } => {
                self.environment = environment_option(environment.as_str());
                None
            }
            Event::ApprovalAsked { petition } => Some(asked(petition, &self.environment, place())),
            _ => None,
        }
    }
}

/// Where the person may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At this terminal, too.
    Here,
    Elsewhere,
}

fn place() -> Place {
    if io::stdin().is_terminal() { Place::Here } else { Place::Elsewhere }
}

fn asked(petition: &Petition, environment: &str, place: Place) -> String {
    let Petition { run, message, until, .. } = petition;
    let here = match place {
        Place::Here => "y approves and n denies here; from anywhere ",
        Place::Elsewhere => "answer ",
    };
    format!(
        "waits for approval: {message}\n  {here}`stagecraft approve {run}{environment}`, or with --deny, until {until:.0}"
    )
}

#[cfg(test)]
mod tests {
    use stdlib::{
        model::{EnvironmentName, ProjectName, RunId},
        plan::Key,
    };

    use super::{Asking, Place, asked};
    use crate::engine::{Event, Petition};

    fn petition() -> Petition {
        Petition {
            run: RunId::new("0199-a").unwrap(),
            key: Key::root(),
            message: "put it live?".into(),
            since: "2026-01-02T03:00:00Z".parse().unwrap(),
            until: "2026-01-02T03:30:00.5Z".parse().unwrap(),
        }
    }

    // spec: gate.approve
    #[test]
    fn the_question_says_how_to_answer_it() {
        assert_eq!(
            asked(&petition(), "", Place::Elsewhere),
            "waits for approval: put it live?\n  answer `stagecraft approve 0199-a`, or with --deny, until 2026-01-02T03:30:00Z"
        );
        assert!(
            asked(&petition(), "", Place::Here).contains("\n  y approves and n denies here; from anywhere `stagecraft")
        );
    }

    // spec: gate.approve
    #[test]
    fn the_answer_goes_to_the_environment_of_the_run() {
        let mut asking = Asking::default();
        let started = Event::RunStarted {
            run: petition().run,
            project: ProjectName::new("shop").unwrap(),
            environment: EnvironmentName::new("staging").unwrap(),
            recipe: "deploy".into(),
            release: None,
            hosts: vec![],
            operations: 1,
        };
        assert_eq!(asking.question(&started), None);
        let question = asking.question(&Event::ApprovalAsked { petition: petition() }).unwrap();
        assert!(question.contains("`stagecraft approve 0199-a -e staging`, or with --deny"), "{question}");
    }
}
