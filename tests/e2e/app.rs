//! Test applications: a directory with a Compose file, a Dockerfile and a stagecraft.yml.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{lab, stagecraft::state};

/// A project in a directory of its own, removed from its places at the end.
pub struct App {
    pub directory: TempDir,
    pub project: String,
    places: Vec<lab::Place>,
}

impl App {
    /// A project with one service `web` on these hosts, routed at `app.test`.
    pub fn web(project: &str, places: &[lab::Place], http: u16) -> Self {
        let app = Self::empty(project, places);
        app.write("compose.yaml", "services:\n  web:\n    build: .\n    environment:\n      SECRET: tops3cret\n");
        app.write(
            "stagecraft.yml",
            &app.manifest(
                http,
                "  web:\n    route: { host: app.test, port: 8080, tls: off }\n    health: { path: /up }\n",
            ),
        );
        app.version("v1");
        app
    }

    pub fn empty(project: &str, places: &[lab::Place]) -> Self {
        assert!(
            project.starts_with("e2e-"),
            "{project}: by this beginning the tests tell their projects from other people's"
        );
        for place in places {
            place.refuse_others();
        }
        let directory = tempfile::Builder::new().prefix(project).tempdir().expect("a directory");
        fs::copy(lab::labtool(), directory.path().join("app")).expect("labtool is in the lab's cache");
        for place in places {
            place.clean(project);
        }
        Self { directory, project: project.to_owned(), places: places.to_vec() }
    }

    /// stagecraft.yml with the hosts of this application and the given services.
    pub fn manifest(&self, http: u16, services: &str) -> String {
        let hosts: Vec<String> = self
            .places
            .iter()
            .map(|place| match place {
                lab::Place::Here => "  here: { address: local }".to_owned(),
                lab::Place::Host(host) => lab::host_line(*host, "web"),
            })
            .collect();
        let (project, hosts) = (&self.project, hosts.join("\n"));
        format!(
            "version: 1\nproject: {project}\nhosts:\n{hosts}\nservices:\n{services}ingress: {{ http: {http}, https: {} }}\n",
            http + 1
        )
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().expect("a file in a directory")).expect("a writable directory");
        fs::write(path, text).expect("a writable directory");
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).expect(file)
    }

    /// The image of another version: one layer the same, one variable that differs.
    pub fn version(&self, version: &str) {
        self.version_with(version, "");
    }

    /// More lines for the Dockerfile, such as `ENV UNHEALTHY=1`.
    pub fn version_with(&self, version: &str, more: &str) {
        self.write(
            "Dockerfile",
            &format!("FROM scratch\nCOPY app /app\nENV VERSION={version}\n{more}\nENTRYPOINT [\"/app\", \"serve\"]\n"),
        );
    }

    /// Containers of the project on a host of the lab, also stopped ones; the state's own does not count.
    pub fn containers(&self, host: u8) -> usize {
        self.count(host, "-a")
    }

    /// Running containers of the project on a host of the lab.
    pub fn running(&self, host: u8) -> usize {
        self.count(host, "")
    }

    fn count(&self, host: u8, which: &str) -> usize {
        lab::ssh(host, &format!("docker ps -q {which} --filter label=com.docker.compose.project={}", self.project))
            .lines()
            .count()
    }

    /// The version that answers at the ingress of a host of the lab.
    pub fn version_on(host: u8, http: u16) -> String {
        let url = format!("http://{}:{http}/", lab::address(host));
        lab::local(&format!("curl -s --max-time 5 -H 'Host: app.test' {url}"))
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    pub fn snapshot(&self) -> Vec<String> {
        self.places.iter().map(|place| place.snapshot(&self.project)).collect()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(state(self.path()));
        // A failed test leaves its hosts as they are, to be looked at.
        if !std::thread::panicking() {
            for place in &self.places {
                place.clean(&self.project);
            }
        }
    }
}
