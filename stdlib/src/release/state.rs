//! The environment's state on a host: a Docker volume, read and written through the engine's archive API.
//!
//! No sudo, home directory or shell is needed: the volume is mounted in a container of an empty image that is never
//! started, and archives are put into it and taken out of it. The files are root's, mode 0600.
//!
//! | file | what |
//! |---|---|
//! | `identity.json` | the environment's key and certificate authority |
//! | `current` | the number of the live release; on the home host, replacing it *is* the commit |
//! | `releases/12.json` | the record of release 12, without values |
//! | `releases/12.values.json` | the values of its services' environment |
//!
//! An empty file is one that has been forgotten: the archive API cannot delete.

use std::{
    collections::{BTreeMap, HashMap},
    io::Read,
    sync::Arc,
};

use bollard::models::{ContainerCreateBody, HostConfig, VolumeCreateRequest};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    facts::StateFacts,
    failure::Failure,
    host::{Host, HostError},
    labels,
    model::{Authority, Identity, Release, SecretKey, SecretValue, ServiceName, Values},
};

/// Where the volume is mounted in the state container.
const MOUNT: &str = "/state";
/// An image without a file, imported on the host itself.
const EMPTY_IMAGE: &str = "stagecraft/empty:1";

/// The name of the volume and of its container.
pub fn name(compose_project: &str) -> String {
    format!("{compose_project}-stagecraft-state")
}

/// What the environment's state on this host holds; empty when there is none yet.
pub async fn read(host: &dyn Host, compose_project: &str) -> Result<StateFacts, HostError> {
    let Some(archive) = host.get_archive(&name(compose_project), MOUNT).await? else {
        return Ok(StateFacts::default());
    };
    parse(&archive).map_err(|why| HostError::Local {
        host: host.name().clone(),
        what: format!("the state in volume {}", name(compose_project)),
        why,
    })
}

fn parse(archive: &[u8]) -> Result<StateFacts, String> {
    let mut state = StateFacts::default();
    for entry in tar::Archive::new(archive).entries().map_err(|error| error.to_string())? {
        let mut entry = entry.map_err(|error| error.to_string())?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(|error| error.to_string())?.to_string_lossy().into_owned();
        // Docker's archive begins with the name of the directory that was asked for.
        let path = path.split_once('/').map_or(path.as_str(), |(_, rest)| rest).to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).map_err(|error| format!("{path}: {error}"))?;
        if text.is_empty() {
            continue;
        }
        take(&mut state, &path, &text).map_err(|why| format!("{path}: {why}"))?;
    }
    state.releases.sort_by_key(|release| release.id.number);
    Ok(state)
}

fn take(state: &mut StateFacts, path: &str, text: &str) -> Result<(), String> {
    match path {
        "identity.json" => state.identity = Some(identity_from_json(text)?),
        "current" => state.current = Some(text.trim().parse().map_err(|_| "is not a release number")?),
        _ => match path.strip_prefix("releases/").and_then(|name| name.strip_suffix(".json")) {
            Some(name) => match name.strip_suffix(".values") {
                Some(number) => {
                    let number = number.parse().map_err(|_| "is not named by a release number")?;
                    state.values.insert(number, values_from_json(text)?);
                }
                None => state.releases.push(release_from_json(text)?),
            },
            None => return Err("is not a file of the state; another version of Stagecraft may have written it".into()),
        },
    }
    Ok(())
}

fn release_from_json(text: &str) -> Result<Release, String> {
    let release: Release = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if release.schema == Release::SCHEMA {
        Ok(release)
    } else {
        Err(format!("has format {}, and this Stagecraft knows {}", release.schema, Release::SCHEMA))
    }
}

/// How the identity stands in its file.
#[derive(Serialize, Deserialize)]
struct PlainIdentity {
    key: String,
    certificate: String,
    certificate_key: String,
}

/// Reads what [`identity_to_json`] has written.
pub fn identity_from_json(text: &str) -> Result<Identity, String> {
    // serde's message could quote a value, so it is not shown; nor below.
    let plain: PlainIdentity = serde_json::from_str(text).map_err(|_| "is not an identity".to_owned())?;
    Ok(Identity {
        key: SecretKey::from_hex(&plain.key).ok_or("has a key that is not 64 hexadecimal digits")?,
        authority: Authority { certificate: plain.certificate, key: SecretValue::new(plain.certificate_key) },
    })
}

/// The identity in clear, for a file that only its owner can read.
pub fn identity_to_json(identity: &Identity) -> String {
    let plain = PlainIdentity {
        key: identity.key.expose_hex(),
        certificate: identity.authority.certificate.clone(),
        certificate_key: identity.authority.key.expose().to_owned(),
    };
    serde_json::to_string(&plain).expect("texts")
}

/// How values stand in their file.
#[derive(Serialize, Deserialize)]
struct PlainValues {
    environment: BTreeMap<ServiceName, BTreeMap<String, String>>,
    files: BTreeMap<String, String>,
}

fn values_from_json(text: &str) -> Result<Values, String> {
    let plain: PlainValues = serde_json::from_str(text).map_err(|_| "does not hold a release's values".to_owned())?;
    let environment = plain.environment.into_iter().map(|(service, values)| (service, secret(values))).collect();
    Ok(Values { environment, files: secret(plain.files) })
}

