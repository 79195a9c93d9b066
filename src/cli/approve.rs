//! `stagecraft approve`.

use jiff::Timestamp;
use stdlib::model::{RunId, Span};

use super::{CliError, Exit, Global, desk, last_line::LastLine, lock, prepare::new_run, project, session::Session};
use crate::{
    engine::{Answer, Word},
    mirror::{self, Claim},
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
    let mut project = project::load(global).await?;
    // The other hosts have no part in it.
    let home = project.topology.home.clone();
    project.topology.hosts.retain(|host| host.name == home);
    let session = Session::connect(project).await?;
    let answered = answer(&session, args.run.as_deref(), word).await;
    session.close().await;
    let claim = answered?;
    if !global.quiet && !global.json {
        let run = &claim.petition.run;
        println!("{}: {}", word.word(), claim.petition.message);
        println!("run {run} of {} goes on; if its process is gone: `stagecraft resume {run}`", claim.who);
    }
    last.print(Exit::Done, None, &session.hosts);
    Ok(Exit::Done)
}

async fn answer(session: &Session, named: Option<&str>, word: Word) -> Result<Claim, CliError> {
    let guard = lock::hold(session, &lock::holder(&new_run(), "approve"), LOCK).await?;
    let (home, project) = (session.home(), &session.project.compose.project);
    let written = async {
        let found = mirror::read_claim(home, project).await?;
        let claim = waiting(found, named)?;
        mirror::answer(home, project, &claim, &desk::answer(word)).await?;
        Ok(claim)
    };
    let written = written.await;
    guard.release().await;
    written
}

/// The claim that is to be answered.
fn waiting(found: Option<(Claim, Option<Answer>)>, named: Option<&str>) -> Result<Claim, CliError> {
    let named = named.map(RunId::new).transpose();
    let named = named.map_err(|error| CliError::usage(error.to_string(), "see them: `stagecraft runs`"))?;
    let Some((claim, answer)) = found else {
        return Err(CliError::usage("no run waits for an answer", "see them: `stagecraft runs`"));
    };
    let run = &claim.petition.run;
    if let Some(other) = named.filter(|named| named != run) {
        let what = format!("run {other} does not wait for an answer; {run} does");
        return Err(CliError::usage(what, format!("answer that one: `stagecraft approve {run}`")));
    }
    if let Some(answer) = answer {
        let what = format!("run {run} has its answer: {} by {}, {:.0}", answer.word.word(), answer.who, answer.time);
        return Err(CliError::usage(what, format!("if its process is gone: `stagecraft resume {run}`")));
    }
    if claim.petition.until < Timestamp::now() {
        let what = format!("run {run} has waited until {:.0}, and its time is over", claim.petition.until);
        return Err(CliError::usage(
            what,
            format!("put it back: `stagecraft undo {run}`; or start anew: `stagecraft deploy`"),
        ));
    }
    Ok(claim)
}
