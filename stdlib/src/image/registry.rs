//! Brings images to hosts by way of a registry: pushed once, pulled by every host by the digest that the registry has.

use std::{collections::HashMap, process::Stdio, sync::Arc, time::Duration};

use bollard::auth::DockerCredentials;
use futures_util::future::{join_all, try_join_all};
use serde_json::Value;
use tokio::process::Command;

use super::{
    cli::{last_lines, wait},
    credentials,
    transfer::{Lack, SendImages, Sent, find, report, settle},
};
use crate::{
    failure::Failure,
    host::{Host, HostError},
    model::Image,
    operation::{Context, Result},
};

/// The longest a push may take.
const PUSH_DEADLINE: Duration = Duration::from_hours(1);

/// An image in the registry.
struct Pushed {
    /// `prefix/name@sha256:…`.
    reference: String,
    layers: Vec<String>,
}

impl Pushed {
    async fn is_on(&self, host: &Arc<dyn Host>, tag: &str) -> std::result::Result<bool, HostError> {
        Ok(find(host, tag).await?.is_some_and(|found| found.layers == self.layers))
    }
}

pub async fn send(operation: &SendImages, cx: &Context, builder: &Arc<dyn Host>, prefix: &str) -> Result<Value> {
    let lacked =
        operation.images.iter().filter(|image| operation.hosts.iter().any(|lack| lack.images.contains(&image.digest)));
    let pushing = lacked
        .map(|image| async move { Ok::<_, Failure>((image.digest.clone(), push(cx, builder, prefix, image).await?)) });
    let below = format!("{prefix}/");
    let (pushed, login) = tokio::join!(try_join_all(pushing), credentials::login(credentials::registry(&below)));
    let (pushed, login): (HashMap<String, Pushed>, _) = (pushed?.into_iter().collect(), login?);
    let outcomes = operation.hosts.iter().map(|lack| {
        let (pushed, login) = (&pushed, login.clone());
        async move {
            let pulled = pull_all(operation, cx, lack, pushed, login).await;
            (lack, pulled.map_err(|failure| failure.on(&lack.host)))
        }
    });
    Ok(report(&settle(join_all(outcomes).await)?))
}

/// Pushes with the docker CLI, which knows the operator's logins, under a name that says the content.
async fn push(cx: &Context, builder: &Arc<dyn Host>, prefix: &str, image: &Image) -> Result<Pushed> {
    let repository = format!("{}/{}", prefix.trim_end_matches('/'), short_name(&image.source));
    let name = format!("{repository}:{}", image.digest.trim_start_matches("sha256:"));
    cx.progress.say(None, &format!("pushing {name}"));
    let present = find(builder, &image.tag()).await?.ok_or_else(|| {
        Failure::new(format!("image {} is not on this machine's engine as {}", image.source, image.tag()))
            .hint("build it again with `stagecraft deploy`, or bring it to this machine's engine under that tag")
    })?;
    builder.tag_image(&image.tag(), &name).await?;
    let mut command = Command::new("docker");
    command.args(["push", &name]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let outcome = wait(command, PUSH_DEADLINE).await;
    // Only this push needed the name.
    builder.remove_image(&name).await?;
    let refused = |why: String| {
        Failure::new(format!("image {} cannot be pushed as {name}", image.source))
            .detail(why)
            .hint(format!("try it by hand, after `docker login {}`", credentials::registry(&name)))
    };
    let output = outcome.map_err(refused)?;
    let digest = output.lines().find_map(pushed_digest).ok_or_else(|| refused(last_lines(&output)))?;
    Ok(Pushed { reference: format!("{repository}@{digest}"), layers: present.layers })
}

/// The last part of an image's name, without version and digest.
fn short_name(source: &str) -> &str {
    let name = source.split('@').next().unwrap_or(source);
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().unwrap_or(last)
}

/// The CLI ends a push with `TAG: digest: sha256:… size: 1234`.
fn pushed_digest(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("digest: ")?;
    rest.split_whitespace().next().filter(|digest| digest.starts_with("sha256:"))
}

async fn pull_all(
    operation: &SendImages,
    cx: &Context,
    lack: &Lack,
    pushed: &HashMap<String, Pushed>,
    login: Option<DockerCredentials>,
) -> Result<Sent> {
    let host = cx.host_named(&lack.host)?;
    let images: Vec<&Image> = operation.lacked(lack).collect();
    try_join_all(images.iter().map(|image| pull(cx, host, image, &pushed[&image.digest], login.clone()))).await?;
    Ok(Sent::default())
}

async fn pull(
    cx: &Context,
    host: &Arc<dyn Host>,
    image: &Image,
    pushed: &Pushed,
    login: Option<DockerCredentials>,
) -> Result<()> {
    let tag = image.tag();
    if pushed.is_on(host, &tag).await? {
        return Ok(());
    }
    cx.progress.say(Some(host.name()), &format!("pulling {}", image.source));
    host.pull_image(&pushed.reference, login).await.map_err(|error| {
        let failure = Failure::from(error);
        let hint = failure.hint.clone().unwrap_or_else(|| {
            format!(
                "see that {} reaches the registry: `stagecraft ssh {} docker pull {}`",
                host.name(),
                host.name(),
                pushed.reference
            )
        });
        failure.hint(hint)
    })?;
    host.tag_image(&pushed.reference, &tag).await?;
    // The tag holds the image from here on; the other name would hold it when the tag is forgotten.
    match host.remove_image(&pushed.reference).await {
        Ok(()) | Err(HostError::Engine { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if pushed.is_on(host, &tag).await? {
        return Ok(());
    }
    host.remove_image(&tag).await?;
    Err(Failure::new(format!("{} as pulled is not what was pushed, {tag}", pushed.reference))
        .hint("see whether the registry's address leads to another one from the host"))
}

#[cfg(test)]
mod tests {
    use super::{pushed_digest, short_name};

    #[test]
    fn a_repository_is_named_after_the_image() {
        for (source, wanted) in
            [("shop-web", "shop-web"), ("ghcr.io:443/acme/app:1.2", "app"), ("acme/app@sha256:ab", "app")]
        {
            assert_eq!(short_name(source), wanted);
        }
    }

    #[test]
    fn the_digest_is_the_one_that_the_registry_answered() {
        let line = "3f2a91: digest: sha256:5e4e42182b7d size: 738";
        assert_eq!(pushed_digest(line), Some("sha256:5e4e42182b7d"));
        assert_eq!(pushed_digest("680f901eafe5: Layer already exists"), None);
    }
}