fn secret(values: BTreeMap<String, String>) -> BTreeMap<String, SecretValue> {
    values.into_iter().map(|(name, value)| (name, SecretValue::new(value))).collect()
}

fn values_to_json(values: &Values) -> String {
    let plain = PlainValues {
        environment: values.environment.iter().map(|(service, values)| (service.clone(), expose(values))).collect(),
        files: expose(&values.files),
    };
    serde_json::to_string(&plain).expect("maps of texts")
}

fn expose(values: &BTreeMap<String, SecretValue>) -> BTreeMap<String, String> {
    values.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
}

/// One file of the state to be written.
#[derive(Debug)]
pub struct File {
    path: String,
    contents: String,
}

impl File {
    pub fn identity(identity: &Identity) -> Self {
        Self { path: "identity.json".into(), contents: identity_to_json(identity) }
    }

    pub fn current(number: u64) -> Self {
        Self { path: "current".into(), contents: number.to_string() }
    }

    pub fn release(release: &Release) -> Self {
        let contents = serde_json::to_string(release).expect("a record is plain data");
        Self { path: format!("releases/{}.json", release.id.number), contents }
    }

    pub fn values(number: u64, values: &Values) -> Self {
        Self { path: format!("releases/{number}.values.json"), contents: values_to_json(values) }
    }

    /// Both files of a release that is forgotten.
    pub fn emptied(number: u64) -> [Self; 2] {
        let file = |path| Self { path, contents: String::new() };
        [file(format!("releases/{number}.json")), file(format!("releases/{number}.values.json"))]
    }
}

/// Writes files into the state, in one request where the state is there already.
pub async fn write(host: &Arc<dyn Host>, compose_project: &str, files: &[File]) -> Result<(), Failure> {
    let tar = archive(files);
    match host.put_archive(&name(compose_project), MOUNT, tar.clone()).await {
        Err(HostError::Engine { status: 404, .. }) => {
            create(host, compose_project).await?;
            Ok(host.put_archive(&name(compose_project), MOUNT, tar).await?)
        }
        done => Ok(done?),
    }
}

fn archive(files: &[File]) -> Bytes {
    let mut builder = tar::Builder::new(Vec::new());
    let mut directory = tar::Header::new_gnu();
    directory.set_entry_type(tar::EntryType::Directory);
    directory.set_mode(0o700);
    directory.set_size(0);
    builder.append_data(&mut directory, "releases/", std::io::empty()).expect("writing to memory");
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_size(file.contents.len() as u64);
        builder.append_data(&mut header, &file.path, file.contents.as_bytes()).expect("writing to memory");
    }
    builder.into_inner().expect("writing to memory").into()
}

async fn create(host: &Arc<dyn Host>, compose_project: &str) -> Result<(), HostError> {
    let name = name(compose_project);
    let labels = HashMap::from([
        (labels::PROJECT.to_owned(), compose_project.to_owned()),
        (labels::ROLE.to_owned(), labels::role::STATE.to_owned()),
    ]);
    let volume = VolumeCreateRequest { name: Some(name.clone()), labels: Some(labels.clone()), ..Default::default() };
    let image = async {
        if host.image(EMPTY_IMAGE).await?.is_none() {
            // Two blocks of zeros: a tar without entries.
            host.import_image(EMPTY_IMAGE, Bytes::from_static(&[0; 1024])).await?;
        }
        Ok::<_, HostError>(())
    };
    tokio::try_join!(host.create_volume(volume), image)?;
    let body = ContainerCreateBody {
        image: Some(EMPTY_IMAGE.into()),
        cmd: Some(vec!["never-started".into()]),
        labels: Some(labels),
        network_disabled: Some(true),
        host_config: Some(HostConfig { binds: Some(vec![format!("{name}:{MOUNT}")]), ..Default::default() }),
        ..Default::default()
    };
    host.create_container(&name, body).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{File, archive, parse};
    use crate::model::{Authority, Identity, SecretKey, SecretValue, ServiceName, Values};

    /// The engine gives an archive whose paths begin with the directory's name.
    fn as_the_engine_gives_it(files: &[File]) -> Vec<u8> {
        let inner = archive(files);
        let mut outer = tar::Builder::new(Vec::new());
        for entry in tar::Archive::new(inner.as_ref()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut header = entry.header().clone();
            let path = format!("state/{}", entry.path().unwrap().display());
            outer.append_data(&mut header, path, &mut entry).unwrap();
        }
        outer.into_inner().unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let authority = Authority { certificate: "PEM".into(), key: SecretValue::new("PEM") };
        let identity = Identity { key: SecretKey::new([7; 32]), authority };
        let mut values = Values::default();
        let web = ServiceName::new("web").unwrap();
        values.environment.entry(web).or_default().insert("PASSWORD".into(), SecretValue::new("s3cret"));
        let files = [File::identity(&identity), File::current(12), File::values(12, &values)];
        let state = parse(&as_the_engine_gives_it(&files)).unwrap();
        assert_eq!(state.identity, Some(identity));
        assert_eq!(state.current, Some(12));
        assert_eq!(state.values[&12], values);
    }

    #[test]
    fn a_broken_file_is_named_and_its_values_are_not_shown() {
        let files = [File { path: "releases/3.values.json".into(), contents: "{\"web\": \"s3cret\"}".into() }];
        let error = parse(&as_the_engine_gives_it(&files)).unwrap_err();
        assert_eq!(error, "releases/3.values.json: does not hold a release's values");
    }
}
