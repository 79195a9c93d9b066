//! Locks of this machine, by the operating system.

use std::{
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use async_trait::async_trait;

use super::{directory_name, note, read_note};
use crate::host::{LockGuard, LockHolder, Locked};

const STICKY: u32 = 0o1000;

/// The directory of all locks, the same for every user of the machine.
pub fn root() -> PathBuf {
    let shared = fs::metadata("/run/lock").is_ok_and(|found| found.is_dir() && found.mode() & STICKY != 0);
    Path::new(if shared { "/run/lock" } else { "/tmp" }).join("stagecraft")
}

/// Tries to take the lock of this name below `root`.
pub fn take(root: &Path, name: &str, holder: &LockHolder) -> io::Result<Locked> {
    let directory = root.join(directory_name(name));
    make_open(root, STICKY | 0o777)?;
    make_open(&directory, 0o777)?;
    let file = File::open(&directory)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let found = fs::read_to_string(directory.join("holder")).ok();
            return Ok(Locked::Busy(found.as_deref().and_then(read_note)));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if fs::metadata(&directory)?.ino() != file.metadata()?.ino() {
        return Err(io::Error::other(format!("{} was removed meanwhile", directory.display())));
    }
    let mut new = tempfile::NamedTempFile::new_in(&directory)?;
    io::Write::write_all(&mut new, note(holder).as_bytes())?;
    new.as_file().set_permissions(Permissions::from_mode(0o644))?;
    new.persist(directory.join("holder"))?;
    Ok(Locked::Held(Box::new(LocalLock { directory, file })))
}

/// Makes a directory with these permissions whatever the umask is, unless it is there.
fn make_open(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                Ok(())
            } else {
                Err(io::Error::other(format!("{} is not a directory", path.display())))
            }
        }
        Err(error) => Err(error),
    }
}

/// The operating system holds it until the file is closed, so it cannot be lost.
struct LocalLock {
    directory: PathBuf,
    file: File,
}

#[async_trait]
impl LockGuard for LocalLock {
    fn held(&self) -> bool {
        true
    }
    async fn lost(&self) {
        std::future::pending::<()>().await;
    }
    async fn release(self: Box<Self>) {}
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        // A note that stays says what was once true, and only to somebody who looks while the lock is being taken.
        fs::remove_file(self.directory.join("holder")).ok();
        // Closing the file would not do while a process that is just being started has it open too.
        self.file.unlock().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::take;
    use crate::host::{LockHolder, Locked};

    fn holder(run: &str) -> LockHolder {
        let (run, who, since) = (run.into(), "ann@box".into(), "2026-01-02T03:04:05Z".into());
        LockHolder { run, who, since, what: "deploy".into() }
    }

    // spec: run.lock
    #[tokio::test]
    async fn the_second_is_told_who_has_it_until_it_is_released() {
        let root = tempfile::tempdir().unwrap();
        let Locked::Held(guard) = take(root.path(), "shop", &holder("one")).unwrap() else { panic!("is free") };
        match take(root.path(), "shop", &holder("two")).unwrap() {
            Locked::Busy(found) => assert_eq!(found, Some(holder("one"))),
            Locked::Held(_) => panic!("is held"),
        }
        assert!(matches!(take(root.path(), "other", &holder("two")).unwrap(), Locked::Held(_)));
        guard.release().await;
        assert!(matches!(take(root.path(), "shop", &holder("two")).unwrap(), Locked::Held(_)));
    }
}
