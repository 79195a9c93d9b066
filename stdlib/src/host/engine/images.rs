//! Images, and their ways in and out.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bollard::{
    auth::DockerCredentials,
    body_full, body_try_stream,
    models::{ImageInspect, ImageSummary},
    query_parameters::{
        CreateImageOptions, ImportImageOptions, ListImagesOptions, RemoveImageOptions, TagImageOptions,
    },
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};

use super::{CHANGE, Engine, HostError, Result, TRANSFER, optional};

/// How the containerd store reports a broken image, in an answer that is otherwise a success.
const NOT_UNPACKED: &str = "Error unpacking image";

impl Engine {
    pub async fn images(&self) -> Result<Vec<ImageSummary>> {
        self.ask("its images", || self.docker.list_images(None::<ListImagesOptions>)).await
    }

    pub async fn image(&self, reference: &str) -> Result<Option<ImageInspect>> {
        let inspect = || self.docker.inspect_image(reference);
        optional(self.ask(&format!("inspect image {reference}"), inspect).await)
    }

    pub async fn load_image(&self, tar: BoxStream<'static, io::Result<Bytes>>) -> Result<()> {
        let (tar, read_error) = noting_error(tar);
        let load = async {
            let answers = self.docker.import_image(ImportImageOptions::default(), body_try_stream(tar), None);
            answers
                .try_for_each(|line| async move {
                    let text = line.stream.or(line.status).unwrap_or_default();
                    if text.starts_with(NOT_UNPACKED) {
                        return Err(bollard::errors::Error::DockerStreamError { error: text.trim_end().to_owned() });
                    }
                    Ok(())
                })
                .await
        };
        let loaded = self.change("load an image", TRANSFER, load).await;
        match read_error.lock().expect("nothing panics while holding it").take() {
            Some(why) => {
                Err(HostError::Local { host: self.place.host.clone(), what: "the image to be sent".into(), why })
            }
            None => loaded,
        }
    }

    /// Answers with the stream once it has begun.
    pub async fn save_image(&self, reference: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.still_there()?;
        let what = format!("save image {reference}");
        let mut chunks = self.streamed(&what, self.docker.export_image(reference));
        match chunks.next().await {
            Some(Ok(first)) => Ok(futures_util::stream::once(async { Ok(first) }).chain(chunks).boxed()),
            Some(Err(error)) => Err(error),
            None => Ok(chunks),
        }
    }

    pub async fn import_image(&self, reference: &str, tar: Bytes) -> Result<()> {
        let (repo, tag) = split(reference);
        let from = CreateImageOptions {
            from_src: Some("-".into()),
            repo: Some(repo.to_owned()),
            tag: tag.map(str::to_owned),
            ..Default::default()
        };
        let import = self.docker.create_image(Some(from), Some(body_full(tar)), None);
        let done = import.try_for_each(|_| async { Ok(()) });
        self.change(&format!("import image {reference}"), TRANSFER, done).await
    }

    pub async fn pull_image(&self, reference: &str, credentials: Option<DockerCredentials>) -> Result<()> {
        // Without a tag the engine would pull every tag that there is.
        let from = match split(reference) {
            (_, None) if !reference.contains('@') => format!("{reference}:latest"),
            _ => reference.to_owned(),
        };
        let options = CreateImageOptions { from_image: Some(from), ..Default::default() };
        let done = self.docker.create_image(Some(options), None, credentials).try_for_each(|_| async { Ok(()) });
        self.change(&format!("pull image {reference}"), TRANSFER, done).await
    }

    pub async fn tag_image(&self, reference: &str, tag: &str) -> Result<()> {
        let (repo, name) = split(tag);
        let options = TagImageOptions { repo: Some(repo.to_owned()), tag: name.map(str::to_owned) };
        let done = self.docker.tag_image(reference, Some(options));
        self.change(&format!("tag image {reference} as {tag}"), CHANGE, done).await
    }

    pub async fn remove_image(&self, reference: &str) -> Result<()> {
        let done = self.docker.remove_image(reference, None::<RemoveImageOptions>, None);
        self.change(&format!("remove image {reference}"), CHANGE, done).await.map(|_| ())
    }
}

/// `registry:5000/shop/web:3` is repository and tag; a colon before the last slash is the registry's port.
fn split(reference: &str) -> (&str, Option<&str>) {
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') && !reference.contains('@') => (repository, Some(tag)),
        _ => (reference, None),
    }
}

/// Keeps why reading failed, which the HTTP client would not say.
fn noting_error(
    tar: BoxStream<'static, io::Result<Bytes>>,
) -> (BoxStream<'static, io::Result<Bytes>>, Arc<Mutex<Option<String>>>) {
    let noted = Arc::new(Mutex::new(None));
    let note = Arc::clone(&noted);
    let tar = tar.inspect_err(move |error| {
        *note.lock().expect("nothing panics while holding it") = Some(error.to_string());
    });
    (tar.boxed(), noted)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_registrys_port_is_not_a_tag() {
        assert_eq!(split("localhost:5000/shop/web:3"), ("localhost:5000/shop/web", Some("3")));
        assert_eq!(split("localhost:5000/shop/web"), ("localhost:5000/shop/web", None));
        assert_eq!(split("web@sha256:00"), ("web@sha256:00", None));
        assert_eq!(split("web"), ("web", None));
    }
}
