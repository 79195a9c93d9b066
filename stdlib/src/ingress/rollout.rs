//! What a rollout asks of the ingress; each appends operations.

use super::{
    CONTAINER, Enroll, Member, NETWORK, Route, Switch, Up,
    fragment::{Entry, Fragment, Server},
    pool::{self, Place},
    seats::Seat,
};
use crate::{
    facts::HostFacts,
    function::{PlanError, Planning},
    model::{HostName, IngressSettings, Rollout, Service, ServiceName},
    plan::Scope,
};

fn facts<'a>(planning: &Planning<'a>, host: &HostName) -> Result<&'a HostFacts, PlanError> {
    planning.facts.host(host).ok_or_else(|| PlanError::Refused {
        message: format!("nothing is known of host {host}"),
        hint: Some("name a host of stagecraft.yml".into()),
    })
}

/// Makes sure that the host's ingress runs, and that it has a backend and a certificate for the service. Appends nothing where
/// that is so.
pub fn open(planning: &Planning<'_>, scope: &mut Scope, host: &HostName, service: &Service) -> Result<(), PlanError> {
    let facts = facts(planning, host)?;
    match Place::of(planning, facts, service) {
        Some(place) => prepare(planning, scope, facts, &place),
        None => Ok(()),
    }
}

/// Adds `members` to the backend without traffic, and waits until the ingress's own checks see them ready.
pub fn enroll(
    planning: &Planning<'_>,
    scope: &mut Scope,
    host: &HostName,
    service: &Service,
    members: &[Member],
) -> Result<(), PlanError> {
    let facts = facts(planning, host)?;
    let Some(place) = Place::of(planning, facts, service) else { return Ok(()) };
    prepare(planning, scope, facts, &place)?;
    let seats = members.iter().map(|member| place.seat(service, member)).collect();
    scope.operation(Some(host), &Enroll { seats, timeout: service.rollout.timeout });
    Ok(())
}

fn prepare(planning: &Planning<'_>, scope: &mut Scope, facts: &HostFacts, place: &Place) -> Result<(), PlanError> {
    refuse_conflicts(facts, place)?;
    if facts.engine.desktop {
        return Err(PlanError::Refused {
            message: format!(
                "the engine of {} runs in a virtual machine (Docker Desktop), whose ingress cannot be reached",
                facts.name
            ),
            hint: Some("use a host with Docker Engine, or `ingress: { provider: none }`".into()),
        });
    }
    let running = facts.ingress.container.as_ref().is_some_and(|container| container.running);
    if running {
        refuse_other_ports(facts, &planning.topology.ingress)?;
    } else {
        let image = match (&facts.ingress.container, planning.ingress_image) {
            (Some(container), _) => container.image.clone(),
            (None, Some(image)) => image.tag(),
            (None, None) => {
                return Err(PlanError::Refused {
                    message: format!("{} has no ingress", facts.name),
                    hint: Some("make one: `stagecraft deploy`".into()),
                });
            }
        };
        let made = facts.networks.iter().any(|network| network.name == NETWORK);
        let subnet = if made { None } else { Some(pool::subnet(facts)?) };
        scope.once(Some(&facts.name), &Up { settings: planning.topology.ingress.clone(), image, subnet });
    }
    if place.needs_reload() {
        let (project, backend) = (place.project.clone(), place.backend.clone());
        let certificate = place.certificate.clone();
        let named = certificate.as_ref().and_then(|(name, _)| place.there.certificates.get(name));
        let certificate_before = named.cloned();
        scope.once(Some(&facts.name), &Route { project, backend, certificate, certificate_before });
    }
    Ok(())
}

/// The ingress is the host's, so that no project changes its ports under the others.
fn refuse_other_ports(facts: &HostFacts, wanted: &IngressSettings) -> Result<(), PlanError> {
    match pool::other_ports(facts, wanted) {
        Some((http, https)) => Err(PlanError::Refused {
            message: format!(
                "the ingress of {} listens on ports {http} and {https}, not on {} and {}",
                facts.name, wanted.http, wanted.https
            ),
            hint: Some(format!(
                "write `ingress: {{ http: {http}, https: {https} }}`, or end that ingress, and with it every route of the \
                 host until it is deployed again: `docker rm -f {CONTAINER}` on {}",
                facts.name
            )),
        }),
        None => Ok(()),
    }
}

/// A host name belongs to one project.
fn refuse_conflicts(facts: &HostFacts, place: &Place) -> Result<(), PlanError> {
    let all = Fragment::all(&facts.ingress.files).map_err(|why| PlanError::Refused {
        message: format!("the ingress of {}: {why}", facts.name),
        hint: Some("another version of Stagecraft may have written it".into()),
    })?;
    for (project, fragment) in all.iter().filter(|(project, _)| **project != place.project) {
        let held = |entry: &&Entry| place.routes.iter().any(|wanted| wanted.host == entry.host);
        if let Some(entry) = fragment.routes.iter().find(held) {
            return Err(PlanError::Refused {
                message: format!("{} is routed to project {project} on {} already", entry.host, facts.name),
                hint: Some("choose another host name, or take the route out of that project and deploy it".into()),
            });
        }
    }
    Ok(())
}

/// Where these containers sit now: by the files, or where they are only enrolled, by the runtime. Those that sit nowhere are
/// left out.
fn seated(facts: &HostFacts, there: &Fragment, members: &[Member]) -> Vec<Seat> {
    let seat = |member: &Member| {
        let on_disk = there.backends.iter().find_map(|backend| {
            let server = backend.servers.iter().find(|server| server.name == member.container)?;
            Some(Seat::of(backend, server.clone()))
        });
        on_disk.or_else(|| {
            let row = facts.ingress.servers.iter().find(|row| row.name == member.container)?;
            let backend = there.backends.iter().find(|backend| backend.name == row.backend)?;
            let server = Server { name: row.name.clone(), address: member.address, port: row.port };
            Some(Seat::of(backend, server))
        })
    };
    members.iter().filter_map(seat).collect()
}

