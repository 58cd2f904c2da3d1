//! That requests came while the log was switched off: a small file beside the log says so, since the log itself is not
//! touched then. Whoever reads the log learns from it that some requests are in none of its rows.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use provisioning::Timestamp;

use crate::directory::Directory;

/// The file, in the tenant's folder: an instant as text.
const FILE: &str = "requests.off";

fn path(directory: &Directory) -> PathBuf {
    directory.folder().join(FILE)
}

/// Says so.
pub(super) fn note(directory: &Directory, at: Timestamp) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path(directory))?;
    file.write_all(at.0.to_string().as_bytes())
}

/// When the first request came to a service whose log was switched off, the last time that there was one.
pub fn at(directory: &Directory) -> std::io::Result<Option<Timestamp>> {
    match std::fs::read_to_string(path(directory)) {
        // What nobody can read says that much: something is not in the log.
        Ok(text) => Ok(Some(Timestamp(text.trim().parse().unwrap_or_default()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Forgets it, if it is older than that.
pub(super) fn forget(directory: &Directory, before: Timestamp) -> std::io::Result<()> {
    match at(directory)? {
        Some(at) if at < before => std::fs::remove_file(path(directory)),
        Some(_) | None => Ok(()),
    }
}
