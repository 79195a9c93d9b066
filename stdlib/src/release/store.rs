//! An environment's store on a host: Docker volumes, read and written through the engine's archive API.
//!
//! No sudo, home directory or shell is needed: the volumes are mounted in a container of an empty image that is never
//! started, and archives are put into it and taken out of it. The files are root's, mode 0600. An empty file is one that has
//! been forgotten: the archive API cannot delete.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Read,
    path::Path,
    sync::Arc,
};

use bollard::models::{ContainerCreateBody, HostConfig, VolumeCreateRequest};
use bytes::Bytes;

use crate::{
    failure::Failure,
    host::{Host, HostError},
    labels,
};

/// An image without a file, imported on the host itself.
const EMPTY_IMAGE: &str = "stagecraft/empty:1";

/// What is kept apart, so that it can be read apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Releases and the identity: read by every command.
    State,
    /// Runs: read by what asks about runs.
    Runs,
}

impl Shelf {
    const ALL: [Self; 2] = [Self::State, Self::Runs];

    /// Where it is mounted.
    const fn mount(self) -> &'static str {
        match self {
            Self::State => "/state",
            Self::Runs => "/runs",
        }
    }

    pub fn volume(self, compose_project: &str) -> String {
        format!("{compose_project}-stagecraft-{}", &self.mount()[1..])
    }
}

/// The container that the volumes are mounted in.
pub fn container(compose_project: &str) -> String {
    Shelf::State.volume(compose_project)
}

/// The files of a shelf below `directory` (all, where it is empty) by their paths from there, without those that are forgotten.
pub async fn read(
    host: &dyn Host,
    compose_project: &str,
    shelf: Shelf,
    directory: &str,
) -> Result<BTreeMap<String, Vec<u8>>, HostError> {
    let path = format!("{}/{directory}", shelf.mount());
    let path = path.trim_end_matches('/');
    let name = container(compose_project);
    let archive = match host.get_archive(&name, path).await? {
        Some(archive) => archive,
        // `docker container prune` takes the container, and what it had is still in the volume.
        None if is_hidden(host, compose_project, shelf).await? => {
            create(host, compose_project).await?;
            match host.get_archive(&name, path).await? {
                Some(archive) => archive,
                None => return Ok(BTreeMap::new()),
            }
        }
        None => return Ok(BTreeMap::new()),
    };
    unpack(&archive).map_err(|error| HostError::Local {
        host: host.name().clone(),
        what: format!("what the engine has given of the volume {}", shelf.volume(compose_project)),
        why: error.to_string(),
    })
}

/// Whether the volume is there and the container is not.
async fn is_hidden(host: &dyn Host, compose_project: &str, shelf: Shelf) -> Result<bool, HostError> {
    if host.container(&container(compose_project)).await?.is_some() {
        return Ok(false);
    }
    let name = shelf.volume(compose_project);
    Ok(host.volumes().await?.iter().any(|volume| volume.name == name))
}

/// Writes files, in one request where the store is there already.
pub async fn write(
    host: &Arc<dyn Host>,
    compose_project: &str,
    shelf: Shelf,
    files: &[(&str, &[u8])],
) -> Result<(), Failure> {
    let (container, tar) = (container(compose_project), pack(files));
    match host.put_archive(&container, shelf.mount(), tar.clone()).await {
        Err(HostError::Engine { status: 404, .. }) => {
            create(host.as_ref(), compose_project).await?;
            Ok(host.put_archive(&container, shelf.mount(), tar).await?)
        }
        done => Ok(done?),
    }
}

fn pack(files: &[(&str, &[u8])]) -> Bytes {
    let mut builder = tar::Builder::new(Vec::new());
    let directories: BTreeSet<&Path> = files.iter().filter_map(|(path, _)| Path::new(path).parent()).collect();
    for directory in directories.into_iter().filter(|path| !path.as_os_str().is_empty()) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o700);
        header.set_size(0);
        builder.append_data(&mut header, directory, std::io::empty()).expect("writing to memory");
    }
    for (path, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_size(contents.len() as u64);
        builder.append_data(&mut header, path, *contents).expect("writing to memory");
    }
    builder.into_inner().expect("writing to memory").into()
}

fn unpack(archive: &[u8]) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.to_string_lossy().into_owned();
        // Docker's archive begins with the name of the directory that was asked for.
        let path = path.split_once('/').map_or(path.as_str(), |(_, rest)| rest).to_owned();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents)?;
        if !contents.is_empty() {
            files.insert(path, contents);
        }
    }
    Ok(files)
}

async fn create(host: &dyn Host, compose_project: &str) -> Result<(), HostError> {
    let labels = HashMap::from([
        (labels::PROJECT.to_owned(), compose_project.to_owned()),
        (labels::ROLE.to_owned(), labels::role::STATE.to_owned()),
    ]);
    let volume = |shelf: Shelf| {
        let name = Some(shelf.volume(compose_project));
        host.create_volume(VolumeCreateRequest { name, labels: Some(labels.clone()), ..Default::default() })
    };
    let image = async {
        if host.image(EMPTY_IMAGE).await?.is_none() {
            // Two blocks of zeros: a tar without entries.
            host.import_image(EMPTY_IMAGE, Bytes::from_static(&[0; 1024])).await?;
        }
        Ok::<_, HostError>(())
    };
    // One that lacks a volume, or was left half made, gives way: what it had is in the volumes.
    let state = container(compose_project);
    let way = host.remove_container(&state);
    tokio::try_join!(volume(Shelf::State), volume(Shelf::Runs), image, way)?;
    let binds = Shelf::ALL.map(|shelf| format!("{}:{}", shelf.volume(compose_project), shelf.mount()));
    let body = ContainerCreateBody {
        image: Some(EMPTY_IMAGE.into()),
        cmd: Some(vec!["never-started".into()]),
        labels: Some(labels),
        network_disabled: Some(true),
        host_config: Some(HostConfig { binds: Some(binds.into()), ..Default::default() }),
        ..Default::default()
    };
    host.create_container(&state, body).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{pack, unpack};

    #[test]
    fn what_is_packed_is_unpacked_and_what_is_forgotten_is_not() {
        // The engine's paths begin with the directory that it was asked for.
        let files: [(&str, &[u8]); 3] = [("state/current", b"12"), ("state/releases/3.json", b""), ("state/a/b", b"c")];
        let unpacked = unpack(&pack(&files)).unwrap();
        let paths: Vec<&str> = unpacked.keys().map(String::as_str).collect();
        assert_eq!(paths, ["a/b", "current"]);
        assert_eq!(unpacked["current"], b"12");
    }
}
