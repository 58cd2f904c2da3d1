//! A data folder, seen from outside: whether its service runs and where, and reading it while it does not.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::exit::{self, Failure};
use crate::cli::words::shell;

/// Where the service of a folder is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// It runs and listens there; with TLS, that is its certificate.
    Running { url: String, certificate: Option<PathBuf> },
    /// It does not run.
    Stopped,
}

/// Finds out by the folder's lock, which the service holds while it runs and in which it wrote its address.
pub(super) fn whereabouts(data: &Path) -> Result<Whereabouts, Failure> {
    if !data.is_dir() {
        return Err(Failure::new(exit::FAILURE, format!("there is no data folder at {}", data.display()))
            .hint(serve_command(data)));
    }
    let path = data.join("lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Whereabouts::Stopped),
        Err(error) => return Err(unreadable(&path, &error)),
    };
    // Shared, so that two commands at the same moment do not take each other for the service.
    match file.try_lock_shared() {
        Ok(()) => return Ok(Whereabouts::Stopped),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(unreadable(&path, &error)),
    }
    let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
    let mut lines = text.lines();
    match lines.next() {
        Some(url) if !url.is_empty() => {
            Ok(Whereabouts::Running { url: url.to_owned(), certificate: lines.next().map(PathBuf::from) })
        }
        _ => Err(Failure::new(exit::NOT_REACHABLE, "the service of this folder is still starting")
            .hint("try again in a moment")),
    }
}

/// The token of the operator `root`.
pub(super) fn token(data: &Path) -> Result<String, Failure> {
    let path = data.join("operator.token");
    let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
    Ok(text.trim().to_owned())
}

/// The folder of a stopped service.
pub(in crate::cli) struct Folder {
    data: PathBuf,
    master_key_file: Option<PathBuf>,
}

impl Folder {
    pub(super) fn new(data: &Path, master_key_file: Option<&Path>) -> Self {
        Self { data: data.to_owned(), master_key_file: master_key_file.map(Path::to_owned) }
    }

    /// Answers as the service would.
    pub(super) fn get(&self, path: &str) -> Result<(u16, Value), Failure> {
        crate::offline::get(&self.data, self.master_key_file.as_deref(), path)
            .map_err(|error| Failure::new(exit::FAILURE, format!("{error:#}")))
    }

    /// What the command needs is a running service.
    pub(super) fn stopped(&self, reason: &str) -> Failure {
        let message = format!("{reason}, but the service of {} is stopped", self.data.display());
        Failure::new(exit::NOT_REACHABLE, message).hint(serve_command(&self.data))
    }
}

fn serve_command(data: &Path) -> String {
    format!("muster serve --data {}", shell(&data.to_string_lossy()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(exit::FAILURE, format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_nobody_holds_means_stopped_whatever_its_text() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(whereabouts(data.path()).unwrap(), Whereabouts::Stopped);
        std::fs::write(data.path().join("lock"), "http://127.0.0.1:8080\n").unwrap();
        assert_eq!(whereabouts(data.path()).unwrap(), Whereabouts::Stopped);
    }

    #[test]
    fn a_lock_that_is_held_tells_address_and_certificate() {
        #[track_caller]
        fn check(text: &str, expected: Option<(&str, Option<&str>)>) {
            let data = tempfile::tempdir().unwrap();
            let path = data.path().join("lock");
            std::fs::write(&path, text).unwrap();
            let held = File::open(&path).unwrap();
            held.try_lock().unwrap();
            match expected {
                Some((url, certificate)) => {
                    let running =
                        Whereabouts::Running { url: url.into(), certificate: certificate.map(PathBuf::from) };
                    assert_eq!(whereabouts(data.path()).unwrap(), running);
                }
                None => assert_eq!(whereabouts(data.path()).unwrap_err().code(), exit::NOT_REACHABLE),
            }
        }
        check("http://127.0.0.1:8080\n", Some(("http://127.0.0.1:8080", None)));
        check(
            "https://127.0.0.1:8443\n/etc/cert.pem\n",
            Some(("https://127.0.0.1:8443", Some("/etc/cert.pem"))),
        );
        check("", None);
    }

    #[test]
    fn a_folder_that_is_not_there_names_the_command_that_makes_it() {
        let failure = whereabouts(Path::new("no such folder")).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "error: there is no data folder at no such folder\nhint: muster serve --data 'no such folder'"
        );
    }
}
