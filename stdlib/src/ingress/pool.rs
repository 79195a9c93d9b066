//! What the facts say of a service's place in the ingress, and what it should be.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use sha2::{Digest, Sha256};

use super::{
    Member, NETWORK, certificate,
    configuration::ports,
    fragment::{Backend, Certificate, Entry, Fragment, Server, backend_name, check, entries},
    seats::Seat,
};
use crate::{
    facts::{HostFacts, ServerFact},
    function::{PlanError, Planning},
    model::{HostName, IngressSettings, Service},
};

/// Length of the network's prefix: 4,093 containers on a host.
const PREFIX: u32 = 20;
/// Where its subnet is looked for.
const FROM: u32 = u32::from_be_bytes([10, 210, 0, 0]);
const SUBNETS: u32 = 96;

/// The first address of the ingress network that no container has and that is not in `taken`, from a place on that is the
/// project's own: projects that plan at the same time see the same addresses free, and should not choose the same.
pub fn allocate(host: &HostFacts, project: &str, taken: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr, PlanError> {
    let (base, prefix) = parse(&subnet(host)?).expect("written here, or by the engine");
    let used: BTreeSet<Ipv4Addr> =
        host.containers.iter().filter_map(|fact| fact.addresses.get(NETWORK)).copied().collect();
    // The first is the network's own, the second its gateway's, the last its broadcast.
    let count = (1_u32 << (32 - prefix)) - 3;
    let start = place(project) % count;
    let addresses = (0..count).map(|step| Ipv4Addr::from(base + 2 + (start + step) % count));
    addresses.into_iter().find(|address| !used.contains(address) && !taken.contains(address)).ok_or_else(|| {
        PlanError::Refused {
            message: format!("the network {NETWORK} of {} has no address left", host.name),
            hint: Some(format!("remove containers that nothing needs: `stagecraft ssh {} docker ps -a`", host.name)),
        }
    })
}

/// A number that is the project's for good; below 2^31, so that adding to it does not overflow.
fn place(project: &str) -> u32 {
    let hash = Sha256::digest(project);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) >> 1
}

/// The subnet that the network has, or that it would be made with: the first that no other network of the engine has.
pub fn subnet(host: &HostFacts) -> Result<String, PlanError> {
    if let Some(network) = host.networks.iter().find(|network| network.name == NETWORK) {
        let found = network.subnets.iter().find(|subnet| parse(subnet).is_some());
        return found.cloned().ok_or_else(|| PlanError::Refused {
            message: format!("the network {NETWORK} of {} has no IPv4 subnet", host.name),
            hint: Some(format!("if nothing uses it, remove it: `docker network rm {NETWORK}`")),
        });
    }
    let others: Vec<(u32, u32)> =
        host.networks.iter().flat_map(|network| &network.subnets).filter_map(|subnet| parse(subnet)).collect();
    let overlaps = |base: u32| {
        others.iter().any(|(other, prefix)| {
            let shorter = PREFIX.min(*prefix);
            shorter == 0 || base >> (32 - shorter) == other >> (32 - shorter)
        })
    };
    let free = (0..SUBNETS).map(|number| FROM + (number << (32 - PREFIX))).find(|base| !overlaps(*base));
    free.map(|base| format!("{}/{PREFIX}", Ipv4Addr::from(base))).ok_or_else(|| PlanError::Refused {
        message: format!("{} has no free subnet for the network {NETWORK}", host.name),
        hint: Some("remove networks that nothing uses: `docker network prune`".into()),
    })
}

/// Base and prefix length of an IPv4 subnet.
fn parse(subnet: &str) -> Option<(u32, u32)> {
    let (address, prefix) = subnet.split_once('/')?;
    let (address, prefix): (Ipv4Addr, u32) = (address.parse().ok()?, prefix.parse().ok()?);
    (prefix <= 30).then(|| (u32::from(address), prefix))
}

