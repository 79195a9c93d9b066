//! One connection to a socket of the host, over which one question follows another.

use std::{io, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{HostError, Result, door::Counted, engine::Place, machine::nothing_listens, pulse::Pulse};
use crate::model::Span;

/// Spares each question but the first the round trip that opens a connection over SSH.
#[async_trait]
pub trait Conversation: Send {
    /// Sends `request`, and returns what is answered before `end`. `None` when the other side ended the connection before
    /// that: a process that has ended, or never listened.
    async fn ask(&mut self, request: &[u8], end: &[u8], deadline: Span) -> Result<Option<Bytes>>;
}

/// A conversation over a real socket.
pub struct Talk {
    pub place: Place,
    pub pulse: Arc<Pulse>,
    pub path: PathBuf,
    pub stream: Counted,
}

impl Talk {
    async fn exchange(&mut self, request: &[u8], end: &[u8]) -> io::Result<Option<Bytes>> {
        self.stream.write_all(request).await?;
        let mut answer = BytesMut::new();
        while !answer.ends_with(end) {
            if self.stream.read_buf(&mut answer).await? == 0 {
                return Ok(None);
            }
        }
        answer.truncate(answer.len() - end.len());
        Ok(Some(answer.freeze()))
    }
}

#[async_trait]
impl Conversation for Talk {
    async fn ask(&mut self, request: &[u8], end: &[u8], deadline: Span) -> Result<Option<Bytes>> {
        if let Some(loss) = self.pulse.loss() {
            return Err(self.place.gone(&loss));
        }
        let (host, what) = (self.place.host.clone(), format!("a request to {}", self.path.display()));
        let pulse = Arc::clone(&self.pulse);
        match pulse.during(timeout(deadline.duration(), self.exchange(request, end))).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) if nothing_listens(&error) => Ok(None),
            Ok(Ok(Err(error))) => {
                tracing::debug!(%host, %error, what, "broke off");
                Err(HostError::Lost { host, what })
            }
            Ok(Err(_)) | Err(_) => Err(HostError::Lost { host, what }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::UnixListener,
    };

    use super::{Conversation, Talk};
    use crate::{
        host::{
            door::{Door, Way},
            engine::Place,
        },
        model::{HostName, Span},
    };

    const DEADLINE: Span = Span::secs(10);

    #[tokio::test]
    async fn questions_follow_one_another_until_the_other_side_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let door = Door { path: path.clone(), way: Way::Direct, meter: Arc::default() };
        let place = Place {
            host: HostName::new("web-1").unwrap(),
            address: "web-1".into(),
            socket: path.display().to_string(),
        };
        let mut talk = Talk { place, pulse: Arc::default(), path, stream: door.open().await.unwrap() };
        let other_side = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.split();
            let mut lines = BufReader::new(read).lines();
            for pieces in [["one\n<e", "nd>\n"], ["two\n", "<end>\n"]] {
                lines.next_line().await.unwrap();
                for piece in pieces {
                    write.write_all(piece.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
            lines.next_line().await.unwrap();
            write.write_all(b"thr").await.unwrap();
        });
        assert_eq!(talk.ask(b"1\n", b"<end>\n", DEADLINE).await.unwrap().unwrap(), "one\n");
        assert_eq!(talk.ask(b"2\n", b"<end>\n", DEADLINE).await.unwrap().unwrap(), "two\n");
        assert_eq!(talk.ask(b"3\n", b"<end>\n", DEADLINE).await.unwrap(), None);
        other_side.await.unwrap();
    }
}
