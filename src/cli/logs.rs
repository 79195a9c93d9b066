//! `stagecraft logs`.

use futures_util::{StreamExt, stream};
use jiff::{Timestamp, ToSpan};
use stdlib::{
    facts::ContainerFact,
    host::{LogLine, LogQuery},
    model::{HostName, Span},
};

use super::{CliError, Exit, Global, last_line::LastLine, project, session::Session};

/// Show the containers' logs, merged over hosts by time
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this service
    service: Option<String>,
    /// Go on until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only what is newer: a duration such as `10m`, or a time such as `2026-05-01T12:00:00Z`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only lines that contain this text
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only this host
    #[arg(long)]
    host: Option<String>,
    /// Only the last lines of each container
    #[arg(short = 'n', long, value_name = "LINES")]
    tail: Option<u32>,
}

/// A line with where it comes from.
struct Line {
    host: HostName,
    container: String,
    logged: LogLine,
}

pub async fn run(args: &Args, global: &Global) -> Result<Exit, CliError> {
    let last = LastLine::start(global);
    let since = args.since.as_deref().map(parse_since).transpose()?;
    let project = project::load(global).await?;
    let service = args.service.as_deref().map(|name| project.service(name)).transpose()?;
    let host = project.optional_host(args.host.as_deref())?;
    let session = Session::connect(project).await?;
    let facts = session.facts().await?;
    let query = LogQuery { follow: args.follow, tail: args.tail, since };
    let mut streams = Vec::new();
    for facts in facts.hosts.iter().filter(|facts| host.as_ref().is_none_or(|name| facts.name == *name)) {
        let wanted = |container: &&ContainerFact| {
            container.ours.as_ref().is_some_and(|ours| service.as_ref().is_none_or(|name| ours.service == *name))
        };
        for container in facts.containers.iter().filter(wanted) {
            let connection = session.host(&facts.name);
            let lines = connection.logs(&container.id, query.clone()).await?;
            let (host, container) = (facts.name.clone(), container.name.clone());
            streams.push(
                lines
                    .map(move |line| {
                        line.map(|line| Line { host: host.clone(), container: container.clone(), logged: line })
                    })
                    .boxed(),
            );
        }
    }
    if streams.is_empty() {
        eprintln!(
            "no containers of {} are there; `stagecraft status` shows what is",
            args.service.as_deref().unwrap_or("this project")
        );
    }
    let mut merged = stream::select_all(streams);
    let keep = |line: &Line| args.grep.as_ref().is_none_or(|text| line.logged.text.contains(text));
    if args.follow {
        while let Some(line) = merged.next().await {
            let line = line?;
            if keep(&line) {
                print(&line, global);
            }
        }
    } else {
        let mut lines = Vec::new();
        while let Some(line) = merged.next().await {
            lines.push(line?);
        }
        lines.sort_by(|a, b| a.logged.time.cmp(&b.logged.time));
        lines.iter().filter(|line| keep(line)).for_each(|line| print(line, global));
    }
    last.print(Exit::Done, None, &session.hosts);
    session.close().await;
    Ok(Exit::Done)
}

/// Seconds since 1970 for a duration before now or a time.
fn parse_since(text: &str) -> Result<i64, CliError> {
    if let Ok(span) = text.parse::<Span>() {
        let ago = i64::try_from(span.as_millis()).unwrap_or(i64::MAX).milliseconds();
        return Ok(Timestamp::now().saturating_sub(ago).map_err(anyhow::Error::from)?.as_second());
    }
    let time: Timestamp = text.parse().map_err(|_| {
        CliError::usage(
            format!("`--since {text}` is neither a duration nor a time"),
            "write `10m` or `2026-05-01T12:00:00Z`",
        )
    })?;
    Ok(time.as_second())
}

fn print(line: &Line, global: &Global) {
    let LogLine { time, stderr, text } = &line.logged;
    if global.json {
        let stream = if *stderr { "stderr" } else { "stdout" };
        let event = serde_json::json!({
            "type": "log", "version": 1, "time": time, "host": line.host, "container": line.container,
            "stream": stream, "text": text,
        });
        println!("{event}");
    } else {
        println!("{} {} {} {text}", time.get(..23).unwrap_or(time), line.host, line.container);
    }
}
