//! Runs the docker CLI on the operator's machine, for what only it can do: the user's logins and Docker's own builder.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Lines of a failed command's output that show why.
const SHOWN: usize = 20;

/// Runs a command, and returns what it has written; the error is the end of that.
pub async fn wait(command: Command, deadline: Duration) -> Result<String, String> {
    follow(command, deadline, |_| {}).await
}

/// [`wait`], with a look at each line as it comes.
pub async fn follow(mut command: Command, deadline: Duration, line: impl Fn(&str)) -> Result<String, String> {
    command.kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("docker cannot be started: {error}"))?;
    match timeout(deadline, read(&mut child, &line)).await {
        Ok(Ok((output, true))) => Ok(output),
        Ok(Ok((output, false))) => Err(last_lines(&output)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it has not ended within {} minutes", deadline.as_secs() / 60)),
    }
}

async fn read(child: &mut Child, line: &impl Fn(&str)) -> std::io::Result<(String, bool)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::try_join!(lines(stdout, line), lines(stderr, line))?;
    Ok((stdout + &stderr, child.wait().await?.success()))
}

async fn lines(stream: Option<impl AsyncRead + Unpin>, line: &impl Fn(&str)) -> std::io::Result<String> {
    let mut all = String::new();
    let Some(stream) = stream else { return Ok(all) };
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).await? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        line(text.trim_end());
        all.push_str(&text);
        bytes.clear();
    }
    Ok(all)
}

/// The end of a command's output.
pub fn last_lines(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}
