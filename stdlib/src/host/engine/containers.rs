//! Containers, their logs and their files.

use std::io::Write as _;

use bollard::{
    body_full,
    models::{ContainerCreateBody, ContainerInspectResponse, ContainerSummary},
    query_parameters::{
        CreateContainerOptions, DownloadFromContainerOptions, InspectContainerOptions, ListContainersOptions,
        LogsOptions, RemoveContainerOptions, RenameContainerOptions, StartContainerOptions, StopContainerOptions,
        UploadToContainerOptions, WaitContainerOptions,
    },
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};

use super::{CHANGE, Engine, HostError, Result, TRANSFER, body, log, optional};
use crate::{
    host::{LogLine, LogQuery},
    model::Span,
};

impl Engine {
    pub async fn containers(&self) -> Result<Vec<ContainerSummary>> {
        let all = || Some(ListContainersOptions { all: true, ..Default::default() });
        self.ask("its containers", || self.docker.list_containers(all())).await
    }

    pub async fn container(&self, id: &str) -> Result<Option<ContainerInspectResponse>> {
        let inspect = || self.docker.inspect_container(id, None::<InspectContainerOptions>);
        optional(self.ask(&format!("inspect container {id}"), inspect).await)
    }

    /// Engines before 25 (API 1.44) take one network at creation; the others are joined right after.
    pub async fn create_container(&self, name: &str, mut body: ContainerCreateBody) -> Result<String> {
        let what = format!("create container {name}");
        let later = if self.speaks(1, 44) {
            Vec::new()
        } else {
            body::check_for_old_engine(&body).map_err(|key| HostError::Engine {
                host: self.place.host.clone(),
                request: what.clone(),
                status: 400,
                message: format!("{key} needs Docker 25 or newer, and this is {}", self.version.engine),
            })?;
            body::keep_first_network(&mut body)
        };
        let options = CreateContainerOptions { name: Some(name.to_owned()), ..Default::default() };
        let created = self.change(&what, CHANGE, self.docker.create_container(Some(options), body)).await?;
        for (network, endpoint) in later {
            if let Err(error) = self.connect_network(&network, &created.id, endpoint).await {
                // As on a new engine: either it is created as asked, or not at all.
                self.remove_container(&created.id).await?;
                return Err(error);
            }
        }
        Ok(created.id)
    }

    pub async fn start_container(&self, id: &str) -> Result<()> {
        let start = self.docker.start_container(id, None::<StartContainerOptions>);
        self.change(&format!("start container {id}"), CHANGE, start).await
    }

    pub async fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        let rename = self.docker.rename_container(id, RenameContainerOptions { name: name.to_owned() });
        self.change(&format!("rename container {id} to {name}"), CHANGE, rename).await
    }

    pub async fn stop_container(&self, id: &str, grace: Span) -> Result<()> {
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let stop = self.docker.stop_container(id, Some(StopContainerOptions { t: Some(seconds), signal: None }));
        let deadline = Span::millis(grace.as_millis().saturating_add(CHANGE.as_millis()));
        self.change(&format!("stop container {id}"), deadline, stop).await
    }

    pub async fn remove_container(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        let remove = self.docker.remove_container(id, Some(options));
        match self.change(&format!("remove container {id}"), CHANGE, remove).await {
            // Gone, or going: somebody else is removing it.
            Err(HostError::Engine { status: 404 | 409, .. }) => Ok(()),
            done => done,
        }
    }

    pub async fn wait_container(&self, id: &str) -> Result<i64> {
        let wait = || async {
            let mut exits = self.docker.wait_container(id, None::<WaitContainerOptions>);
            match exits.next().await {
                Some(Ok(exit)) => Ok(exit.status_code),
                // How bollard reports an exit code other than 0.
                Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Ok(code),
                Some(Err(error)) => Err(error),
                None => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            }
        };
        self.ask_patiently(&format!("wait for container {id}"), wait).await
    }

    /// The lines as they come. An error, such as that there is no such container, is the stream's last item.
    pub fn logs(&self, id: &str, query: &LogQuery) -> Result<BoxStream<'static, Result<LogLine>>> {
        self.still_there()?;
        let options = LogsOptions {
            follow: query.follow,
            stdout: true,
            stderr: true,
            timestamps: true,
            since: query.since.map_or(0, |since| i32::try_from(since).unwrap_or(i32::MAX)),
            tail: query.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
            ..Default::default()
        };
        let frames = self.docker.logs(id, Some(options));
        Ok(log::lines(self.streamed(&format!("logs of container {id}"), frames)))
    }

    pub async fn put_archive(&self, container: &str, path: &str, tar: Bytes) -> Result<()> {
        let options = UploadToContainerOptions { path: path.to_owned(), ..Default::default() };
        let put = self.docker.upload_to_container(container, Some(options), body_full(gzip(&tar)));
        self.change(&format!("put files into {container}:{path}"), TRANSFER, put).await
    }

    pub async fn get_archive(&self, container: &str, path: &str) -> Result<Option<Bytes>> {
        let get = || {
            let options = DownloadFromContainerOptions { path: path.to_owned() };
            let chunks = self.docker.download_from_container(container, Some(options));
            chunks.try_fold(BytesMut::new(), |mut whole, chunk| async move {
                whole.extend_from_slice(&chunk);
                Ok(whole)
            })
        };
        let what = format!("get files from {container}:{path}");
        Ok(optional(self.ask(&what, get).await)?.map(BytesMut::freeze))
    }
}

/// The engine takes an archive compressed, and most of a small one is padding.
fn gzip(tar: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(tar).expect("writing to memory");
    encoder.finish().expect("writing to memory").into()
}
