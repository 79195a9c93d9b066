//! Asks what a recipe asks: now, and again before a plan that was made from the answer runs.

use bytes::Bytes;
use serde_json::{Value, json};
use stdlib::{
    failure::Failure,
    host::Hosts,
    http,
    model::{HostName, Span},
    plan::Question,
};

use super::limits;

/// How long a host may take to answer.
const HOST_DEADLINE: Span = Span::secs(15);
/// How long a server may take to answer.
const HTTP_DEADLINE: Span = Span::secs(10);

/// The answer as a plan records it: a host's text, or `status` and `body`.
pub async fn ask(question: &Question, hosts: &Hosts) -> Result<Value, Failure> {
    match question {
        Question::Host { host, command } => ask_host(host, command, hosts).await.map(Value::from),
        Question::Url(url) => {
            let answer = http::get(url, None, HTTP_DEADLINE, limits::STRING).await;
            let answer = answer.map_err(|why| Failure::new(format!("{url} cannot be asked: {why}")))?;
            Ok(json!({ "status": answer.status, "body": answer.body }))
        }
    }
}

async fn ask_host(name: &HostName, command: &str, hosts: &Hosts) -> Result<String, Failure> {
    let host = hosts.get(name).ok_or_else(|| Failure::new(format!("host {name} is not connected")))?;
    let output = host.shell(command, Bytes::new(), HOST_DEADLINE).await?;
    if output.code != Some(0) {
        let end = output.code.map_or("was ended by a signal".to_owned(), |code| format!("ended with {code}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let why = stderr.trim().lines().last().map(|line| format!(": {line}")).unwrap_or_default();
        return Err(Failure::new(format!("host {name}: `{command}` {end}{why}")));
    }
    if output.stdout.len() > limits::STRING {
        let message = format!("host {name}: `{command}` answers more than {} bytes", limits::STRING);
        return Err(Failure::new(message).hint("let the command pick what is needed"));
    }
    let text = String::from_utf8(output.stdout.to_vec())
        .map_err(|_| Failure::new(format!("host {name}: what `{command}` answers is no text")))?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}
