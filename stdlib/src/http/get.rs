//! One question by HTTP from this machine, for what is decided while a plan is made.

use std::time::Duration;

/// The end of a question: what the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Asks by `GET`. Redirects are not followed; a body that is longer than `longest` bytes or is no text is an error, as is
/// no answer within `deadline`. The error says why, without the URL.
pub async fn get(url: &str, deadline: Duration, longest: usize) -> Result<Answer, String> {
    // Refused when another part of the process has chosen one already; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(deadline).build();
    let sent = client.map_err(|error| causes(&error))?.get(url).send().await;
    let mut response = sent.map_err(|error| causes(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| causes(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > longest {
            return Err(format!("its answer is longer than {longest} bytes"));
        }
    }
    let body = String::from_utf8(body).map_err(|_| "its answer is no text".to_owned())?;
    Ok(Answer { status, body })
}

/// The innermost cause: what is above it only says that a request failed.
fn causes(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
