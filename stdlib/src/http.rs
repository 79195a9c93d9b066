//! `http::check`: a question to the deployed application, asked from the operator's machine.

use std::sync::Once;

use async_trait::async_trait;
use reqwest::{Certificate, Client, ClientBuilder, redirect};
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    failure::Failure,
    function::{Call, Function, Kind, Parameter, PlanError, Planning},
    model::{Authority, Span},
    operation::{Context, Operation, Probe, Result},
    plan::{Effect, Scope},
};

/// How long an answer may take where nobody says.
const TIMEOUT: Span = Span::secs(5);
/// Between two tries where nobody says.
const EVERY: Span = Span::secs(1);
/// The most of a body that a check looks at, in bytes.
const BODY: usize = 1 << 20;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// `GET url`, redirects not followed. An `https` server may have a certificate of `authority`, besides the system's. At most
/// `most` bytes of the body are read.
pub async fn get(
    url: &str,
    authority: Option<&Authority>,
    timeout: Span,
    most: usize,
) -> std::result::Result<Answer, String> {
    let mut builder = client(timeout).redirect(redirect::Policy::none()).no_proxy();
    if let Some(authority) = authority {
        let certificate = Certificate::from_pem(authority.certificate.as_bytes()).map_err(|error| why(&error))?;
        builder = builder.tls_certs_merge([certificate]);
    }
    let client = builder.build().map_err(|error| why(&error))?;
    let mut response = client.get(url).send().await.map_err(|error| why(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while body.len() < most
        && let Some(chunk) = response.chunk().await.map_err(|error| why(&error))?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(most);
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A client whose requests may take this long.
pub fn client(timeout: Span) -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Fails only when there is one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().timeout(timeout.duration())
}

/// The innermost cause: reqwest's own words repeat the URL and say no more than "error sending request".
fn why(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub url: String,
    /// The status that is wanted; any 2xx when `None`.
    pub status: Option<u16>,
    /// A text that the body must contain.
    pub contains: Option<String>,
    /// `None`: as often as `within` allows.
    pub tries: Option<u32>,
    pub every: Span,
    pub timeout: Span,
    /// No try begins later than this after the first one.
    #[serde(default)]
    pub within: Option<Span>,
}

impl Check {
    fn wrong(&self, answer: &Answer) -> Option<String> {
        let passes = self.status.map_or((200..300).contains(&answer.status), |wanted| wanted == answer.status);
        if !passes {
            let wanted = self.status.map_or("2xx".to_owned(), |status| status.to_string());
            return Some(format!("answered {} instead of {wanted}", answer.status));
        }
        let text = self.contains.as_ref().filter(|text| !answer.body.contains(text.as_str()))?;
        Some(format!("answered {} without `{text}` in the body", answer.status))
    }

    /// Asks until the answer is the wanted one or no try is left.
    async fn ask(&self, authority: Option<&Authority>, say: impl Fn(&str)) -> Result<Value> {
        let until = self.within.map(|within| Instant::now() + within.duration());
        let mut attempt = 0;
        let last = loop {
            attempt += 1;
            let last = match get(&self.url, authority, self.timeout, BODY).await {
                Ok(answer) => match self.wrong(&answer) {
                    None => return Ok(json!({ "status": answer.status })),
                    Some(wrong) => wrong,
                },
                Err(why) => format!("did not answer: {why}"),
            };
            let late = until.is_some_and(|until| Instant::now() + self.every.duration() > until);
            if late || self.tries == Some(attempt) {
                break last;
            }
            let of = self.tries.map(|tries| format!(" of {tries}")).unwrap_or_default();
            say(&format!("{last}, try {attempt}{of}"));
            sleep(self.every.duration()).await;
        };
        let tries = if attempt == 1 { String::new() } else { format!(" in {attempt} tries") };
        Err(Failure::new(format!("{} {last}{tries}", self.url)).hint(format!("look at it: `curl -i {}`", self.url)))
    }
}

#[async_trait]
impl Operation for Check {
    const KIND: &'static str = "http.check";

    fn title(&self) -> String {
        format!("check {}", self.url)
    }

    fn effect(&self) -> Effect {
        Effect::Repeatable
    }

    async fn run(&self, cx: &Context) -> Result<Value> {
        self.ask(Some(&cx.identity.authority), |text| cx.progress.say(None, text)).await
    }

    async fn probe(&self, _: &Context) -> Result<Probe> {
        // Asking again is how it is found out.
        Ok(Probe::NotDone)
    }
}

/// Options of `http::check`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// The status that is wanted. Default: any 2xx. Redirects are not followed.
    status: Option<u16>,
    /// A text that the body must contain.
    contains: Option<String>,
    /// How often it is asked before the check fails. Default 1, and with `within` as often as fits.
    tries: Option<u32>,
    /// Between two tries, such as `"2s"`. Default `"1s"`.
    #[schemars(with = "Option<String>")]
    every: Option<Span>,
    /// How long an answer may take. Default `"5s"`.
    #[schemars(with = "Option<String>")]
    timeout: Option<Span>,
    /// How long it is asked again and again before the check fails, such as `"2m"`. Default: only `tries` counts.
    #[schemars(with = "Option<String>")]
    within: Option<Span>,
}

pub const CHECK: Function = Function {
    module: "http",
    name: "check",
    docs: "Asks a URL by HTTP `GET` from the operator's machine, and fails when the answer is not the wanted one: a failure \
        before `release::commit` puts every host back.\n\n\
        Certificates of the environment's own authority (`tls: internal`) are trusted, besides the system's.",
    parameters: &[Parameter { name: "url", kind: Kind::Text }],
    options: Some(|| schema_for!(Options)),
    call: check,
};

fn check(_: &Planning<'_>, scope: &mut Scope, call: &Call) -> std::result::Result<(), PlanError> {
    let Options { status, contains, tries, every, timeout, within } = call.options()?;
    let url = call.text(0).to_owned();
    if tries == Some(0) {
        return Err(PlanError::Options("`tries` is 0, and a check is asked at least once".into()));
    }
    let tries = tries.or(if within.is_some() { None } else { Some(1) });
    let (every, timeout) = (every.unwrap_or(EVERY), timeout.unwrap_or(TIMEOUT));
    scope.operation(None, &Check { url, status, contains, tries, every, timeout, within });
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::{Answer, Check, EVERY, TIMEOUT};
    use crate::model::Span;

    fn check(status: Option<u16>, contains: Option<&str>) -> Check {
        let contains = contains.map(str::to_owned);
        Check {
            url: "http://a.test/".into(),
            status,
            contains,
            tries: Some(1),
            every: EVERY,
            timeout: TIMEOUT,
            within: None,
        }
    }

    #[test]
    fn an_answer_is_held_against_what_is_wanted() {
        let answer = |status| Answer { status, body: "hello world".into() };
        assert_eq!(check(None, None).wrong(&answer(204)), None);
        assert_eq!(check(None, None).wrong(&answer(302)).unwrap(), "answered 302 instead of 2xx");
        assert_eq!(check(Some(302), None).wrong(&answer(302)), None);
        assert_eq!(check(Some(302), None).wrong(&answer(200)).unwrap(), "answered 200 instead of 302");
        assert_eq!(check(None, Some("world")).wrong(&answer(200)), None);
        assert_eq!(check(None, Some("v2")).wrong(&answer(200)).unwrap(), "answered 200 without `v2` in the body");
    }

    /// A server that answers with these statuses, each once, and its URL.
    async fn serving(statuses: &'static [u16]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for status in statuses {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    // spec: gate.check
    #[tokio::test]
    async fn it_is_asked_again_as_often_as_it_may() {
        let again = |url, tries, within| Check { url, tries, within, every: Span::secs(0), ..check(None, None) };
        let first = again(serving(&[503, 503, 200]).await, Some(3), None);
        assert_eq!(first.ask(None, |_| {}).await.unwrap()["status"], 200);
        let few = again(serving(&[503, 503, 200]).await, Some(2), None);
        let failure = few.ask(None, |_| {}).await.unwrap_err();
        assert_eq!(failure.message, format!("{} answered 503 instead of 2xx in 2 tries", few.url));
        let long = again(serving(&[503, 500, 503, 200]).await, None, Some(Span::secs(3600)));
        assert_eq!(long.ask(None, |_| {}).await.unwrap()["status"], 200);
        let none = again(serving(&[503, 200]).await, None, Some(Span::secs(0)));
        let failure = Check { every: Span::secs(1), ..none }.ask(None, |_| {}).await.unwrap_err();
        assert!(failure.message.ends_with("answered 503 instead of 2xx"), "{failure}");
    }
}
