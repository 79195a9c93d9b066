//! The web service of the test applications.

use std::{
    cell::Cell,
    future::pending,
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::spawn_local,
    time::{sleep, timeout},
};

use crate::{
    http::{Connection, Lost, Message, Side, connect},
    settings::{self, Stop},
};

/// What `/slow` takes.
const SLOW: Duration = Duration::from_secs(1);
/// How long requests have to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);
const HEALTH_DEADLINE: Duration = Duration::from_secs(2);

/// The server's settings and its state, shared by its connections.
struct Server {
    version: String,
    hostname: String,
    began: Instant,
    slow_start: Duration,
    latency: Duration,
    /// Zero: connections are kept.
    idle_close: Duration,
    is_sick: bool,
    is_draining: Cell<bool>,
}

impl Server {
    fn from_environment() -> Result<Self> {
        Ok(Self {
            version: settings::version(),
            hostname: settings::hostname(),
            began: Instant::now(),
            slow_start: settings::milliseconds("SLOW_START_MS")?,
            latency: settings::milliseconds("LATENCY_MS")?,
            idle_close: settings::milliseconds("IDLE_CLOSE_MS")?,
            is_sick: settings::is_on("UNHEALTHY") || settings::is_on_host(&settings::text("UNHEALTHY_ON", "")),
            is_draining: Cell::new(false),
        })
    }

    fn is_healthy(&self) -> bool {
        !self.is_sick && !self.is_draining.get() && self.began.elapsed() >= self.slow_start
    }

    async fn answer(&self, request: &Message) -> (&'static str, Vec<u8>) {
        let (method, path) = (request.line.0.as_str(), request.line.1.as_str());
        let greeting = format!("{} {}\n", self.version, self.hostname).into_bytes();
        match (method, path.split('?').next().unwrap_or_default()) {
            (_, "/up" | "/healthz") if self.is_healthy() => ("200 OK", greeting),
            (_, "/up" | "/healthz") => ("503 Service Unavailable", greeting),
            _ if self.began.elapsed() < self.slow_start => ("503 Service Unavailable", b"starting\n".to_vec()),
            (method, path) => {
                sleep(if path == "/slow" { SLOW } else { self.latency }).await;
                ("200 OK", if method == "POST" { request.body.clone() } else { greeting })
            }
        }
    }
}

pub async fn serve() -> Result<ExitCode> {
    tokio::select! {
        code = crash() => code,
        code = serve_until_asked() => code,
    }
}

/// Ends the program after `EXIT_AFTER_MS`, with `EXIT_CODE`, when it is set.
async fn crash() -> Result<ExitCode> {
    if settings::text("EXIT_AFTER_MS", "").is_empty() {
        return pending().await;
    }
    let code = u8::try_from(settings::number("EXIT_CODE", 1)?).context("EXIT_CODE is more than 255")?;
    sleep(settings::milliseconds("EXIT_AFTER_MS")?).await;
    eprintln!("cannot go on: EXIT_AFTER_MS is over");
    Ok(ExitCode::from(code))
}

async fn serve_until_asked() -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let server = Rc::new(Server::from_environment()?);
    if settings::is_on("STRICT") {
        tokio::select! {
            () = stop.asked() => return Ok(ExitCode::SUCCESS),
            () = sleep(server.slow_start) => (),
        }
    }
    let port = settings::number("PORT", 8080)?;
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).await.with_context(|| format!("port {port}"))?;
    println!("{} listens on port {port}", server.version);
    let (closing, closes) = watch::channel(());
    tokio::select! {
        never = accept(&listener, &server, &closes) => return never,
        () = stop.asked() => (),
    }
    server.is_draining.set(true);
    if let Ok(ended) = timeout(settings::milliseconds("DRAIN_MS")?, accept(&listener, &server, &closes)).await {
        return ended;
    }
    drop((listener, closes));
    closing.send_replace(());
    // Every connection holds a receiver until it has answered what it had begun to read.
    let all_answered = timeout(GRACE, closing.closed()).await.is_ok();
    Ok(if all_answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Serves every connection that comes; ends only with an error.
async fn accept(listener: &TcpListener, server: &Rc<Server>, closes: &watch::Receiver<()>) -> Result<ExitCode> {
    loop {
        let (stream, _) = listener.accept().await.context("accept")?;
        stream.set_nodelay(true)?;
        spawn_local(converse(stream, server.clone(), closes.clone()));
    }
}

async fn converse(stream: TcpStream, server: Rc<Server>, mut closes: watch::Receiver<()>) {
    let mut connection = Connection::new(stream, Side::Server);
    let mut is_last = false;
    while !is_last {
        let read = tokio::select! {
            read = connection.read() => read,
            () = sleep(server.idle_close), if !server.idle_close.is_zero() => return,
            _ = closes.changed() => {
                if connection.is_idle() {
                    return;
                }
                is_last = true;
                connection.read().await
            }
        };
        let request = match read {
            Ok(request) => request,
            Err(Lost::Closed) => return,
            Err(Lost::Broken(reason)) => {
                let _ =
                    connection.write(&response("400 Bad Request", &server.version, "close", reason.as_bytes())).await;
                return;
            }
        };
        let (status, body) = server.answer(&request).await;
        is_last |= request.closes() || closes.has_changed().unwrap_or(true);
        let next = if is_last { "close" } else { "keep-alive" };
        if connection.write(&response(status, &server.version, next, &body)).await.is_err() {
            return;
        }
    }
}

fn response(status: &str, version: &str, connection: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nX-Version: {version}\r\nConnection: {connection}\r\n\
         Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Asks the server of this container, as a health check does.
pub async fn check() -> Result<ExitCode> {
    let address = format!("127.0.0.1:{}", settings::number("PORT", 8080)?);
    let ask = async {
        let mut connection = Connection::new(connect(&address, HEALTH_DEADLINE).await?, Side::Client);
        connection.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        connection.read().await.map_err(|lost| anyhow!("{lost:?}"))
    };
    let answer = timeout(HEALTH_DEADLINE, ask).await.context("no answer in time")??;
    println!("{} {}", answer.line.0, String::from_utf8_lossy(&answer.body).trim_end());
    Ok(if answer.line.0 == "200" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
