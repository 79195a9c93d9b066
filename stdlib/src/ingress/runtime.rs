//! HAProxy's runtime API, over its Unix sockets.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{ADMIN, MASTER, ROUTES};
use crate::{
    facts::ServerFact,
    failure::Failure,
    host::{Conversation, Host, HostError},
    model::Span,
};

/// How long the runtime may take to answer where nothing is waited for.
const ANSWER: Span = Span::secs(10);
/// How long one question to a worker that is starting may take; it is asked again.
const FIRST_ANSWER: Span = Span::secs(1);
/// How long a reload may take: it loads every certificate.
const RELOAD: Span = Span::secs(30);
/// How long a worker that a reload has replaced may take to answer.
const OLD_WORKER: Span = Span::secs(2);
/// Between two looks at a worker that a reload has replaced.
const POLL: Duration = Duration::from_millis(200);

/// How long the master may be away while it reloads.
const RESTART: Duration = Duration::from_secs(2);
/// Between two looks whether it is there again.
const RESTART_POLL: Duration = Duration::from_millis(50);

/// Makes the master take several lines over one connection, without a prompt.
const SEVERAL: &str = "prompt i";
/// What the master is told to say after each answer.
const END: &str = "<end>";
/// The account of all processes.
const PROCESSES: &str = "show proc";
const PROCESSES_BEGIN: &str = "#<PID>";

const VERSION: &str = "show version";

/// The account of all servers. Its table ends with an empty line.
pub const SERVERS: &str = "show servers state";

/// Asks the current worker, through the master: after a reload an old worker may still answer at the worker's own socket for
/// a moment. `None` when there is no ingress.
pub async fn ask(host: &dyn Host, commands: &[String]) -> Result<Option<String>, HostError> {
    ask_within(host, commands, ANSWER).await
}

