//! The Compose CLI on the operator's machine: the authority on Compose files.

use std::{io, path::PathBuf, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{process::Command, time::timeout};

/// How long `docker compose config` may take. It takes a tenth of a second, more where `include` fetches.
const CONFIG_DEADLINE: Duration = Duration::from_secs(30);

/// How `docker compose` is called for one project and environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeCli {
    /// The project directory; relative paths of the Compose files count from it.
    pub directory: PathBuf,
    /// Empty: the files that Compose itself would take.
    pub files: Vec<PathBuf>,
    /// For interpolation.
    pub env_files: Vec<PathBuf>,
    pub profiles: Vec<String>,
    /// The Compose project's name on the hosts.
    pub project: String,
}

impl ComposeCli {
    /// `docker compose` with the flags of this project, for a subcommand to be appended. Its working directory is the
    /// project directory, it has no standard input, and it dies with whoever drops it.
    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg("compose").args(["--ansi", "never"]).arg("--project-directory").arg(&self.directory);
        command.args(["--project-name", &self.project]);
        for file in &self.files {
            command.arg("--file").arg(file);
        }
        for file in &self.env_files {
            command.arg("--env-file").arg(file);
        }
        for profile in &self.profiles {
            command.args(["--profile", profile]);
        }
        command.current_dir(&self.directory).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// `docker compose config --format json`, with Compose's warnings beside it, such as a variable that is not set.
    /// Services of inactive profiles are not in it. Holds values in clear: never stored. The error is Compose's own text.
    pub async fn config(&self) -> Result<(Value, Vec<String>), String> {
        let mut command = self.command();
        command.args(["config", "--format", "json"]);
        let output = timeout(CONFIG_DEADLINE, command.output())
            .await
            .map_err(|_| format!("`docker compose config` did not end within {} s", CONFIG_DEADLINE.as_secs()))?
            .map_err(|error| cannot_run(&error, &self.directory))?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(refusal(&stderr));
        }
        let stdout = String::from_utf8(output.stdout).map_err(|_| "`docker compose config` did not write UTF-8")?;
        // serde's message could quote a value.
        let model = serde_json::from_str(&unescape(&stdout)).map_err(|_| {
            "`docker compose config --format json` did not write JSON; Compose 2.20 or newer is needed".to_owned()
        })?;
        Ok((model, warnings(&stderr)))
    }
}

fn cannot_run(error: &io::Error, directory: &std::path::Path) -> String {
    if !directory.is_dir() {
        return format!("the project directory {} does not exist", directory.display());
    }
    match error.kind() {
        io::ErrorKind::NotFound => "the command `docker` is not there; install Docker's CLI with the Compose plugin \
             (https://docs.docker.com/engine/install/)"
            .to_owned(),
        _ => format!("`docker compose` cannot be run: {error}"),
    }
}

/// Compose's own words, or what to install where there is no Compose to speak.
fn refusal(stderr: &str) -> String {
    let missing = ["is not a docker command", "unknown flag: --ansi", "unknown command: docker compose"];
    if missing.iter().any(|phrase| stderr.contains(phrase)) {
        return "`docker` has no Compose plugin; install it: `apt-get install docker-compose-plugin` with Docker's own \
                packages, or https://docs.docker.com/compose/install/linux/"
            .to_owned();
    }
    let words: Vec<&str> = stderr.lines().filter(|line| warning(line).is_none()).collect();
    let words = words.join("\n").trim().to_owned();
    if words.is_empty() { "`docker compose config` failed and said nothing".to_owned() } else { words }
}

/// `config` doubles every `$` of what it prints, so that it can be read again as a Compose file.
fn unescape(text: &str) -> String {
    text.replace("$$", "$")
}

fn warnings(stderr: &str) -> Vec<String> {
    stderr.lines().filter_map(warning).collect()
}

/// The text of `time="…" level=warning msg="…"`.
fn warning(line: &str) -> Option<String> {
    let (_, message) = line.split_once(" level=warning msg=")?;
    Some(serde_json::from_str(message).unwrap_or_else(|_| message.trim_matches('"').to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{ComposeCli, refusal, unescape, warnings};

    #[test]
    fn the_command_names_all_of_the_project() {
        let cli = ComposeCli {
            directory: "/srv/shop".into(),
            files: vec!["compose.yaml".into(), "prod.yaml".into()],
            env_files: vec![PathBuf::from(".env.production")],
            profiles: vec!["jobs".into()],
            project: "shop-production".into(),
        };
        let command = cli.command();
        let words: Vec<_> = command.as_std().get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(
            words.join(" "),
            "compose --ansi never --project-directory /srv/shop --project-name shop-production --file compose.yaml \
             --file prod.yaml --env-file .env.production --profile jobs"
        );
    }

    #[test]
    fn warnings_are_told_from_errors() {
        let stderr = "time=\"2026-11-24T15:06:51Z\" level=warning msg=\"The \\\"NOPE\\\" variable is not set. Defaulting to a blank string.\"\n\
            services.web.ports must be a list\n";
        assert_eq!(warnings(stderr), ["The \"NOPE\" variable is not set. Defaulting to a blank string."]);
        assert_eq!(refusal(stderr), "services.web.ports must be a list");
    }

    #[test]
    fn a_missing_plugin_says_what_to_install() {
        let said = refusal("docker: 'compose' is not a docker command.\nSee 'docker --help'\n");
        assert!(said.contains("docker-compose-plugin"), "{said}");
    }

    #[test]
    fn dollars_are_single_again() {
        assert_eq!(unescape("a$$b $$$$ $${HOME}"), "a$b $$ ${HOME}");
    }
}
