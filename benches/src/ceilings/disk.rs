//! One durable write: append, fdatasync.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::report::median;

/// What one append writes: about an event.
const RECORD: [u8; 1_024] = [0x5a; 1_024];

/// The median of one append and its fdatasync, in milliseconds.
pub(crate) fn fdatasync_ms(folder: &Path, time: Duration) -> anyhow::Result<f64> {
    let path = folder.join("fdatasync");
    let mut file = File::create(&path)?;
    let began = Instant::now();
    let mut took = Vec::new();
    while began.elapsed() < time {
        let append = Instant::now();
        file.write_all(&RECORD)?;
        file.sync_data()?;
        took.push(append.elapsed().as_secs_f64() * 1_000.0);
    }
    std::fs::remove_file(path)?;
    Ok(median(&took))
}
