//! The application that the faults happen to: `web` with a route on three hosts, `store` with a volume on the first, and a
//! migration before each release.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    app::App,
    lab::{self, Place},
    load::Load,
    stagecraft::{command, state},
};

pub const HTTP: u16 = 8500;
const HOSTS: [Place; 3] = [Place::Host(1), Place::Host(2), Place::Host(3)];
/// Requests a second to each host.
const RATE: u32 = 70;

pub struct Fleet {
    pub app: App,
    /// What an undisturbed deploy has left: counts that every later check must find again.
    shape: Vec<String>,
}

impl Fleet {
    /// With version `v1` deployed.
    pub fn deployed(project: &str) -> Self {
        let app = App::empty(project, &HOSTS);
        app.write(
            "compose.yaml",
            "services:\n  \
               web: { build: . }\n  \
               store:\n    build: { context: ., dockerfile: Dockerfile.store }\n    volumes: [\"data:/data\"]\n    \
                 environment: { DATA_DIR: /data }\n    stop_grace_period: 2s\n  \
               migrate:\n    build: { context: ., dockerfile: Dockerfile.migrate }\n    \
                 environment: { STORE_ADDR: \"store:5432\" }\n    depends_on: [store]\n\
             volumes: { data: {} }\n",
        );
        app.write("Dockerfile.store", "FROM scratch\nCOPY app /app\nENTRYPOINT [\"/app\", \"store\"]\n");
        app.write(
            "stagecraft.yml",
            &app.manifest(
                HTTP,
                "  web:\n    route: { host: app.test, port: 8080, tls: off }\n    health: { path: /up }\n    rollout: { bake: 0s }\n  \
                   store:\n    on: h1\n    rollout: { strategy: stop-first }\n  \
                   migrate: { on: h1, job: before }\n",
            ),
        );
        let mut fleet = Self { app, shape: Vec::new() };
        fleet.version("v1");
        crate::stagecraft::stagecraft(fleet.app.path(), &["deploy", "--yes"]).exits(0);
        fleet.shape = (1..=3).map(|host| fleet.shape_of(host)).collect();
        fleet
    }

    pub fn version(&self, version: &str) {
        self.version_with(version, "");
    }

    /// More lines for the Dockerfile of `web`.
    pub fn version_with(&self, version: &str, more: &str) {
        self.app.version_with(version, more);
        self.app.write(
            "Dockerfile.migrate",
            &format!("FROM scratch\nCOPY app /app\nENV VERSION={version}\nENTRYPOINT [\"/app\", \"job\"]\n"),
        );
    }

    /// How long `web` stays in the pool before the commit, in the next deploys.
    pub fn bake(&self, seconds: u32) {
        let now = self.app.read("stagecraft.yml");
        let (before, after) = now.split_once("bake: ").expect("a bake");
        let (_, after) = after.split_once('s').expect("seconds");
        self.app.write("stagecraft.yml", &format!("{before}bake: {seconds}s{after}"));
    }

    pub fn load(hosts: &[u8]) -> Load {
        let to: Vec<String> = hosts.iter().map(|host| format!("{}:{HTTP}={RATE}", lab::address(*host))).collect();
        Load::start(&to.join(","), "app.test")
    }

    /// What must be the same after every run that ended well: how many containers of each service there are, running or
    /// not, networks and volumes.
    fn shape_of(&self, host: u8) -> String {
        let project = &self.app.project;
        lab::ssh(
            host,
            &format!(
                "docker ps -a --filter label=com.docker.compose.project={project} --format \
                   '{{{{.Label \"com.docker.compose.service\"}}}} {{{{.State}}}}' | sort | uniq -c; \
                 docker network ls --filter name={project} --format '{{{{.Name}}}}' | sort; \
                 docker volume ls --filter name={project} --format '{{{{.Name}}}}' | sort"
            ),
        )
    }

    /// Asserts that these hosts serve this version and no other, and have nothing left over.
    #[track_caller]
    pub fn is_on(&self, version: &str, hosts: &[u8], after: &str) {
        for host in hosts {
            assert_eq!(App::version_on(*host, HTTP), version, "h{host} after {after}");
            assert_eq!(self.shape_of(*host), self.shape[usize::from(*host) - 1], "what h{host} has after {after}");
        }
    }

    /// Asserts that these hosts serve one version, whichever.
    #[track_caller]
    pub fn agrees(hosts: &[u8], after: &str) -> String {
        let versions: Vec<String> = hosts.iter().map(|host| App::version_on(*host, HTTP)).collect();
        assert!(versions.iter().all(|version| *version == versions[0] && !version.is_empty()), "{after}: {versions:?}");
        versions[0].clone()
    }

    /// How often each version has been migrated to, in the order of the store.
    pub fn migrations(&self) -> Vec<String> {
        let path = format!("$(docker volume inspect -f '{{{{.Mountpoint}}}}' {}_data)/data.log", self.app.project);
        lab::ssh(1, &format!("cat {path}"))
            .lines()
            .map(|line| line.trim_start_matches("migrated ").to_owned())
            .collect()
    }

    #[track_caller]
    pub fn migrated_once(&self, version: &str, after: &str) {
        let all = self.migrations();
        assert_eq!(all.iter().filter(|entry| *entry == version).count(), 1, "{version} after {after}: {all:?}");
    }

    fn runs(&self) -> Vec<PathBuf> {
        let Ok(projects) = fs::read_dir(state(self.app.path()).join("stagecraft")) else { return Vec::new() };
        let runs = projects.filter_map(|project| fs::read_dir(project.ok()?.path().join("runs")).ok());
        let mut runs: Vec<PathBuf> = runs.flatten().filter_map(|run| Some(run.ok()?.path())).collect();
        runs.sort();
        runs
    }

    /// The operator's machine is gone, with all that it knew.
    pub fn forget(&self) {
        fs::remove_dir_all(state(self.app.path())).expect("a state");
    }

    pub fn newest_run(&self) -> PathBuf {
        self.runs().pop().expect("a run")
    }

    /// The lines of the newest run's journal.
    pub fn journal(&self) -> Vec<String> {
        self.runs().pop().map(|run| Self::journal_of(&run)).unwrap_or_default()
    }

    /// The whole lines of a run's journal.
    pub fn journal_of(run: &Path) -> Vec<String> {
        let text = fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
        text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect()
    }

    /// Starts a command and kills its process (SIGKILL) as soon as the journal of its new run has this many lines. Returns
    /// how many it had when the process was gone, or `None` when the run ended before.
    pub fn killed_at(&self, args: &[&str], lines: usize) -> Option<usize> {
        let before = self.runs().len();
        self.killed_when(args, || self.runs().len() > before && self.journal().len() >= lines)
            .map(|()| self.journal().len())
    }

    /// Starts a command and kills its process as soon as `when` holds; `None` when it ended before.
    pub fn killed_when(&self, args: &[&str], when: impl Fn() -> bool) -> Option<()> {
        let mut child = self.start(args);
        let until = Instant::now() + Duration::from_mins(1);
        while !when() {
            assert!(Instant::now() < until, "{args:?} did not get there within a minute");
            if child.try_wait().expect("a child").is_some() {
                return None;
            }
            sleep(Duration::from_micros(500));
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("it is gone");
        Some(())
    }

    pub fn start(&self, args: &[&str]) -> Child {
        let log = fs::File::create(self.app.path().with_extension("log")).expect("a log");
        let both = log.try_clone().expect("a log");
        command(self.app.path(), args).stdout(log).stderr(both).spawn().expect("stagecraft runs")
    }
}
