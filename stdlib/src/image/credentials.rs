//! The operator's own logins to registries, where the docker CLI keeps them.

use std::{collections::HashMap, env, fs, io, path::PathBuf, process::Stdio, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::failure::Failure;

/// A credential helper may ask the operating system's key store, and that a person.
const HELPER_DEADLINE: Duration = Duration::from_mins(1);
/// The name under which the docker CLI keeps the login to Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// `config.json` of the docker CLI, as far as logins go.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    auths: HashMap<String, Auth>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Auth {
    auth: Option<String>,
    identitytoken: Option<String>,
}

/// What a credential helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// The registry that an image's name leads to: its first part where that is a host, else Docker Hub.
pub fn registry(name: &str) -> &str {
    match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => DOCKER_HUB,
    }
}

/// The login to a registry; `None` when there is none.
pub async fn login(registry: &str) -> Result<Option<DockerCredentials>, Failure> {
    let path = config_path();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::new(format!("{}: {error}", path.display()))),
    };
    // The parser's message could quote a password, so it is not shown.
    let config: Config = serde_json::from_str(&text).map_err(|_| {
        Failure::new(format!("{} is not a configuration of the docker CLI", path.display()))
            .hint(format!("mend it, or log in anew: docker login {registry}"))
    })?;
    let helper = config.cred_helpers.get(registry).or(config.creds_store.as_ref());
    match helper {
        Some(helper) => ask(helper, registry).await,
        None => Ok(config.auths.get(registry).and_then(|auth| plain(auth, registry))),
    }
}

fn config_path() -> PathBuf {
    let directory = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".docker");
    directory.unwrap_or_else(home).join("config.json")
}

fn plain(auth: &Auth, registry: &str) -> Option<DockerCredentials> {
    if let Some(token) = auth.identitytoken.as_ref().filter(|token| !token.is_empty()) {
        return Some(by_token(token, registry));
    }
    let pair = String::from_utf8(STANDARD.decode(auth.auth.as_ref()?).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some(by_password(user, password.trim_end_matches('\0'), registry))
}

async fn ask(helper: &str, registry: &str) -> Result<Option<DockerCredentials>, Failure> {
    let program = format!("docker-credential-{helper}");
    let failed = |why: String| {
        Failure::new(format!("{program} does not say the login to {registry}: {why}"))
            .hint(format!("log in anew: docker login {registry}"))
    };
    let asked = async {
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = child.stdin.take().expect("is piped");
        input.write_all(registry.as_bytes()).await?;
        drop(input);
        child.wait_with_output().await
    };
    let output = timeout(HELPER_DEADLINE, asked).await;
    let output = output.map_err(|_| failed(format!("no answer within {} s", HELPER_DEADLINE.as_secs())))?;
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        // The protocol's way to say that there is no such login.
        return Ok(None);
    }
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|_| failed("its answer is not one".into()))?;
    Ok(Some(match answer.username.as_str() {
        "<token>" => by_token(&answer.secret, registry),
        user => by_password(user, &answer.secret, registry),
    }))
}

fn by_token(token: &str, registry: &str) -> DockerCredentials {
    DockerCredentials {
        identitytoken: Some(token.to_owned()),
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    }
}

fn by_password(user: &str, password: &str, registry: &str) -> DockerCredentials {
    DockerCredentials {
        username: Some(user.to_owned()),
        password: Some(password.to_owned()),
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Auth, Config, plain, registry};

    #[test]
    fn the_registry_is_the_first_part_where_that_is_a_host() {
        for (name, wanted) in [
            ("ghcr.io/acme/shop", "ghcr.io"),
            ("localhost/shop", "localhost"),
            ("10.0.0.1:5000/shop", "10.0.0.1:5000"),
            ("acme/shop", "https://index.docker.io/v1/"),
            ("acme", "https://index.docker.io/v1/"),
        ] {
            assert_eq!(registry(name), wanted);
        }
    }

    #[test]
    fn reads_what_docker_login_writes() {
        let text = r#"{ "auths": { "ghcr.io": { "auth": "YWNtZTpzM2NyZXQ=" }, "r.io": {} }, "credsStore": "pass" }"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!(config.creds_store.as_deref(), Some("pass"));
        let login = plain(&config.auths["ghcr.io"], "ghcr.io").unwrap();
        assert_eq!(login.username.as_deref(), Some("acme"));
        assert_eq!(login.password.as_deref(), Some("s3cret"));
        assert_eq!(login.serveraddress.as_deref(), Some("ghcr.io"));
        assert!(plain(&config.auths["r.io"], "r.io").is_none());
        let token = Auth { auth: None, identitytoken: Some("t0ken".into()) };
        assert_eq!(plain(&token, "r.io").unwrap().identitytoken.as_deref(), Some("t0ken"));
    }
}
