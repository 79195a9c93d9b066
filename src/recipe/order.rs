//! The order in which services are rolled out.

use std::{collections::BTreeSet, rc::Rc};

use stdlib::model::{JobTime, Service, ServiceName};

/// Dependencies first. Jobs that run before the rollout come as early as what they depend on allows, with that in front of
/// them; other jobs are left out. Else the order is that of `services`.
pub fn in_order(services: &[Rc<Service>]) -> Vec<Rc<Service>> {
    let mut walk = Walk { services, seen: BTreeSet::new(), ordered: Vec::new() };
    for service in services.iter().filter(|service| service.job == Some(JobTime::Before)) {
        walk.visit(service);
    }
    for service in services.iter().filter(|service| service.job.is_none()) {
        walk.visit(service);
    }
    walk.ordered.retain(|service| matches!(service.job, None | Some(JobTime::Before)));
    walk.ordered
}

/// The jobs of this time, dependencies first.
pub fn jobs(services: &[Rc<Service>], time: JobTime) -> Vec<Rc<Service>> {
    let mut walk = Walk { services, seen: BTreeSet::new(), ordered: Vec::new() };
    for service in services {
        walk.visit(service);
    }
    walk.ordered.retain(|service| service.job == Some(time));
    walk.ordered
}

struct Walk<'a> {
    services: &'a [Rc<Service>],
    seen: BTreeSet<ServiceName>,
    ordered: Vec<Rc<Service>>,
}

impl Walk<'_> {
    fn visit(&mut self, service: &Rc<Service>) {
        if !self.seen.insert(service.name.clone()) {
            return;
        }
        for dependency in &service.depends_on {
            if let Some(needed) = self.services.iter().find(|other| other.name == dependency.service) {
                self.visit(&Rc::clone(needed));
            }
        }
        self.ordered.push(Rc::clone(service));
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use stdlib::model::{JobTime, Service};

    use super::{in_order, jobs};
    use crate::recipe::sample::service;

    fn names(services: &[Rc<Service>]) -> Vec<&str> {
        services.iter().map(|service| service.name.as_str()).collect()
    }

    fn shop() -> Vec<Rc<Service>> {
        let job = |name, time, needs: &[&str]| Service { job: Some(time), ..service(name, needs) };
        let services = [
            job("report", JobTime::After, &["web"]),
            service("web", &["cache", "db"]),
            service("cache", &[]),
            job("seed", JobTime::Before, &["migrate"]),
            job("migrate", JobTime::Before, &["db"]),
            service("db", &[]),
            job("repair", JobTime::Manual, &[]),
        ];
        services.into_iter().map(Rc::new).collect()
    }

    #[test]
    fn jobs_come_after_what_they_need_and_before_the_rest() {
        assert_eq!(names(&in_order(&shop())), ["db", "migrate", "seed", "cache", "web"]);
    }

    #[test]
    fn jobs_of_one_time() {
        assert_eq!(names(&jobs(&shop(), JobTime::Before)), ["migrate", "seed"]);
        assert_eq!(names(&jobs(&shop(), JobTime::After)), ["report"]);
    }

    #[test]
    fn what_is_not_in_the_list_is_not_brought_in() {
        let some: Vec<_> = shop().into_iter().filter(|service| service.name.as_str() != "db").collect();
        assert_eq!(names(&in_order(&some)), ["migrate", "seed", "cache", "web"]);
    }
}
