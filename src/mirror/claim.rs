//! A claim keeps other runs out while a run waits for a person's answer, and does not hold the lock.
//!
//! It stands in the environment's store on the home host, with the answer beside it, and outlives the run's process.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use stdlib::{
    failure::Failure,
    host::Host,
    model::HostName,
    release::store::{self, Shelf},
};

use crate::engine::{Answer, Petition};

/// The version of both files' format.
const VERSION: u32 = 1;

const DIRECTORY: &str = "claim";
const CLAIM: &str = "claim.json";
const ANSWER: &str = "answer.json";

/// Beyond the time limit, so that a run whose time is over can take the lock before others take it for dead.
const GRACE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub version: u32,
    /// `user@machine` of the run that waits.
    pub who: String,
    /// The command, recipe or pipeline.
    pub what: String,
    #[serde(flatten)]
    pub petition: Petition,
    /// Of each host, when the lock was let go.
    pub fingerprints: BTreeMap<HostName, String>,
}

impl Claim {
    pub fn new(who: String, what: String, petition: Petition, fingerprints: BTreeMap<HostName, String>) -> Self {
        Self { version: VERSION, who, what, petition, fingerprints }
    }

    /// Whether its time is over, by this machine's clock.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.petition.until + GRACE < now
    }
}

/// The claim that there is, and its answer.
pub async fn read_claim(
    home: &Arc<dyn Host>,
    compose_project: &str,
) -> Result<Option<(Claim, Option<Answer>)>, Failure> {
    let mut files = store::read(home.as_ref(), compose_project, Shelf::Runs, DIRECTORY).await?;
    let Some(claim) = files.remove(CLAIM) else { return Ok(None) };
    let claim: Claim = parse(home, &claim)?;
    let answer = files.remove(ANSWER).map(|answer| parse(home, &answer)).transpose()?;
    Ok(Some((claim, answer)))
}

fn parse<T: DeserializeOwned>(home: &Arc<dyn Host>, text: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(text).map_err(|error| {
        let what = format!("the claim on {} cannot be read: {error}", home.name());
        Failure::new(what).on(home.name()).hint("use the Stagecraft that made it")
    })
}

/// Under the environment's lock.
pub async fn write_claim(home: &Arc<dyn Host>, compose_project: &str, claim: &Claim) -> Result<(), Failure> {
    let claim = serde_json::to_vec(claim).expect("plain data");
    write(home, compose_project, &claim, &[]).await
}

/// Under the environment's lock.
pub async fn answer(
    home: &Arc<dyn Host>,
    compose_project: &str,
    claim: &Claim,
    answer: &Answer,
) -> Result<(), Failure> {
    let (claim, answer) = (serde_json::to_vec(claim), serde_json::to_vec(answer));
    write(home, compose_project, &claim.expect("plain data"), &answer.expect("plain data")).await
}

/// Under the environment's lock.
pub async fn clear(home: &Arc<dyn Host>, compose_project: &str) -> Result<(), Failure> {
    write(home, compose_project, &[], &[]).await
}

/// An empty file is one that is not there.
async fn write(home: &Arc<dyn Host>, compose_project: &str, claim: &[u8], answer: &[u8]) -> Result<(), Failure> {
    let (claim_file, answer_file) = (format!("{DIRECTORY}/{CLAIM}"), format!("{DIRECTORY}/{ANSWER}"));
    store::write(home, compose_project, Shelf::Runs, &[(&claim_file, claim), (&answer_file, answer)]).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use stdlib::{model::RunId, plan::Key};

    use super::Claim;
    use crate::engine::Petition;

    // spec: gate.approve
    #[test]
    fn a_claim_is_over_some_time_after_its_limit() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let petition = Petition {
            run: RunId::new("0199-a").unwrap(),
            key: Key::root().child("approve"),
            message: "live?".into(),
            since: at(0),
            until: at(60),
        };
        let claim = Claim::new("ann@desk".into(), "deploy".into(), petition, BTreeMap::new());
        assert!(!claim.is_over(at(61)) && claim.is_over(at(91)));
        let text = serde_json::to_string(&claim).unwrap();
        assert!(text.starts_with(r#"{"version":1,"who":"ann@desk","what":"deploy","run":"0199-a","key":"/approve","#));
        assert_eq!(serde_json::from_str::<Claim>(&text).unwrap(), claim);
    }
}
