//! Whether there is room on a disk, and a little of it put by for a start without any.
//!
//! Opening a database takes room, even for reading only: SQLite keeps an index of the write-ahead log beside it. So
//! that a service can still start on a full disk, and answer what is asked, the data folder holds a file that is only
//! there to be given up. Nothing is known here of tenants or of what stands in files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fs4::fs_std::FileExt as _;

use crate::tasks::Tasks;

/// So much has to fit, for a folder to have room: several times what opening one database takes.
const TRIED_BYTES: u64 = 65_536;

/// What opening the databases of one folder takes, and a little for what has to be written then.
const RESERVED_BYTES_EACH: u64 = 256 << 10;

/// The reserve of a house with very many tenants: some of them will wait for room.
const RESERVED_BYTES_MAX: u64 = 64 << 20;

/// How often a reserve that was given up is tried to be put by again.
const INTERVAL: Duration = Duration::from_mins(1);

/// Why nothing can be written in a folder, if so, and what to do about it. Found by trying, since neither a quota, nor
/// a limit of the process, nor a missing permission shows in what is free. Blocks.
pub fn missing(folder: &Path) -> Option<String> {
    let error = try_out(folder).err()?;
    let place = folder.display();
    Some(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            format!("there is no room for {place} ({error}): make room on its disk")
        }
        _ => format!("nothing can be written in {place} ({error}): let the service write there"),
    })
}

fn try_out(folder: &Path) -> io::Result<()> {
    let path = folder.join("room.tried");
    let mut file = private_file(&path)?;
    // Nobody finds it, whatever happens; the bytes go with the last handle.
    fs::remove_file(&path)?;
    io::copy(&mut io::repeat(0).take(TRIED_BYTES), &mut file).map(drop)
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Room that is put by in a data folder, as the file `reserve`.
#[derive(Debug, Clone)]
pub struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// The reserve of a data folder with so many tenants. Nothing is put by yet.
    pub fn of(data: &Path, tenants: usize) -> Self {
        let folders = 2_u64.saturating_add(tenants as u64);
        let bytes = folders.saturating_mul(RESERVED_BYTES_EACH).min(RESERVED_BYTES_MAX);
        Self { path: data.join("reserve"), bytes }
    }

    /// Before anything is opened: puts room by, or gives up what there is, if there is no room beyond it. Blocks.
    pub fn at_start(data: &Path) -> Self {
        let tenants = fs::read_dir(data.join("tenants")).map_or(0, Iterator::count);
        let reserve = Self::of(data, tenants);
        let Err(error) = reserve.keep() else { return reserve };
        match reserve.give_up() {
            Ok(true) => tracing::error!(
                error = %error,
                "there is no room for {} ({error}): what was put by is used up to start, and writes may be refused \
                 until there is room on its disk",
                data.display()
            ),
            Ok(false) => tracing::warn!(error = %error, "no room could be put by for a full disk: {error}"),
            Err(error) => tracing::warn!(error = %error, "what was put by could not be given up: {error}"),
        }
        reserve
    }

    /// Puts it by again as soon as there is room, until the house shuts down.
    pub async fn watch(self, tasks: Arc<Tasks>) {
        let mut stopping = tasks.stopping();
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stops| *stops) => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let reserve = self.clone();
            // What it says was said at the start.
            let again = move || !reserve.is_kept() && reserve.keep().is_ok();
            if tasks.block(again).await {
                tracing::info!("there is room on the disk: some of it is put by again");
            }
        }
    }

    fn is_kept(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|kept| kept.len() >= self.bytes)
    }

    /// Puts room by, if there is as much again; otherwise says why there is not.
    fn keep(&self) -> io::Result<()> {
        let is_kept = self.is_kept();
        let trial = self.path.with_extension("new");
        let tried = private_file(&trial).and_then(|file| {
            file.allocate(if is_kept { self.bytes } else { 2 * self.bytes })?;
            file.set_len(self.bytes)
        });
        if tried.is_ok() && !is_kept {
            return fs::rename(&trial, &self.path);
        }
        fs::remove_file(&trial).or_else(gone)?;
        tried
    }

    /// Whether there was any.
    fn give_up(&self) -> io::Result<bool> {
        let was_there = fs::metadata(&self.path).is_ok_and(|kept| kept.len() > 0);
        fs::remove_file(&self.path).or_else(gone)?;
        Ok(was_there)
    }
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_room_lacks_nothing_and_keeps_nothing_of_the_trial() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(missing(folder.path()), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let reason = missing(&folder.path().join("acme")).unwrap();
        assert!(reason.starts_with("nothing can be written in "), "{reason}");
        assert!(reason.contains("/acme (No such file or directory"), "{reason}");
    }

    #[test]
    fn what_is_put_by_is_there_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(folder.path(), 2);
        for _ in 0..2 {
            reserve.keep().unwrap();
            assert_eq!(fs::metadata(folder.path().join("reserve")).unwrap().len(), 4 * RESERVED_BYTES_EACH);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(reserve.give_up().unwrap());
        assert!(!reserve.give_up().unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn more_tenants_need_more_up_to_a_bound() {
        let bytes = |tenants| Reserve::of(Path::new("data"), tenants).bytes;
        assert!(bytes(0) < bytes(1) && bytes(1) < bytes(100));
        assert_eq!((bytes(100_000), bytes(usize::MAX - 2)), (RESERVED_BYTES_MAX, RESERVED_BYTES_MAX));
    }
}
