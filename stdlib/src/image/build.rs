//! Builds what a project needs on the operator's engine, before there is a plan: building changes no host.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::process::Command;

use super::{cli, content, identity::Identities};
use crate::{
    compose::ComposeCli,
    failure::Failure,
    host::Host,
    model::{Image, SecretValue, ServiceName, Values},
};

/// The longest that a build may take.
const BUILD_DEADLINE: Duration = Duration::from_hours(2);
/// The longest that a pull to the operator's engine may take.
const PULL_DEADLINE: Duration = Duration::from_hours(1);
/// The longest phrase of progress, in characters.
const PHRASE: usize = 100;

/// An image that a service needs.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    pub service: ServiceName,
    /// The name of the image on the operator's engine.
    pub source: String,
    /// Compose's `build` section; `None` for an image that is only named.
    pub build: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// Only what has changed since it was built.
    Changed,
    /// All, whatever is there.
    All,
}

/// The images of all requests.
#[derive(Debug)]
pub struct Resolved {
    pub images: BTreeMap<ServiceName, Image>,
    /// Those that were not there and have been built or pulled just now.
    pub made: Vec<Image>,
}

/// Builds the images whose content has changed, pulls those that are only named and missing, and returns the content
/// identity of each. `say` gets short phrases of progress.
///
/// An unchanged tree builds nothing, also when its `FROM` names a tag that has moved since: [`Rebuild::All`], or
/// `pull: true` in the `build` section, asks for that.
pub async fn resolve(
    compose: &ComposeCli,
    requests: &[BuildRequest],
    engine: &Arc<dyn Host>,
    platform: &str,
    rebuild: Rebuild,
    say: &(dyn Fn(&str) + Send + Sync),
) -> Result<Resolved, Failure> {
    let work = Work { compose, engine, platform, rebuild, say };
    let secrets = Arc::new(build_secrets(compose, requests).await?);
    let wanted = try_join_all(requests.iter().map(|request| work.wanted(request, &secrets))).await?;
    work.build(&wanted, &secrets).await?;
    work.pull(&wanted).await?;
    let references: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.reference.as_str()).collect();
    let identities = Identities::new(engine, platform).await?;
    let digests = try_join_all(references.into_iter().map(|reference| identities.digest(reference))).await?;
    let digests: BTreeMap<&str, String> = digests.into_iter().collect();
    let image = |wanted: &Wanted<'_>| Image {
        source: wanted.request.source.clone(),
        digest: digests[wanted.reference.as_str()].clone(),
        platform: platform.to_owned(),
    };
    let images = wanted.iter().map(|wanted| (wanted.request.service.clone(), image(wanted))).collect();
    Ok(Resolved { images, made: wanted.iter().filter(|wanted| !wanted.there).map(image).collect() })
}

/// The values of all build secrets, by service and name; `None` for a service with one that cannot be read.
type BuildSecrets = BTreeMap<ServiceName, Option<BTreeMap<String, SecretValue>>>;

/// Compose is asked only when a build has secrets at all: where they come from stands outside the `build` sections.
async fn build_secrets(compose: &ComposeCli, requests: &[BuildRequest]) -> Result<BuildSecrets, Failure> {
    let names = |request: &BuildRequest| -> Vec<String> {
        let listed = request.build.as_ref().and_then(|build| build["secrets"].as_array()).into_iter().flatten();
        listed.filter_map(|secret| secret["source"].as_str().or(secret.as_str())).map(str::to_owned).collect()
    };
    let config = if requests.iter().all(|request| names(request).is_empty()) {
        Value::Null
    } else {
        let read = compose.config().await;
        // Its warnings have been shown when the project was read.
        let (config, _) = read.map_err(|text| Failure::new("Docker Compose refuses the project").detail(text))?;
        config
    };
    let value = |name: &String| {
        let definition = &config["secrets"][name];
        let from_file = definition["file"].as_str().and_then(|path| fs::read(path).ok());
        let from_environment = || std::env::var(definition["environment"].as_str()?).ok().map(String::into_bytes);
        let bytes = from_file.or_else(from_environment)?;
        Some((name.clone(), SecretValue::new(String::from_utf8_lossy(&bytes))))
    };
    let all = requests.iter().map(|request| (request.service.clone(), names(request).iter().map(value).collect()));
    Ok(all.collect())
}

