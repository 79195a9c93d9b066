//! A database's stand-in, which one process at a time may have open, and a migration's.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::spawn_local,
    time::{Instant, sleep, timeout},
};

use crate::{
    http::connect,
    settings::{self, Stop},
};

const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// How long a job waits for a store that isn't there yet.
const STORE_DEADLINE: Duration = Duration::from_secs(10);
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// The lines, and the lock that a database has on its files.
struct Log {
    file: PathBuf,
    _lock: File,
}

impl Log {
    fn open() -> Result<Self> {
        let directory = PathBuf::from(settings::text("DATA_DIR", "."));
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let lock = File::create(directory.join("store.lock"))?;
        if lock.try_lock().is_err() {
            bail!("{}: another store has these files open", directory.display());
        }
        Ok(Self { file: directory.join("data.log"), _lock: lock })
    }

    fn execute(&self, line: &str) -> Result<String> {
        if let Some(text) = line.strip_prefix("append ") {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.file)?;
            writeln!(file, "{text}")?;
            file.sync_data()?;
            return Ok("ok".to_owned());
        }
        if line == "count" {
            return Ok(fs::read_to_string(&self.file).unwrap_or_default().lines().count().to_string());
        }
        bail!("`{line}` is neither `append TEXT` nor `count`")
    }
}

/// Answers a line for each line.
pub async fn serve() -> Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let log = Rc::new(Log::open()?);
    let port = settings::number("PORT", 5432)?;
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).await.with_context(|| format!("port {port}"))?;
    println!("{} stores on port {port}", settings::version());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                spawn_local(converse(accepted?.0, log.clone()));
            }
            () = stop.asked() => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn converse(mut stream: TcpStream, log: Rc<Log>) {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = log.execute(line.trim_end()).unwrap_or_else(|error| format!("error: {error:#}"));
        if writer.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Appends `migrated $VERSION` to the store at `STORE_ADDR`.
pub async fn migrate() -> Result<ExitCode> {
    if settings::is_on("FAIL") {
        eprintln!("the migration fails, as FAIL=1 asks");
        return Ok(ExitCode::from(3));
    }
    let address = settings::text("STORE_ADDR", "store:5432");
    let mut stream = reach_store(&address).await.with_context(|| address.clone())?;
    stream.write_all(format!("append migrated {}\n", settings::version()).as_bytes()).await?;
    let mut lines = BufReader::new(stream).lines();
    let answer = timeout(ANSWER_DEADLINE, lines.next_line()).await.context("no answer in time")??.unwrap_or_default();
    println!("migrated {}: {answer}", settings::version());
    Ok(if answer == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn reach_store(address: &str) -> std::io::Result<TcpStream> {
    let until = Instant::now() + STORE_DEADLINE;
    loop {
        match connect(address, CONNECT_DEADLINE).await {
            Err(_) if Instant::now() < until => sleep(RETRY_AFTER).await,
            reached => return reached,
        }
    }
}

pub async fn reach(arguments: &[String]) -> Result<ExitCode> {
    let [address] = arguments else { bail!("expected one ADDRESS:PORT") };
    connect(address, CONNECT_DEADLINE).await.with_context(|| address.clone())?;
    println!("{address} answers");
    Ok(ExitCode::SUCCESS)
}