/// The servers of the service on this host, by the runtime's account.
pub fn in_pool<'a>(planning: &Planning<'a>, host: &HostName, service: &Service) -> Vec<&'a ServerFact> {
    let Some(facts) = planning.facts.host(host) else { return Vec::new() };
    let begins = format!("{}:{}:", project(planning), service.name);
    facts.ingress.servers.iter().filter(|server| server.backend.starts_with(&begins)).collect()
}

/// The name under which the ingress knows the project.
pub fn project(planning: &Planning<'_>) -> String {
    planning.release.application.compose_project()
}

/// What the ingress of a host should have for a service, and what it has.
pub struct Place {
    pub project: String,
    /// Without servers.
    pub backend: Backend,
    pub routes: Vec<Entry>,
    pub certificate: Option<(String, Certificate)>,
    pub there: Fragment,
}

impl Place {
    /// `None` for a service without a route.
    pub fn of(planning: &Planning<'_>, host: &HostFacts, service: &Service) -> Option<Self> {
        let project = project(planning);
        let check = check(service)?;
        let there = Fragment::of(&host.ingress, &project);
        let route = service.route.as_ref()?;
        let name = backend_name(&project, &service.name, &check, route.port);
        let host_name = route.host.clone();
        let certificate = certificate::wanted(service, there.certificates.get(&host_name));
        let certificate = certificate.map(|certificate| (host_name, certificate));
        let routes = entries(service, &name);
        let backend = Backend { name, service: service.name.clone(), check, servers: Vec::new() };
        Some(Self { project, backend, routes, certificate, there })
    }

    pub fn seat(&self, service: &Service, member: &Member) -> Seat {
        let port = service.route.as_ref().map_or(0, |route| route.port);
        Seat::of(&self.backend, Server { name: member.container.clone(), address: member.address, port })
    }

    /// Whether the files have this very server in service already.
    pub fn serves(&self, seat: &Seat) -> bool {
        let backends = self.there.backends.iter().filter(|backend| backend.name == seat.backend);
        backends.flat_map(|backend| &backend.servers).any(|server| *server == seat.server)
    }

    /// Whether a reload is needed before the service can be switched.
    pub fn needs_reload(&self) -> bool {
        let backend = self.there.backends.iter().any(|backend| backend.name == self.backend.name);
        let certified =
            self.certificate.as_ref().is_none_or(|(host, wanted)| self.there.certificates.get(host) == Some(wanted));
        !backend || !certified
    }
}

/// The HTTP and the HTTPS port that the host's ingress listens on, where they are not those that are wanted.
pub fn other_ports(host: &HostFacts, wanted: &IngressSettings) -> Option<(u16, u16)> {
    let there = host.ingress.files.get("haproxy.cfg").and_then(|text| ports(text));
    there.filter(|ports| *ports != (wanted.http, wanted.https))
}

/// Whether the host's ingress (container, files and runtime) is exactly as it should be when `members` serve.
pub fn is_current(planning: &Planning<'_>, host: &HostName, service: &Service, members: &[Member]) -> bool {
    let Some(facts) = planning.facts.host(host) else { return false };
    let Some(place) = Place::of(planning, facts, service) else { return false };
    if !facts.ingress.container.as_ref().is_some_and(|container| container.running) || place.needs_reload() {
        return false;
    }
    if other_ports(facts, &planning.topology.ingress).is_some() {
        return false;
    }
    let wanted: BTreeMap<String, Server> = members
        .iter()
        .map(|member| place.seat(service, member).server)
        .map(|server| (server.name.clone(), server))
        .collect();
    let on_disk: BTreeMap<String, Server> = place
        .there
        .servers_of(&service.name)
        .filter(|(backend, _)| backend.name == place.backend.name)
        .map(|(_, server)| (server.name.clone(), server.clone()))
        .collect();
    let elsewhere = place.there.servers_of(&service.name).any(|(backend, _)| backend.name != place.backend.name);
    let running = in_pool(planning, host, service);
    let serving = running.iter().all(|server| {
        server.backend == place.backend.name
            && server.ready
            && wanted.get(&server.name).is_some_and(|wanted| same(wanted, server))
    });
    let routed = |entry: &Entry| facts.ingress.routes.get(&entry.key()) == Some(&entry.value());
    place.there.routes_of(&service.name) == place.routes
        && place.routes.iter().all(routed)
        && on_disk == wanted
        && !elsewhere
        && serving
        && running.len() == wanted.len()
}

