//! Where the server forwards no sockets: `docker system dial-stdio`, a session for each connection.

use std::{io, path::Path, sync::Arc};

use openssh::{Session, Stdio};
use tokio::{
    io::copy,
    net::{UnixListener, UnixStream},
};
use tokio_util::task::AbortOnDropHandle;

use super::destination::quote;
use crate::host::usage::Meter;

/// Connections at once. `sshd` allows ten sessions by default; the lock's and the shell's are beside these.
pub const CONNECTIONS: usize = 6;

/// As whom `docker` runs on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    User,
    /// By `sudo -n`, for a user who may use sudo without a password and is not in the docker group.
    Root,
}

/// Listens on `local`, and gives each connection a session that leads to `socket` on the host.
pub fn listen(
    local: &Path,
    socket: &Path,
    user: As,
    session: &Arc<Session>,
    meter: &Arc<Meter>,
) -> io::Result<AbortOnDropHandle<()>> {
    let listener = UnixListener::bind(local)?;
    let command = command(socket, user);
    let (session, meter) = (Arc::clone(session), Arc::clone(meter));
    let accept = async move {
        while let Ok((stream, _)) = listener.accept().await {
            meter.session();
            tokio::spawn(carry(stream, Arc::clone(&session), command.clone()));
        }
    };
    Ok(AbortOnDropHandle::new(tokio::spawn(accept)))
}

fn command(socket: &Path, user: As) -> String {
    let sudo = if user == As::Root { "sudo -n " } else { "" };
    format!("exec {sudo}docker -H {} system dial-stdio", quote(&format!("unix://{}", socket.display())))
}

async fn carry(mut stream: UnixStream, session: Arc<Session>, command: String) -> Option<()> {
    let mut child = session
        .arc_command("sh")
        .args(["-c", &command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .await
        .ok()?;
    let (mut input, mut output) = (child.stdin().take()?, child.stdout().take()?);
    let (mut read, mut write) = stream.split();
    // Either end ends both: a half of an HTTP connection is of no use.
    tokio::select! {
        _ = copy(&mut read, &mut input) => {}
        _ = copy(&mut output, &mut write) => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{As, command};

    #[test]
    fn the_command_names_the_socket() {
        let socket = Path::new("/var/run/docker.sock");
        assert_eq!(command(socket, As::User), "exec docker -H unix:///var/run/docker.sock system dial-stdio");
        assert_eq!(command(socket, As::Root), "exec sudo -n docker -H unix:///var/run/docker.sock system dial-stdio");
    }
}
