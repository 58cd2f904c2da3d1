//! The master key and its file: 64 hex digits and a newline, readable by its owner only.
//!
//! Promises: a file that others may read is refused, and a key file is there whole or not at all: it is written
//! under another name, synced and renamed. Whoever loses this file loses every sealed payload.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::KeyError;
use super::secret::{SECRET_BYTES, Secret};
use crate::randomness::Randomness;

#[cfg(test)]
mod tests;

const DIGITS: usize = 2 * SECRET_BYTES;

/// The master key: 32 bytes, wiped when dropped, never printed.
#[derive(Debug)]
pub struct MasterKey(Secret);

impl MasterKey {
    /// Reads the key file (64 hex digits and a newline), or makes it with mode 0600 if it is missing. Only whoever
    /// holds the lock of the data folder may call this: two at once would make two keys.
    pub fn load_or_create(path: &Path, randomness: &dyn Randomness) -> Result<Self, KeyError> {
        if path.try_exists().map_err(|error| unusable(path, &error))? {
            Self::load(path)
        } else {
            create(path, randomness)
        }
    }

    /// Reads an existing key file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = File::open(path).map_err(|error| unusable(path, &error))?;
        let mode = file.metadata().map_err(|error| unusable(path, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            let path = path.display();
            return Err(KeyError::Unavailable(format!(
                "others than its owner have access to the master key file {path}; run: chmod 600 {path}"
            )));
        }
        // With room for all that is read, so that the buffer never moves and leaves digits behind.
        let mut text = Zeroizing::new(Vec::with_capacity(4 * DIGITS));
        file.take(DIGITS as u64 + 2).read_to_end(&mut text).map_err(|error| unusable(path, &error))?;
        let digits = text.strip_suffix(b"\n").unwrap_or(&text);
        let secret = Secret::filled(|bytes| hex::decode_to_slice(digits, bytes)).map_err(|_| {
            KeyError::Corrupt(format!(
                "the master key file {} does not hold {DIGITS} hex digits and a newline",
                path.display()
            ))
        })?;
        Ok(Self(secret))
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.0
    }
}

fn create(path: &Path, randomness: &dyn Randomness) -> Result<MasterKey, KeyError> {
    let new = path.with_added_extension("new");
    // Whoever makes a key holds the lock of the data folder: what lies here was left by a process that was killed.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&new, &error)),
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
    let file = file.map_err(|error| unusable(&new, &error))?;
    fill(file, &new, path, randomness)
}

/// Writes a key into the new file and gives it its name.
fn fill(mut file: File, new: &Path, path: &Path, randomness: &dyn Randomness) -> Result<MasterKey, KeyError> {
    let secret = Secret::random(randomness)?;
    let mut text = Zeroizing::new([b'\n'; DIGITS + 1]);
    hex::encode_to_slice(secret.expose(), &mut text[..DIGITS])
        .expect("the buffer has two digits for each byte");
    let mut write = || {
        file.write_all(&*text)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        // The name has to survive a crash as well.
        File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
            .sync_all()
    };
    write().map_err(|error| unusable(path, &error))?;
    Ok(MasterKey(secret))
}

fn unusable(path: &Path, error: &io::Error) -> KeyError {
    KeyError::Unavailable(format!("the master key file {}: {error}", path.display()))
}
