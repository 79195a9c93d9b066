//! The commit that a release is named by.

use std::{path::Path, process::Command};

/// The commit of a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Abbreviated as git does it.
    pub short: String,
    /// The project's directory differs from it.
    pub dirty: bool,
}

/// The commit of the work tree that the directory is in; `None` where there is none, or no git.
pub fn of(directory: &Path) -> Option<Commit> {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(directory).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let short = git(&["rev-parse", "--short", "HEAD"])?;
    let dirty = !git(&["status", "--porcelain", "--", "."])?.is_empty();
    Some(Commit { short, dirty })
}
