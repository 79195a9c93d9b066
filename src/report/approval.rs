//! The question that a run puts to a person.

use std::io::{self, IsTerminal};

use crate::engine::Petition;

/// Where the person may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At this terminal, too.
    Here,
    Elsewhere,
}

pub fn place() -> Place {
    if io::stdin().is_terminal() { Place::Here } else { Place::Elsewhere }
}

/// The question, and how to answer it.
pub fn asked(petition: &Petition, place: Place) -> String {
    let Petition { run, message, until, .. } = petition;
    let here = match place {
        Place::Here => "y approves and n denies here; from anywhere ",
        Place::Elsewhere => "answer ",
    };
    format!("waits for approval: {message}\n  {here}`stagecraft approve {run}`, or with --deny, until {until:.0}")
}

#[cfg(test)]
mod tests {
    use stdlib::{model::RunId, plan::Key};

    use super::{Place, asked};
    use crate::engine::Petition;

    // spec: gate.approve
    #[test]
    fn the_question_says_how_to_answer_it() {
        let petition = Petition {
            run: RunId::new("0199-a").unwrap(),
            key: Key::root(),
            message: "put it live?".into(),
            since: "2026-01-02T03:00:00Z".parse().unwrap(),
            until: "2026-01-02T03:30:00.5Z".parse().unwrap(),
        };
        assert_eq!(
            asked(&petition, Place::Elsewhere),
            "waits for approval: put it live?\n  answer `stagecraft approve 0199-a`, or with --deny, until 2026-01-02T03:30:00Z"
        );
        assert!(asked(&petition, Place::Here).contains("\n  y approves and n denies here; from anywhere `stagecraft"));
    }
}