fn same(wanted: &Server, server: &ServerFact) -> bool {
    server.address == wanted.address.to_string() && server.port == wanted.port
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        net::Ipv4Addr,
    };

    use super::{allocate, other_ports, parse, subnet};
    use crate::{
        facts::{HostFacts, NetworkFact, fixture},
        ingress::{
            NETWORK,
            configuration::{Addresses, host_configuration},
        },
        model::{IngressProvider, IngressSettings},
    };

    fn host(subnets: &[&str]) -> HostFacts {
        let network = |(number, subnet): (usize, &&str)| NetworkFact {
            name: format!("net-{number}"),
            labels: BTreeMap::default(),
            subnets: vec![(*subnet).to_owned()],
        };
        HostFacts { networks: subnets.iter().enumerate().map(network).collect(), ..fixture::host("h1") }
    }

    #[test]
    fn a_subnet_that_no_network_has() {
        assert_eq!(subnet(&host(&[])).unwrap(), "10.210.0.0/20");
        assert_eq!(subnet(&host(&["172.18.0.0/16"])).unwrap(), "10.210.0.0/20");
        assert_eq!(subnet(&host(&["10.210.4.0/24"])).unwrap(), "10.210.16.0/20");
        assert_eq!(subnet(&host(&["10.210.0.0/16"])).unwrap(), "10.211.0.0/20");
        assert!(subnet(&host(&["10.0.0.0/8"])).is_err());
        assert_eq!(parse("fd00::/64"), None);
    }

    #[test]
    fn projects_that_plan_at_once_choose_other_addresses() {
        let (host, none) = (host(&[]), BTreeSet::new());
        let first = |project: &str| allocate(&host, project, &none).unwrap();
        assert_eq!(first("shop"), first("shop"));
        let projects: Vec<String> = (0..20).map(|number| format!("project-{number}")).collect();
        let addresses: BTreeSet<Ipv4Addr> = projects.iter().map(|project| first(project)).collect();
        assert_eq!(addresses.len(), projects.len());
    }

    #[test]
    fn every_address_is_given_once() {
        let network =
            NetworkFact { name: NETWORK.into(), subnets: vec!["10.9.8.0/28".into()], labels: BTreeMap::new() };
        let host = HostFacts { networks: vec![network], ..fixture::host("h1") };
        let mut taken = BTreeSet::new();
        while let Ok(address) = allocate(&host, "shop", &taken) {
            assert!(taken.insert(address));
        }
        let all: BTreeSet<Ipv4Addr> = (2..15).map(|last| Ipv4Addr::new(10, 9, 8, last)).collect();
        assert_eq!(taken, all);
    }

    #[test]
    fn ports_that_are_not_the_wanted_ones() {
        let settings = |http| {
            let image = "haproxy:3.2".to_owned();
            IngressSettings { provider: IngressProvider::Haproxy, image, http, https: 443 }
        };
        let mut host = host(&[]);
        assert_eq!(other_ports(&host, &settings(80)), None, "no ingress listens yet");
        let text = host_configuration(&settings(80), 996, Addresses::Ipv4);
        host.ingress.files.insert("haproxy.cfg".into(), text);
        assert_eq!(other_ports(&host, &settings(80)), None);
        assert_eq!(other_ports(&host, &settings(8080)), Some((80, 443)));
    }
}
