//! Why the engine does not answer over SSH: asked of the host only when it does not.

/// Answers with the user's name and the state of the engine's socket, `$1`.
pub const QUESTION: &str = r#"
id -un
if ! [ -S "$1" ]; then command -v docker >/dev/null && echo stopped || echo absent
elif [ -w "$1" ]; then echo open
else echo denied; fi
"#;

#[derive(Debug, PartialEq, Eq)]
pub struct Diagnosis {
    pub user: String,
    pub socket: Socket,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Socket {
    /// There is no socket, and no `docker` command.
    Absent,
    /// There is no socket, and Docker is installed.
    Stopped,
    /// The user may use it: forwarding is refused, or nothing listens.
    Open,
    /// The user may not use it.
    Denied,
}

/// Reads the answer; `None` when it is none.
pub fn read(answer: &str) -> Option<Diagnosis> {
    let (user, socket) = answer.trim().split_once('\n')?;
    let socket = match socket.trim() {
        "absent" => Socket::Absent,
        "stopped" => Socket::Stopped,
        "open" => Socket::Open,
        "denied" => Socket::Denied,
        _ => return None,
    };
    Some(Diagnosis { user: user.trim().to_owned(), socket })
}

#[cfg(test)]
mod tests {
    use super::{Diagnosis, QUESTION, Socket, read};

    fn ask(socket: &str) -> Option<Diagnosis> {
        let output = std::process::Command::new("sh").args(["-c", QUESTION, "sh", socket]).output().unwrap();
        read(&String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn the_question_is_answered_by_a_real_shell() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let absent = ask(path.to_str().unwrap()).unwrap();
        assert!(matches!(absent.socket, Socket::Absent | Socket::Stopped));
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(ask(path.to_str().unwrap()), Some(Diagnosis { user: absent.user, socket: Socket::Open }));
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        assert_eq!(read("This account is not available.\n"), None);
        assert_eq!(read("deploy\ndenied\n"), Some(Diagnosis { user: "deploy".into(), socket: Socket::Denied }));
    }
}