/// `entering` take traffic, then `leaving` drain until they have no request in flight, and are removed from the backend.
pub fn switch(
    planning: &Planning<'_>,
    scope: &mut Scope,
    host: &HostName,
    service: &Service,
    entering: &[Member],
    leaving: &[Member],
) -> Result<(), PlanError> {
    let facts = facts(planning, host)?;
    let Some(place) = Place::of(planning, facts, service) else { return Ok(()) };
    // Where only the route or its certificate differs, nothing was started or enrolled before.
    prepare(planning, scope, facts, &place)?;
    let mut leaving = seated(facts, &place.there, leaving);
    let Strays { running, dead } = strays(facts, &place, &service.name, entering, &leaving);
    leaving.extend(running);
    let seats = entering.iter().map(|member| place.seat(service, member));
    let (staying, entering) = seats.partition(|seat| place.serves(seat));
    let routes_before = place.there.routes_replaced(&service.name, &place.routes);
    let operation = Switch {
        project: place.project.clone(),
        service: service.name.clone(),
        entering,
        leaving,
        dead,
        staying,
        certificates_before: place.there.certificates_of(&routes_before),
        routes_before,
        routes_after: place.routes,
        drain: service.rollout.drain,
        timeout: service.rollout.timeout,
    };
    scope.operation(Some(host), &operation);
    Ok(())
}

/// Servers of the service that should not be where they are, by the files or by the runtime.
#[derive(Default)]
struct Strays {
    /// In a backend that is not the service's own any more, and their container is one of those that enter or leave now.
    running: Vec<Seat>,
    /// Without a running container.
    dead: Vec<Seat>,
}

fn strays(facts: &HostFacts, place: &Place, service: &ServiceName, entering: &[Member], leaving: &[Seat]) -> Strays {
    let runs = |name: &str| facts.containers.iter().any(|container| container.running && container.name == name);
    let enters = |name: &str| entering.iter().any(|member| member.container == name);
    let leaves = |name: &str| leaving.iter().any(|seat| seat.name() == name);
    let on_disk = place.there.servers_of(service).map(|(backend, server)| Seat::of(backend, server.clone()));
    let begins = format!("{}:{service}:", place.project);
    let in_runtime = facts.ingress.servers.iter().filter(|row| row.backend.starts_with(&begins)).filter_map(|row| {
        let server = Server { name: row.name.clone(), address: row.address.parse().ok()?, port: row.port };
        Some(Seat { backend: row.backend.clone(), ..Seat::of(&place.backend, server) })
    });
    let mut strays = Strays::default();
    for seat in on_disk.chain(in_runtime) {
        let same = |other: &Seat| other.backend == seat.backend && other.name() == seat.name();
        if leaving.iter().chain(&strays.running).chain(&strays.dead).any(same) {
            continue;
        }
        let elsewhere = seat.backend != place.backend.name;
        if elsewhere && runs(seat.name()) && (enters(seat.name()) || leaves(seat.name())) {
            strays.running.push(seat);
        } else if !runs(seat.name()) && (elsewhere || !enters(seat.name())) {
            strays.dead.push(seat);
        }
    }
    strays
}

/// `leaving` drain and are removed from the backend; none enters. Appends nothing where none of them is in the pool. A service
/// that has no route any more, or is not placed on this host any more, loses its route too.
pub fn withdraw(
    planning: &Planning<'_>,
    scope: &mut Scope,
    host: &HostName,
    service: &Service,
    leaving: &[Member],
) -> Result<(), PlanError> {
    let keeps = service.route.is_some() && service.hosts.contains(host);
    take_out(
        planning,
        scope,
        host,
        &service.name,
        leaving,
        &service.rollout,
        if keeps { RouteAfter::Stays } else { RouteAfter::Goes },
    )
}

/// [`withdraw`] for a service that the application no longer has: its route goes too.
pub fn withdraw_removed(
    planning: &Planning<'_>,
    scope: &mut Scope,
    host: &HostName,
    service: &ServiceName,
    leaving: &[Member],
) -> Result<(), PlanError> {
    take_out(planning, scope, host, service, leaving, &Rollout::default(), RouteAfter::Goes)
}

/// What becomes of the route of a service whose containers leave.
#[derive(Clone, Copy)]
enum RouteAfter {
    Stays,
    Goes,
}

fn take_out(
    planning: &Planning<'_>,
    scope: &mut Scope,
    host: &HostName,
    service: &ServiceName,
    leaving: &[Member],
    rollout: &Rollout,
    route: RouteAfter,
) -> Result<(), PlanError> {
    let facts = facts(planning, host)?;
    let project = pool::project(planning);
    let there = Fragment::of(&facts.ingress, &project);
    let routes_before = there.routes_of(service);
    let leaving = seated(facts, &there, leaving);
    let routes_after = match route {
        RouteAfter::Stays => routes_before.clone(),
        RouteAfter::Goes => Vec::new(),
    };
    if leaving.is_empty() && routes_before == routes_after {
        return Ok(());
    }
    let operation = Switch {
        project,
        service: service.clone(),
        entering: Vec::new(),
        leaving,
        dead: Vec::new(),
        staying: Vec::new(),
        certificates_before: there.certificates_of(&routes_before),
        routes_before,
        routes_after,
        drain: rollout.drain,
        timeout: rollout.timeout,
    };
    scope.operation(Some(host), &operation);
    Ok(())
}
