//! What is live and what it came from, by the account of the environment's home host and of those that agree with it.

use super::{Facts, HostFacts};
use crate::{
    failure::Failure,
    model::{HostName, Release},
};

impl Facts {
    /// The release that is live.
    pub fn live(&self, home: &HostName) -> Option<&Release> {
        self.record(home, self.host(home)?.state.current?)
    }

    /// The live release and what it came from, by predecessor, as far as records are kept. A record that never became live is
    /// not among them.
    pub fn history(&self, home: &HostName) -> Vec<&Release> {
        let before = |release: &&Release| {
            let number = release.predecessor.filter(|before| *before < release.id.number)?;
            self.record(home, number)
        };
        std::iter::successors(self.live(home), before).collect()
    }

    /// A record, from the home or another host that has the same release live: a home that is new has the newest at most. A
    /// host that was away may have other releases under the same numbers, so it is not asked until it has followed.
    fn record(&self, home: &HostName, number: u64) -> Option<&Release> {
        let home = self.host(home)?;
        let agree = self.hosts.iter().filter(|host| host.state.current == home.state.current);
        let mut records = std::iter::once(home).chain(agree).flat_map(|host| &host.state.releases);
        records.find(|release| release.id.number == number)
    }

    /// Refuses a home that is behind another host: numbers only grow and the home commits first, so the state is elsewhere.
    ///
    /// # Errors
    ///
    /// Names the host that has the state, and how to keep it there.
    pub fn check_home(&self, home: &HostName) -> Result<(), Failure> {
        let Some(home) = self.host(home) else { return Ok(()) };
        let ahead = self.hosts.iter().filter(|host| host.state.current > home.state.current);
        // Of those that are furthest, the one with the longest memory; in the order of the file.
        let rank = |host: &&HostFacts| (host.state.current, host.state.releases.len());
        let Some(keeper) = ahead.rev().max_by_key(rank) else { return Ok(()) };
        let number = |host: &HostFacts| match host.state.current {
            Some(number) => format!("release {number}"),
            None => "no release".to_owned(),
        };
        let message = format!(
            "{} would keep the environment's state and knows of {}, but on {} {} is live",
            home.name,
            number(home),
            keeper.name,
            number(keeper)
        );
        Err(Failure::new(message).on(&home.name).hint(format!(
            "keep the state, and with it the way back, where it is: write `state: {}` in stagecraft.yml, beside `hosts`",
            keeper.name
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, HostFacts};
    use crate::{
        compose::fixture::{release, service},
        facts::{StateFacts, fixture},
        model::{HostName, Release, ReleaseId},
    };

    fn record(number: u64) -> Release {
        let id = ReleaseId { number, commit: None, dirty: false };
        Release { id, predecessor: Some(number - 1).filter(|before| *before > 0), ..release(service()) }
    }

    fn host(name: &str, current: Option<u64>, records: &[u64]) -> HostFacts {
        let releases = records.iter().map(|number| record(*number)).collect();
        HostFacts { state: StateFacts { current, releases, ..StateFacts::default() }, ..fixture::host(name) }
    }

    fn home() -> HostName {
        HostName::new("web-0").unwrap()
    }

    fn refused(hosts: Vec<HostFacts>) -> Option<(String, String)> {
        let failure = Facts { hosts }.check_home(&home()).err()?;
        Some((failure.message, failure.hint.unwrap()))
    }

    #[test]
    fn a_new_first_host_is_refused_with_the_one_that_has_the_state() {
        let hosts = vec![
            host("web-0", None, &[]),
            host("web-1", Some(7), &[5, 6, 7]),
            host("web-2", Some(7), &[5, 6, 7]),
            host("web-3", Some(7), &[7]),
        ];
        let (message, hint) = refused(hosts).unwrap();
        assert_eq!(
            message,
            "web-0 would keep the environment's state and knows of no release, but on web-1 release 7 is live"
        );
        assert_eq!(
            hint,
            "keep the state, and with it the way back, where it is: write `state: web-1` in stagecraft.yml, beside `hosts`"
        );
        let returned = vec![host("web-0", Some(3), &[2, 3]), host("web-1", Some(7), &[7])];
        let (message, _) = refused(returned).unwrap();
        assert_eq!(
            message,
            "web-0 would keep the environment's state and knows of release 3, but on web-1 release 7 is live"
        );
    }

    #[test]
    fn hosts_that_are_new_or_behind_the_home_are_none_of_its_business() {
        assert_eq!(refused(vec![host("web-0", None, &[]), host("web-1", None, &[])]), None);
        let hosts = vec![host("web-0", Some(7), &[6, 7]), host("web-1", Some(6), &[6]), host("web-2", None, &[])];
        assert_eq!(refused(hosts), None);
    }

    #[test]
    fn what_the_home_does_not_know_the_hosts_that_agree_with_it_do() {
        let numbers = |hosts: Vec<HostFacts>| -> Vec<u64> {
            let facts = Facts { hosts };
            facts.history(&home()).iter().map(|release| release.id.number).collect()
        };
        let known = host("web-1", Some(7), &[5, 6, 7]);
        assert_eq!(numbers(vec![host("web-0", Some(7), &[7]), known.clone()]), [7, 6, 5]);
        assert_eq!(numbers(vec![host("web-0", Some(7), &[]), known]), [7, 6, 5]);
        let behind = host("web-1", Some(5), &[5, 6]);
        assert_eq!(numbers(vec![host("web-0", Some(7), &[7, 8]), behind]), [7]);
        assert_eq!(numbers(vec![host("web-0", None, &[1])]), [0; 0]);
    }
}