async fn ask_within(host: &dyn Host, commands: &[String], deadline: Span) -> Result<Option<String>, HostError> {
    let current: Vec<String> = commands.iter().map(|command| format!("@1 {command}")).collect();
    let request = format!("{}; quit\n", current.join("; "));
    let answer = host.socket(Path::new(MASTER), request.as_bytes(), deadline).await?;
    Ok(answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether a worker of an ingress that is starting answers yet. The master answers before it has one, or keeps the question
/// for it.
pub async fn answers_yet(host: &dyn Host) -> Result<bool, HostError> {
    match ask_within(host, &[VERSION.to_owned()], FIRST_ANSWER).await {
        Err(HostError::Lost { .. }) if !host.is_lost() => Ok(false),
        answer => Ok(is_version(answer?)),
    }
}

/// Whether a worker answers.
pub async fn answers(host: &dyn Host) -> Result<bool, HostError> {
    Ok(is_version(ask(host, &[VERSION.to_owned()]).await?))
}

fn is_version(answer: Option<String>) -> bool {
    // The version, such as `3.2.26`.
    answer.is_some_and(|answer| answer.starts_with(|first: char| first.is_ascii_digit()))
}

/// The runtime of an ingress that must be there, asked through the master over one connection. The master has few of them for
/// all who ask: it is held only while one question follows another.
pub struct Runtime<'a> {
    host: &'a Arc<dyn Host>,
    open: Option<Box<dyn Conversation>>,
}

impl<'a> Runtime<'a> {
    pub fn of(host: &'a Arc<dyn Host>) -> Self {
        Self { host, open: None }
    }

    pub fn host(&self) -> &'a Arc<dyn Host> {
        self.host
    }

    /// What the current worker answers to these commands, in their order.
    pub async fn command(&mut self, commands: &[String]) -> Result<String, Failure> {
        self.ask(commands.iter().map(|command| format!("@1 {command}"))).await
    }

    /// [`Runtime::command`], and the process ids of the workers that a reload has replaced and that have not ended.
    pub async fn command_and_old_workers(&mut self, commands: &[String]) -> Result<(String, Vec<u32>), Failure> {
        let commands = commands.iter().map(|command| format!("@1 {command}"));
        let answer = self.ask(commands.chain([PROCESSES.to_owned()])).await?;
        let (answer, processes) = answer.split_once(PROCESSES_BEGIN).unwrap_or((&answer, ""));
        Ok((answer.to_owned(), old_workers(processes)))
    }

    /// Lets the connection go; the next question opens another one.
    pub fn pause(&mut self) {
        self.open = None;
    }

    async fn ask(&mut self, commands: impl Iterator<Item = String>) -> Result<String, Failure> {
        let commands: Vec<String> = commands.chain([format!("echo {END}")]).collect();
        let line = format!("{}\n", commands.join("; "));
        let until = Instant::now() + RESTART;
        loop {
            if let Some(answer) = self.ask_over(&line).await? {
                return Ok(answer);
            }
            // A reload, which may be another project's, ends the master's connections, and for a moment it takes no new ones.
            // What the replaced worker was told last is told to the new one, which knows nothing of it.
            if Instant::now() >= until {
                return Err(absent(self.host));
            }
            sleep(RESTART_POLL).await;
        }
    }

    async fn ask_over(&mut self, line: &str) -> Result<Option<String>, HostError> {
        let (mut open, line) = match self.open.take() {
            Some(open) => (open, line.to_owned()),
            None => match self.host.converse(Path::new(MASTER)).await? {
                Some(open) => (open, format!("{SEVERAL}\n{line}")),
                None => return Ok(None),
            },
        };
        let answer = open.ask(line.as_bytes(), format!("{END}\n\n").as_bytes(), ANSWER).await?;
        if answer.is_some() {
            self.open = Some(open);
        }
        Ok(answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn absent(host: &Arc<dyn Host>) -> Failure {
    Failure::new(format!("the ingress of {} does not run", host.name())).on(host.name()).hint(format!(
        "look at its log: `stagecraft ssh {} docker logs {}`",
        host.name(),
        super::CONTAINER
    ))
}

/// Commands that wait, for which the master has no patience: they go to the worker itself.
pub async fn wait(host: &Arc<dyn Host>, commands: &[String], longest: Span) -> Result<String, Failure> {
    let deadline = Span::millis(ANSWER.as_millis() + longest.as_millis());
    let request = format!("{}\n", commands.join("; "));
    let answer = host.socket(Path::new(ADMIN), request.as_bytes(), deadline).await?;
    Ok(answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
}

/// Waits until these workers, which a reload has replaced, have nothing in flight on these servers of a backend. They send
/// nothing more there, but finish what they have begun.
pub async fn drained_in(
    host: &Arc<dyn Host>,
    workers: &[u32],
    backend: &str,
    servers: &[&str],
    longest: Span,
) -> Result<(), Failure> {
    let until = Instant::now() + longest.duration();
    for worker in workers {
        let request = format!("@!{worker} show stat {backend} 4 -1; quit\n");
        while Instant::now() < until {
            // A worker that has ended in between leaves the question without an answer.
            let answer = host.socket(Path::new(MASTER), request.as_bytes(), OLD_WORKER).await;
            let answer = answer.ok().flatten().unwrap_or_default();
            if in_flight(&String::from_utf8_lossy(&answer), servers) == 0 {
                break;
            }
            sleep(POLL).await;
        }
    }
    Ok(())
}

/// The process ids under `# old workers` of `show proc`.
fn old_workers(text: &str) -> Vec<u32> {
    let old = text.lines().skip_while(|line| !line.starts_with("# old workers")).skip(1);
    let rows = old.take_while(|line| !line.starts_with('#'));
    rows.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// Requests in flight on these servers, by the CSV of `show stat`: its column `scur`.
fn in_flight(csv: &str, servers: &[&str]) -> u64 {
    let counts = csv.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let ours = fields.get(1).is_some_and(|name| servers.contains(name));
        fields.get(4).filter(|_| ours)?.parse::<u64>().ok()
    });
    counts.sum()
}

/// Loads the configuration anew without closing a connection. When it does not load, the old one goes on, and the error is
/// HAProxy's own words.
pub async fn reload(host: &Arc<dyn Host>) -> Result<(), Failure> {
    let answer = host.socket(Path::new(MASTER), b"reload\n", RELOAD).await?.unwrap_or_default();
    let text = String::from_utf8_lossy(&answer).into_owned();
    if text.starts_with("Success=1") {
        return Ok(());
    }
    let words: Vec<&str> = text.lines().filter(|line| line.contains("ALERT")).collect();
    Err(Failure::new(format!(
        "the ingress of {} does not load its new configuration; the old one goes on",
        host.name()
    ))
    .on(host.name())
    .detail(if words.is_empty() { text.clone() } else { words.join("\n") }))
}

/// Asks for the map of routes.
pub fn show_map() -> String {
    format!("show map {ROUTES}")
}

/// The map in an answer that holds `show map`: an address, a key and a value a line.
pub fn map(answer: &str) -> BTreeMap<String, String> {
    let entries = answer.lines().filter(|line| line.starts_with("0x"));
    entries
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .collect()
}

/// A server in `show servers state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub backend: String,
    pub name: String,
    pub address: String,
    pub port: u16,
    /// Its checks have passed, or it has not been checked yet and counts as up.
    pub up: bool,
    /// Neither in maintenance nor draining.
    pub admitted: bool,
}

impl From<Row> for ServerFact {
    fn from(row: Row) -> Self {
        let ready = row.up && row.admitted;
        Self { backend: row.backend, name: row.name, address: row.address, port: row.port, ready }
    }
}

/// Reads the tables in an answer that holds `show servers state`; columns are found by the header's names.
pub fn rows(answer: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut header: Vec<&str> = Vec::new();
    for line in answer.lines() {
        if let Some(names) = line.strip_prefix("# ") {
            header = names.split_whitespace().collect();
            continue;
        }
        let cells: Vec<&str> = line.split_whitespace().collect();
        let cell = |name: &str| {
            let place = header.iter().position(|known| *known == name)?;
            cells.get(place).copied()
        };
        let row = || {
            Some(Row {
                backend: cell("be_name")?.to_owned(),
                name: cell("srv_name")?.to_owned(),
                address: cell("srv_addr")?.to_owned(),
                port: cell("srv_port")?.parse().ok()?,
                up: cell("srv_op_state")? == "2",
                admitted: cell("srv_admin_state")? == "0",
            })
        };
        rows.extend(row());
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{Row, Runtime, in_flight, old_workers, rows};
    use crate::host::{Host, fake::FakeHost};

    /// What is asked of a master that gives these answers.
    fn master(mut answers: Vec<&'static str>) -> (Arc<dyn Host>, Arc<Mutex<Vec<String>>>) {
        let (host, asked) = (FakeHost::new("web-1"), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&asked);
        host.on_socket(move |_, request| {
            heard.lock().unwrap().push(String::from_utf8(request.to_vec()).unwrap());
            Some(answers.remove(0).into())
        });
        (Arc::new(host), asked)
    }

    #[tokio::test]
    async fn one_connection_takes_several_questions() {
        let (host, asked) = master(vec!["a\n\n<end>\n\n", "b\n\n<end>\n\n"]);
        let mut runtime = Runtime::of(&host);
        assert_eq!(runtime.command(&["show one".into(), "show two".into()]).await.unwrap(), "a\n\n");
        assert_eq!(runtime.command(&["show three".into()]).await.unwrap(), "b\n\n");
        let asked = asked.lock().unwrap();
        assert_eq!(
            *asked,
            ["prompt i\n@1 show one; @1 show two; echo <end>\n", "@1 show three; echo <end>\n"].map(str::to_owned)
        );
    }

    #[tokio::test]
    async fn what_a_reload_cuts_off_is_asked_again_of_the_new_worker() {
        let (host, asked) = master(vec!["half", "whole\n<end>\n\n"]);
        let answer = Runtime::of(&host).command(&["show one".into()]).await.unwrap();
        assert_eq!((answer.as_str(), asked.lock().unwrap().len()), ("whole\n", 2));
        let (host, asked) = master(vec!["half", "", "whole\n<end>\n\n"]);
        Runtime::of(&host).command(&["show one".into()]).await.unwrap();
        assert_eq!(asked.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn the_account_of_processes_is_no_part_of_the_answer() {
        let processes = "#<PID> <type>\n1 master\n# workers\n22 worker\n# old workers\n8 worker\n# programs\n\n";
        let answer = format!("servers\n\n{processes}\n<end>\n\n").leak();
        let (host, _) = master(vec![answer]);
        let (answer, old) = Runtime::of(&host).command_and_old_workers(&["show one".into()]).await.unwrap();
        assert_eq!((answer.as_str(), old), ("servers\n\n", vec![8]));
    }

    #[test]
    fn the_workers_that_a_reload_replaced_are_listed_apart() {
        let text = "#<PID>          <type>          <reloads>       <uptime>        <version>\n\
            1               master          1               0d00h00m05s     3.2.26-1       \n# workers\n\
            22              worker          0               0d00h00m02s     3.2.26-1       \n# old workers\n\
            8               worker          1               0d00h00m05s     3.2.26-1       \n# programs\n\n";
        assert_eq!(old_workers(text), [8]);
    }

    #[test]
    fn requests_in_flight_are_counted_for_the_servers_that_leave() {
        let csv =
            "# pxname,svname,qcur,qmax,scur,smax\nshop:web:0,shop-web-r1-1,0,0,3,9\nshop:web:0,shop-web-r2-1,0,0,5,9\n";
        assert_eq!(in_flight(csv, &["shop-web-r1-1"]), 3);
        assert_eq!(in_flight(csv, &["shop-web-r9-1"]), 0);
    }

    const ANSWER: &str = "\nNew server registered.\n\n1\n\
        # be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change \
        srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id \
        srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n\
        4 shop:web:0 1 shop-web-r1-1 10.210.0.2 2 0 1 1 5 6 3 4 6 0 0 0 - 8080 - 0 0 - - 0\n\
        4 shop:web:0 2 shop-web-r2-1 10.210.0.3 0 8 1 1 0 1 0 0 14 0 0 0 - 8080 - 0 0 - - 0\n\n";

    #[test]
    fn servers_by_the_runtimes_account() {
        let row = |name: &str, address: &str, up, admitted| Row {
            backend: "shop:web:0".into(),
            name: name.into(),
            address: address.into(),
            port: 8080,
            up,
            admitted,
        };
        assert_eq!(
            rows(ANSWER),
            [row("shop-web-r1-1", "10.210.0.2", true, true), row("shop-web-r2-1", "10.210.0.3", false, false)]
        );
    }
}
