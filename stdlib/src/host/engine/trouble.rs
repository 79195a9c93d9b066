//! What bollard reports, sorted by what it means.

use bollard::errors::Error;

#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The engine answered with this status.
    Status(u16, String),
    /// The engine reported an error in a stream that had begun well.
    Said(String),
    /// The engine answered what is not understood.
    Unreadable(String),
    /// No connection was had, so nothing was sent.
    NotConnected(String),
    /// The connection ended before the answer.
    Broken(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => Self::Status(status_code, message),
            Error::DockerStreamError { error } => Self::Said(error),
            Error::HyperLegacyError { err } if err.is_connect() => Self::NotConnected(root(&err)),
            Error::HyperLegacyError { err } => Self::Broken(root(&err)),
            Error::HyperResponseError { err } => Self::Broken(root(&err)),
            Error::IOError { err } => Self::Broken(err.to_string()),
            Error::RequestTimeoutError => Self::Broken("no answer".to_owned()),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

/// The innermost cause: the outer ones only say that there is one.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::io;

    use bollard::errors::Error;

    use super::Trouble;

    #[test]
    fn a_status_is_kept_apart_from_a_broken_connection() {
        let status = Error::DockerResponseServerError { status_code: 409, message: "name in use".into() };
        assert_eq!(Trouble::from(status), Trouble::Status(409, "name in use".into()));
        let broken = Error::IOError { err: io::Error::new(io::ErrorKind::UnexpectedEof, "ended") };
        assert_eq!(Trouble::from(broken), Trouble::Broken("ended".into()));
    }

    #[test]
    fn an_error_in_a_stream_is_the_engines_word() {
        let error = Error::DockerStreamError { error: "no space left on device".into() };
        assert_eq!(Trouble::from(error), Trouble::Said("no space left on device".into()));
    }
}
