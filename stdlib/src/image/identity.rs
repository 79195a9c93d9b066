//! The content identity of images on the operator's engine: the digest of their config.

use std::sync::Arc;

use bollard::models::ImageInspect;

use super::export::Export;
use crate::{
    failure::Failure,
    host::{Host, ImageStore},
};

/// Under this name and its digest every known image stands on an engine.
const KNOWN: &str = "stagecraft/image:";

/// Finds digests on one engine, for one platform.
pub struct Identities<'a> {
    engine: &'a Arc<dyn Host>,
    platform: &'a str,
    store: ImageStore,
}

impl<'a> Identities<'a> {
    pub async fn new(engine: &'a Arc<dyn Host>, platform: &'a str) -> Result<Self, Failure> {
        Ok(Self { engine, platform, store: engine.info().await?.store })
    }

    /// The digest of an image; it stands under `stagecraft/image:DIGEST` afterwards.
    pub async fn digest<'r>(&self, reference: &'r str) -> Result<(&'r str, String), Failure> {
        let found = self.engine.image(reference).await?.ok_or_else(|| {
            Failure::new(format!(
                "image {reference} is not on this machine's engine, though it has just been built or pulled"
            ))
            .hint("see that the docker CLI uses this machine's own engine: `docker context show`, and DOCKER_HOST")
        })?;
        let tags = found.repo_tags.clone().unwrap_or_default();
        let known: Vec<&str> = tags.iter().filter_map(|tag| tag.strip_prefix(KNOWN)).collect();
        let digest = match self.store {
            ImageStore::Classic => {
                self.check_platform(reference, &found)?;
                found.id.clone().unwrap_or_default()
            }
            // The export, which costs time, is read once: its digest is remembered by the tag. With several tags it is an
            // image for several platforms.
            ImageStore::Containerd => match known[..] {
                [digest] if platform_of(&found) == self.platform => format!("sha256:{digest}"),
                _ => Export::of(self.engine, reference, self.platform).await?.digest,
            },
        };
        let hexadecimal = digest.trim_start_matches("sha256:");
        if !known.contains(&hexadecimal) {
            self.engine.tag_image(reference, &format!("{KNOWN}{hexadecimal}")).await?;
        }
        Ok((reference, digest))
    }

    fn check_platform(&self, reference: &str, found: &ImageInspect) -> Result<(), Failure> {
        let (platform, wanted) = (platform_of(found), self.platform);
        if platform == wanted {
            return Ok(());
        }
        Err(Failure::new(format!("image {reference} is for {platform}, and the hosts are {wanted}")).hint(format!(
            "pull or build it for {wanted}; a Dockerfile's `FROM --platform` and `platform:` in the Compose file decide too"
        )))
    }
}

fn platform_of(image: &ImageInspect) -> String {
    format!("{}/{}", image.os.as_deref().unwrap_or("unknown"), image.architecture.as_deref().unwrap_or("unknown"))
}
