//! Named locks on a host: a `flock` on a directory under `/run/lock/stagecraft`, or `/tmp/stagecraft` where `/run/lock` is
//! not open to all users. The same locks are taken on this machine ([`local`]) and over SSH ([`remote`]).

pub mod local;
pub mod remote;

use std::fmt::Write as _;

use super::LockHolder;

/// The name as a directory's: everything but letters, digits, `-`, `_` and `.` is written `%XX`.
fn directory_name(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        // A leading dot could name a directory that is there already.
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (byte == b'.' && !text.is_empty()) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to memory");
        }
    }
    text
}

fn note(holder: &LockHolder) -> String {
    serde_json::to_string(holder).expect("texts")
}

fn read_note(text: &str) -> Option<LockHolder> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{directory_name, note, read_note};
    use crate::host::LockHolder;

    #[test]
    fn every_name_is_one_directory() {
        assert_eq!(directory_name("shop-production"), "shop-production");
        assert_eq!(directory_name("../a b"), "%2E.%2Fa%20b");
    }

    #[test]
    fn a_note_is_one_line_and_is_read_again() {
        let (run, who, since) = ("r1".into(), "ann@\nbox".into(), "2026-01-02T03:04:05Z".into());
        let holder = LockHolder { run, who, since, what: "deploy".into() };
        assert!(!note(&holder).contains('\n'));
        assert_eq!(read_note(&note(&holder)), Some(holder));
        assert_eq!(read_note("not JSON"), None);
    }
}
