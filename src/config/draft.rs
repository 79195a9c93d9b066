//! What stagecraft.yml says for one environment, checked as far as it can be without the Compose model.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use stdlib::{
    compose::{ComposeCli, Model},
    model::{
        EnvironmentName, HostName, HostSettings, IngressSettings, ProjectName, ServiceName, Topology, Transfer, Values,
        compose_project,
    },
};

use super::{
    Diagnostic, FILE, delivery, environment,
    file::File,
    findings::Findings,
    hosts,
    pipelines::{self, Pipeline},
    placement::{self, Application, Placed},
    project::Project,
    routes::{Entrance, Protection},
    services::{self, Ground, Settings},
    shape::{Setting, Shape as _},
    sources::Sources,
    values::Words,
    yaml::{self, Tags},
};

const RETAIN: u32 = 5;

/// A project without its Compose model.
#[derive(Debug)]
pub struct Draft {
    pub compose: ComposeCli,
    project: ProjectName,
    environment: EnvironmentName,
    hosts: Vec<HostSettings>,
    home: HostName,
    transfer: Transfer,
    ingress: IngressSettings,
    retain: u32,
    pipelines: Vec<Pipeline>,
    services: Vec<Settings>,
}

impl Draft {
    /// Reads the text for one environment. `None` when too little is right to call Compose; what is wrong is among the
    /// findings. `directory` is absolute.
    pub fn read(directory: &Path, text: &str, environment: Option<&str>, findings: &mut Findings) -> Option<Self> {
        let file = parse(text, findings)?;
        let pipelines = pipelines::resolve(&file, findings);
        let transfer = delivery::transfer(&file, findings);
        let ingress = delivery::ingress(&file, findings);
        let files = existing(&file.compose, directory, findings);
        let chosen = environment::choose(&file, environment, findings)?;
        let env_files = existing(&chosen.env_files, directory, findings);
        let hosts = hosts::resolve(&chosen, directory, findings);
        let home = hosts::home_of(&chosen, &hosts, findings);
        let ground = Ground { directory, hosts: &hosts, provider: ingress.provider };
        let services = services::settings(&chosen.services, ground, findings);
        // Compose can say what is wrong with its files whatever the project is called.
        let unnamed = || ProjectName::new("unnamed").expect("a valid name");
        let project = file.project.value().cloned().unwrap_or_else(unnamed);
        let compose = ComposeCli {
            directory: directory.to_owned(),
            files: files?,
            env_files: env_files?,
            profiles: chosen.profiles.value().map_or(Vec::new(), |words| words.texts().map(str::to_owned).collect()),
            project: compose_project(&project, &chosen.name),
        };
        Some(Self {
            compose,
            project,
            environment: chosen.name,
            hosts,
            home: home?,
            transfer,
            ingress,
            retain: file.retain.or(RETAIN),
            pipelines,
            services,
        })
    }

    /// Holds it against the Compose model. A project only when nothing at all was found wrong.
    pub fn finish(self, model: Model, sources: &Sources, findings: &mut Findings) -> Option<Project> {
        let directory = self.compose.directory.clone();
        let application =
            Application { model: &model, sources, directory: &directory, hosts: &self.hosts, home: &self.home };
        let placed = placement::place(&self.services, application, findings);
        let values = values(&model, &placed);
        let project = self.with(model, placed, values);
        findings.errors.is_empty().then_some(project)
    }

    pub fn with(self, model: Model, placed: BTreeMap<ServiceName, Placed>, values: Values) -> Project {
        let topology = Topology {
            project: self.project,
            environment: self.environment,
            hosts: self.hosts,
            home: self.home,
            transfer: self.transfer,
            ingress: self.ingress,
            retain: self.retain,
        };
        Project {
            directory: self.compose.directory.clone(),
            topology,
            without: Vec::new(),
            compose: self.compose,
            pipelines: self.pipelines,
            model,
            placed,
            values,
        }
    }
}

/// Reads the text into settings.
pub fn parse(text: &str, findings: &mut Findings) -> Option<File> {
    match yaml::parse(text, Tags::Standard) {
        Ok(Some(node)) => File::read(&node, findings),
        Ok(None) => {
            findings
                .errors
                .push_mut(Diagnostic::of_file(FILE, "the file is empty"))
                .help("`stagecraft init` writes one");
            None
        }
        Err(unreadable) => {
            let mut diagnostic = Diagnostic::of_file(FILE, unreadable.message);
            diagnostic.span = unreadable.span;
            text.clone_into(&mut diagnostic.source);
            diagnostic.help = unreadable.help.map(str::to_owned);
            findings.errors.push(diagnostic);
            None
        }
    }
}

/// The values of today's files.
fn values(model: &Model, placed: &BTreeMap<ServiceName, Placed>) -> Values {
    let environment =
        model.services.iter().map(|(name, service)| (name.clone(), service.environment.clone())).collect();
    let own = |entrance: &Entrance| match &entrance.tls {
        Protection::Own(pem) => Some((format!("tls/{}", entrance.host), pem.clone())),
        Protection::Off | Protection::Internal => None,
    };
    let files = placed.values().filter_map(|service| service.route.as_ref()).filter_map(own).collect();
    Values { environment, files }
}

/// The files that a list names, absolute; those that are not there are found wrong.
fn existing(words: &Setting<Words>, directory: &Path, findings: &mut Findings) -> Option<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut all = !matches!(words, Setting::Wrong);
    for (word, span) in words.value().map_or(&[][..], |words| &words.0) {
        let file = directory.join(word);
        if !file.is_file() {
            findings.error(span, format!("there is no file {word}")).help("paths count from stagecraft.yml");
            all = false;
        }
        files.push(file);
    }
    all.then_some(files)
}
