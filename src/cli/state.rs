//! Where this machine keeps what it knows of a project: its runs, and an environment's identity before there is a release.

use std::{
    env,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// A directory below `$XDG_STATE_HOME/stagecraft` (`~/.local/state/stagecraft`) for the project in this directory. Outside of
/// the project: what is inside would be in its build context, and so in its images.
pub fn directory(project: &Path) -> PathBuf {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
    let project = project.canonicalize().unwrap_or_else(|_| project.to_owned());
    let name = project.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let hash = hex::encode(&Sha256::digest(project.as_os_str().as_encoded_bytes())[..4]);
    state.unwrap_or_else(env::temp_dir).join("stagecraft").join(format!("{name}-{hash}"))
}
