//! `stagecraft approve`.

use jiff::Timestamp;
use stdlib::model::{RunId, Span, environment_option};

use super::{CliError, Exit, Global, desk, home::Home, last_line::LastLine, project};
use crate::{
    engine::{Answer, Word},
    mirror::Claim,
};

/// The lock is held only for moments while a run waits for an answer.
const LOCK: Span = Span::secs(15);

/// Answer a run that waits for a person
///
/// A recipe asks with `approve(message)`. While the run waits nobody else may change the environment. The answer, with who and
/// when, is in the run's journal and the audit.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run; not needed, since only one can wait
    run: Option<String>,
    /// Say no
    #[arg(long)]
    deny: bool,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let word = if args.deny { Word::Denied } else { Word::Approved };
    let project = project::load(global).await?;
    let option = environment_option(project.topology.environment.as_str());
    let home = Home::connect(project).await?;
    let answered = answer(&home, args.run.as_deref(), word, &option).await;
    home.close().await;
    let claim = answered?;
    if !global.quiet && !global.json {
        let run = &claim.petition.run;
        println!("{}: {}", word.word(), claim.petition.message);
        println!("run {run} of {} goes on; if its process is gone: `stagecraft resume {run}{option}`", claim.who);
    }
    last.print(Exit::Done, None, &home.hosts());
    Ok(Exit::Done)
}

async fn answer(home: &Home, named: Option<&str>, word: Word, option: &str) -> Result<Claim, CliError> {
    let guard = home.hold("approve", LOCK).await?;
    let written = async {
        let claim = waiting(home.claim().await?, named, option)?;
        home.answer(&claim, &desk::answer(word)).await?;
        Ok(claim)
    };
    let written = written.await;
    guard.release().await;
    written
}

/// The claim that is to be answered. `option` chooses its environment.
fn waiting(found: Option<(Claim, Option<Answer>)>, named: Option<&str>, option: &str) -> Result<Claim, CliError> {
    let see_them = format!("see them: `stagecraft runs{option}`");
    let named = named.map(RunId::new).transpose();
    let named = named.map_err(|error| CliError::usage(error.to_string(), &see_them))?;
    let Some((claim, answer)) = found else {
        return Err(CliError::usage("no run waits for an answer", see_them));
    };
    let run = &claim.petition.run;
    if let Some(other) = named.filter(|named| named != run) {
        let what = format!("run {other} does not wait for an answer; {run} does");
        return Err(CliError::usage(what, format!("answer that one: `stagecraft approve {run}{option}`")));
    }
    if let Some(answer) = answer {
        let what = format!("run {run} has its answer: {} by {}, {:.0}", answer.word.word(), answer.who, answer.time);
        return Err(CliError::usage(what, format!("if its process is gone: `stagecraft resume {run}{option}`")));
    }
    if claim.petition.until < Timestamp::now() {
        let what = format!("run {run} has waited until {:.0}, and its time is over", claim.petition.until);
        return Err(CliError::usage(
            what,
            format!("put it back: `stagecraft undo {run}{option}`; or start anew: `stagecraft deploy{option}`"),
        ));
    }
    Ok(claim)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::{SignedDuration, Timestamp};
    use stdlib::{model::RunId, plan::Key};

    use super::waiting;
    use crate::{
        cli::CliError,
        engine::{Answer, Petition, Word},
        mirror::Claim,
    };

    fn claim(within: SignedDuration) -> Claim {
        let since = Timestamp::now();
        let (run, key) = (RunId::new("0199-a").unwrap(), Key::root().child("approve"));
        let petition = Petition { run, key, message: "live?".into(), since, until: since + within };
        Claim::new("ann@desk".into(), "deploy".into(), petition, BTreeMap::new())
    }

    // spec: gate.approve
    #[test]
    fn what_cannot_be_answered_says_what_to_do_in_its_environment() {
        let hour = SignedDuration::from_hours(1);
        let answered = Answer { word: Word::Denied, who: "bob@desk".into(), time: Timestamp::now() };
        let cases = [
            (None, None, "see them: `stagecraft runs -e staging`"),
            (Some((claim(hour), None)), Some("a/b"), "see them: `stagecraft runs -e staging`"),
            (Some((claim(hour), None)), Some("0199-b"), "answer that one: `stagecraft approve 0199-a -e staging`"),
            (
                Some((claim(hour), Some(answered))),
                None,
                "if its process is gone: `stagecraft resume 0199-a -e staging`",
            ),
            (
                Some((claim(-hour), None)),
                None,
                "put it back: `stagecraft undo 0199-a -e staging`; or start anew: `stagecraft deploy -e staging`",
            ),
        ];
        for (found, named, expected) in cases {
            let Err(CliError::Usage { hint, .. }) = waiting(found, named, " -e staging") else { panic!("{expected}") };
            assert_eq!(hint.as_deref(), Some(expected));
        }
        assert_eq!(waiting(Some((claim(hour), None)), Some("0199-a"), "").unwrap().petition.run.as_str(), "0199-a");
    }
}
