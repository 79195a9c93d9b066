//! As much of HTTP/1.1 as the lab needs: heads, and bodies with a length.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const MOST_HEADERS: usize = 64;
const LONGEST_HEAD: usize = 64 << 10;
const LONGEST_BODY: usize = 16 << 20;
const READ_SIZE: usize = 8 << 10;

/// A request or a response.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    /// A request's method and path, a response's status code and reason.
    pub line: (String, String),
    headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The sender will close the connection, or asks the other side to.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    fn body_length(&self) -> Result<usize> {
        if self.header("transfer-encoding").is_some() {
            bail!("a body without a length");
        }
        let length = self.header("content-length").unwrap_or("0");
        let length = length.parse().with_context(|| format!("Content-Length: {length}"))?;
        match length {
            0..=LONGEST_BODY => Ok(length),
            _ => bail!("a body of {length} bytes"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Side {
    Client,
    Server,
}

/// What can go wrong while a message is awaited.
#[derive(Debug, PartialEq)]
pub enum Lost {
    /// The other side closed before the first byte of the message.
    Closed,
    /// It closed, or the connection broke, in the middle of one.
    Broken(String),
}

/// A connection and what has been read from it beyond the last message.
#[derive(Debug)]
pub struct Connection {
    pub stream: TcpStream,
    side: Side,
    buffer: Vec<u8>,
}

impl Connection {
    pub fn new(stream: TcpStream, side: Side) -> Self {
        Self { stream, side, buffer: Vec::new() }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next message, whole.
    pub async fn read(&mut self) -> Result<Message, Lost> {
        let broken = |error: anyhow::Error| Lost::Broken(format!("{error:#}"));
        let (mut message, head_length) = loop {
            if let Some(found) = parse(&self.buffer, self.side).map_err(broken)? {
                break found;
            }
            self.more().await?;
        };
        let end = head_length + message.body_length().map_err(broken)?;
        while self.buffer.len() < end {
            self.more().await?;
        }
        message.body = self.buffer.drain(..end).skip(head_length).collect();
        Ok(message)
    }

    async fn more(&mut self) -> Result<(), Lost> {
        let had = self.buffer.len();
        self.buffer.reserve(READ_SIZE);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) if had == 0 => Err(Lost::Closed),
            Ok(0) => Err(Lost::Broken("closed in the middle of a message".to_owned())),
            Ok(_) => Ok(()),
            Err(error) => Err(Lost::Broken(error.kind().to_string())),
        }
    }

    /// Looks, without waiting, whether the other side has closed or sent what nobody asked for.
    pub fn is_idle(&self) -> bool {
        use rustix::{
            io::Errno,
            net::{RecvFlags, recv},
        };
        let mut byte = [0_u8; 1];
        let seen = recv(&self.stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        self.buffer.is_empty() && matches!(seen, Err(Errno::AGAIN))
    }
}

/// The head at the start of the buffer and its length, when all of it is there.
fn parse(buffer: &[u8], side: Side) -> Result<Option<(Message, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let (line, parsed, headers) = match side {
        Side::Server => {
            let mut request = httparse::Request::new(&mut headers);
            let parsed = request.parse(buffer)?;
            let line = (request.method.unwrap_or_default().to_owned(), request.path.unwrap_or_default().to_owned());
            (line, parsed, request.headers)
        }
        Side::Client => {
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(buffer)?;
            let line = (response.code.unwrap_or_default().to_string(), response.reason.unwrap_or_default().to_owned());
            (line, parsed, response.headers)
        }
    };
    let httparse::Status::Complete(length) = parsed else {
        match buffer.len() {
            0..=LONGEST_HEAD => return Ok(None),
            _ => bail!("a head of more than {LONGEST_HEAD} bytes"),
        }
    };
    let mut message = Message { line, ..Message::default() };
    for header in headers.iter() {
        let value = String::from_utf8_lossy(header.value).into_owned();
        message.headers.insert(header.name.to_ascii_lowercase(), value);
    }
    Ok(Some((message, length)))
}

/// Connects within the deadline.
pub async fn connect(address: &str, deadline: Duration) -> std::io::Result<TcpStream> {
    let stream = tokio::time::timeout(deadline, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_it_is_whole() {
        let text = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nhi";
        assert_eq!(parse(&text[..20], Side::Server).expect("no error"), None);
        let (message, length) = parse(text, Side::Server).expect("valid").expect("whole");
        assert_eq!(message.line, ("POST".to_owned(), "/x".to_owned()));
        assert_eq!((message.body_length().expect("a length"), length), (2, text.len() - 2));
        assert!(message.closes());
    }

    #[test]
    fn a_response_has_its_status() {
        let (message, _) =
            parse(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Side::Client).expect("valid").expect("whole");
        assert_eq!(message.line, ("503".to_owned(), "Service Unavailable".to_owned()));
        assert!(!message.closes());
    }

    #[test]
    fn a_body_without_a_length_is_refused() {
        let text = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (message, _) = parse(text, Side::Server).expect("valid").expect("whole");
        assert_eq!(message.body_length().expect_err("refused").to_string(), "a body without a length");
    }
}
