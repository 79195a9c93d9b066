//! What of an environment's releases a host keeps, in its [store](super::store).
//!
//! | file | what |
//! |---|---|
//! | `identity.json` | the environment's key and certificate authority |
//! | `current` | the number of the live release; on the home host, replacing it *is* the commit |
//! | `releases/12.json` | the record of release 12, without values |
//! | `releases/12.values.json` | the values of its services' environment |

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::store::{self, Shelf};
use crate::{
    facts::StateFacts,
    failure::Failure,
    host::{Host, HostError},
    model::{Authority, Identity, Release, SecretKey, SecretValue, ServiceName, Values},
};

/// What the environment's state on this host holds; empty when there is none yet.
pub async fn read(host: &dyn Host, compose_project: &str) -> Result<StateFacts, HostError> {
    let files = store::read(host, compose_project, Shelf::State, "").await?;
    parse(files).map_err(|why| broken(host, compose_project, why))
}

/// The number of the release that is live by this host's account, and nothing else of the state.
pub async fn current(host: &dyn Host, compose_project: &str) -> Result<Option<u64>, HostError> {
    let files = store::read(host, compose_project, Shelf::State, "current").await?;
    parse(files).map(|state| state.current).map_err(|why| broken(host, compose_project, why))
}

fn broken(host: &dyn Host, compose_project: &str, why: String) -> HostError {
    let what = format!("the state in volume {}", Shelf::State.volume(compose_project));
    HostError::Local { host: host.name().clone(), what, why }
}

fn parse(files: BTreeMap<String, Vec<u8>>) -> Result<StateFacts, String> {
    let mut state = StateFacts::default();
    for (path, contents) in files {
        let text = String::from_utf8(contents).map_err(|error| format!("{path}: {error}"))?;
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
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| (file.path.as_str(), file.contents.as_bytes())).collect();
    store::write(host, compose_project, Shelf::State, &files).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{File, parse};
    use crate::model::{Authority, Identity, SecretKey, SecretValue, ServiceName, Values};

    fn written(files: Vec<File>) -> BTreeMap<String, Vec<u8>> {
        files.into_iter().map(|file| (file.path, file.contents.into_bytes())).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let authority = Authority { certificate: "PEM".into(), key: SecretValue::new("PEM") };
        let identity = Identity { key: SecretKey::new([7; 32]), authority };
        let mut values = Values::default();
        let web = ServiceName::new("web").unwrap();
        values.environment.entry(web).or_default().insert("PASSWORD".into(), SecretValue::new("s3cret"));
        let state =
            parse(written(vec![File::identity(&identity), File::current(12), File::values(12, &values)])).unwrap();
        assert_eq!(state.identity, Some(identity));
        assert_eq!(state.current, Some(12));
        assert_eq!(state.values[&12], values);
    }

    #[test]
    fn a_broken_file_is_named_and_its_values_are_not_shown() {
        let file = File { path: "releases/3.values.json".into(), contents: "{\"web\": \"s3cret\"}".into() };
        let error = parse(written(vec![file])).unwrap_err();
        assert_eq!(error, "releases/3.values.json: does not hold a release's values");
    }
}
