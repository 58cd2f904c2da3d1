//! A small pool of read-only connections to a view.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use projections::ViewError;

/// How many idle connections a view keeps.
const IDLE_MAX: usize = 16;

/// Connections that are idle, and how to open another.
pub(crate) struct Readers<R> {
    path: PathBuf,
    open: fn(&Path) -> Result<R, ViewError>,
    idle: Mutex<Vec<R>>,
    /// Held for reading by every borrower: a rebuild swaps the file only when nobody has the old one open.
    gate: RwLock<()>,
}

impl<R> Readers<R> {
    pub(crate) fn new(path: PathBuf, open: fn(&Path) -> Result<R, ViewError>) -> Self {
        Self { path, open, idle: Mutex::new(Vec::new()), gate: RwLock::new(()) }
    }

    /// Lends a connection to `read`. After an error it is not used again.
    pub(crate) fn with<T, E: From<ViewError>>(&self, read: impl FnOnce(&R) -> Result<T, E>) -> Result<T, E> {
        let _open_file = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let found = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match found {
            Some(reader) => reader,
            None => (self.open)(&self.path)?,
        };
        let answer = read(&reader)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(reader);
        }
        Ok(answer)
    }

    /// Runs `swap` while no connection is open.
    pub(crate) fn closed<T>(&self, swap: impl FnOnce() -> T) -> T {
        let _nobody_reads = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        swap()
    }
}