/// A request with what is known of its image before anything is built.
struct Wanted<'a> {
    request: &'a BuildRequest,
    /// The name under which the image is found once it is built or pulled.
    reference: String,
    /// It is there already.
    there: bool,
}

struct Work<'a> {
    compose: &'a ComposeCli,
    engine: &'a Arc<dyn Host>,
    platform: &'a str,
    rebuild: Rebuild,
    say: &'a (dyn Fn(&str) + Send + Sync),
}

impl Work<'_> {
    async fn wanted<'a>(&self, request: &'a BuildRequest, secrets: &Arc<BuildSecrets>) -> Result<Wanted<'a>, Failure> {
        let Some(build) = request.build.clone() else {
            let there = self.engine.image(&request.source).await?.is_some();
            return Ok(Wanted { request, reference: request.source.clone(), there });
        };
        let (secrets, service, platform) = (Arc::clone(secrets), request.service.clone(), self.platform.to_owned());
        let hashing = move || content::hash(&build, secrets[&service].as_ref(), &platform);
        let hash = tokio::task::spawn_blocking(hashing).await.expect("hashing does not panic").map_err(|error| {
            Failure::new(format!("the build context of service {} cannot be read: {error}", request.service))
                .hint("make it readable, or name it in .dockerignore")
        })?;
        let Some(hash) = hash else {
            return Ok(Wanted { request, reference: request.source.clone(), there: false });
        };
        let reference = format!("stagecraft/build:{hash}");
        let there = self.rebuild == Rebuild::Changed && self.engine.image(&reference).await?.is_some();
        Ok(Wanted { request, reference, there })
    }

    /// Builds what is not there, in one call, each content once.
    async fn build(&self, wanted: &[Wanted<'_>], secrets: &BuildSecrets) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        let missing = wanted.iter().filter(|wanted| wanted.request.build.is_some() && !wanted.there);
        let missing: Vec<&Wanted<'_>> = missing.filter(|wanted| seen.insert(&wanted.reference)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        one_name_each(&missing)?;
        let services: Vec<&str> = missing.iter().map(|wanted| wanted.request.service.as_str()).collect();
        (self.say)(&format!("building {}", services.join(", ")));
        let hidden = hidden(missing.iter().map(|wanted| wanted.request), secrets);
        let outcome = cli::follow(self.build_command(&services), BUILD_DEADLINE, |line| {
            if let Some(step) = step(line) {
                (self.say)(&hidden.scrub(step).chars().take(PHRASE).collect::<String>());
            }
        });
        outcome.await.map_err(|output| failed(missing.iter().map(|wanted| wanted.request), &hidden.scrub(&output)))?;
        for wanted in missing.iter().filter(|wanted| wanted.reference != wanted.request.source) {
            self.engine.tag_image(&wanted.request.source, &wanted.reference).await?;
        }
        Ok(())
    }

    fn build_command(&self, services: &[&str]) -> Command {
        let mut command = self.compose.command();
        command.arg("build");
        if self.rebuild == Rebuild::All {
            command.arg("--no-cache");
        }
        // Compose reads values of arguments and secrets from its own files: none is on this command line.
        command.args(services).env("DOCKER_DEFAULT_PLATFORM", self.platform).env("BUILDKIT_PROGRESS", "plain");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Pulls images that are only named and not there, with the operator's own logins.
    async fn pull(&self, wanted: &[Wanted<'_>]) -> Result<(), Failure> {
        let missing = wanted.iter().filter(|wanted| wanted.request.build.is_none() && !wanted.there);
        let missing: BTreeMap<&str, &ServiceName> =
            missing.map(|wanted| (wanted.reference.as_str(), &wanted.request.service)).collect();
        try_join_all(missing.into_iter().map(|(source, service)| self.pull_one(source, service))).await?;
        Ok(())
    }

    async fn pull_one(&self, source: &str, service: &ServiceName) -> Result<(), Failure> {
        (self.say)(&format!("pulling {source}"));
        let mut command = Command::new("docker");
        command.args(["pull", "--quiet", "--platform", self.platform, source]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let pulled = cli::wait(command, PULL_DEADLINE).await;
        pulled.map(|_| ()).map_err(|output| {
            Failure::new(format!(
                "image {source} of service {service} is not on this machine's engine and cannot be pulled"
            ))
            .detail(output)
            .hint(format!(
                "see that the name is right, and that `docker pull {source}` works; log in with `docker login`"
            ))
        })
    }
}

/// Two contents under one name would be one image too few: Compose builds both, and the last one has the name.
fn one_name_each(missing: &[&Wanted<'_>]) -> Result<(), Failure> {
    let mut names: BTreeMap<&str, &ServiceName> = BTreeMap::new();
    for wanted in missing {
        let request = wanted.request;
        if let Some(other) = names.insert(&request.source, &request.service) {
            let service = &request.service;
            return Err(Failure::new(format!(
                "services {other} and {service} build different images under one name, {}",
                request.source
            ))
            .hint(format!("give {service} another `image:` in the Compose file")));
        }
    }
    Ok(())
}

/// What must not be seen in the builder's output.
fn hidden<'a>(requests: impl Iterator<Item = &'a BuildRequest>, secrets: &BuildSecrets) -> Values {
    let mut values = Values::default();
    for request in requests {
        let args = request.build.as_ref().and_then(|build| build["args"].as_object()).into_iter().flatten();
        let args = args.filter_map(|(name, value)| Some((name.clone(), SecretValue::new(value.as_str()?))));
        let secrets = secrets.get(&request.service).cloned().flatten().unwrap_or_default();
        // A file often ends with a newline that its use does not have.
        let secrets = secrets.into_iter().map(|(name, value)| (name, SecretValue::new(value.expose().trim())));
        let of_service = |(name, value)| (format!("{}/{name}", request.service), value);
        values.files.extend(args.chain(secrets).map(of_service));
    }
    values
}

/// `[web 2/3] COPY . /` of the builder's `#7 [web 2/3] COPY . /`; its own housekeeping has no step count.
fn step(line: &str) -> Option<&str> {
    let (number, step) = line.strip_prefix('#')?.split_once(' ')?;
    let (name, _) = step.strip_prefix('[')?.split_once(']')?;
    let (count, of) = name.rsplit(' ').next()?.split_once('/')?;
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    [number, count, of].into_iter().all(all_digits).then_some(step)
}

fn failed<'a>(requests: impl Iterator<Item = &'a BuildRequest>, output: &str) -> Failure {
    let name = |request: &BuildRequest| {
        let path = request.build.as_ref().and_then(content::dockerfile);
        let path = path.map_or("dockerfile_inline".to_owned(), |path| path.display().to_string());
        format!("{} ({path})", request.service)
    };
    let (names, services): (Vec<String>, Vec<&str>) =
        requests.map(|request| (name(request), request.service.as_str())).unzip();
    Failure::new(format!("building {} has failed", names.join(", ")))
        .detail(output)
        .hint(format!("mend the Dockerfile; `docker compose build {}` builds it by hand", services.join(" ")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{BuildRequest, failed, hidden, step};
    use crate::model::{SecretValue, ServiceName};

    fn request() -> BuildRequest {
        let build = json!({ "context": "/shop/web", "dockerfile": "Dockerfile", "args": { "TOKEN": "s3cret-arg", "UNSET": null } });
        BuildRequest { service: ServiceName::new("web").unwrap(), source: "shop-web".into(), build: Some(build) }
    }

    #[test]
    fn a_failed_build_names_service_and_dockerfile_and_hides_values() {
        let request = request();
        let token = BTreeMap::from([("npm".to_owned(), SecretValue::new("s3cret-file\n"))]);
        let hidden = hidden([&request].into_iter(), &BTreeMap::from([(request.service.clone(), Some(token))]));
        let failure = failed([&request].into_iter(), &hidden.scrub("RUN curl s3cret-arg s3cret-file failed"));
        assert_eq!(failure.message, "building web (/shop/web/Dockerfile) has failed");
        assert_eq!(failure.detail.as_deref(), Some("RUN curl … … failed"));
    }

    #[test]
    fn progress_is_the_builders_steps() {
        assert_eq!(step("#7 [web 2/3] COPY . /"), Some("[web 2/3] COPY . /"));
        assert_eq!(step("#1 [internal] load build definition from Dockerfile"), None);
        assert_eq!(step("#4 [web internal] load build context"), None);
        assert_eq!(step("#9 [web] exporting to image"), None);
        assert_eq!(step("#7 [1/1] COPY . /"), Some("[1/1] COPY . /"));
        assert_eq!(step("#7 DONE 0.1s"), None);
        assert_eq!(step("# comment"), None);
    }
}
