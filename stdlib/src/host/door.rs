//! A Unix socket on this machine that leads to a socket of the host: directly, or through SSH.

use std::{
    future::Future,
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower_service::Service;

use super::usage::Meter;

/// What lies behind a door.
#[derive(Debug, Clone)]
pub enum Way {
    /// The socket itself.
    Direct,
    /// A socket that `ssh` forwards, each connection in a channel of its own.
    Forwarded,
    /// `docker system dial-stdio`: each connection is an SSH session, and `sshd` allows only so many at a time.
    Dialled(Arc<Semaphore>),
}

/// Opens counted connections.
#[derive(Debug, Clone)]
pub struct Door {
    pub path: PathBuf,
    pub way: Way,
    pub meter: Arc<Meter>,
}

impl Door {
    pub async fn open(&self) -> io::Result<Counted> {
        let permit = match &self.way {
            Way::Dialled(sessions) => {
                Some(Arc::clone(sessions).acquire_owned().await.expect("the semaphore is never closed"))
            }
            Way::Direct | Way::Forwarded => None,
        };
        let stream = UnixStream::connect(&self.path).await?;
        if matches!(self.way, Way::Forwarded) {
            self.meter.forwarded();
        }
        Ok(Counted { stream, meter: Arc::clone(&self.meter), _permit: permit })
    }
}

impl Service<Uri> for Door {
    type Response = TokioIo<Counted>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let door = self.clone();
        Box::pin(async move { Ok(TokioIo::new(door.open().await?)) })
    }
}

/// A stream that counts the bytes each way.
#[derive(Debug)]
pub struct Counted {
    stream: UnixStream,
    meter: Arc<Meter>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection for Counted {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.meter.received(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.meter.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.meter.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
