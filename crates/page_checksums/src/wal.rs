//! Whether a write-ahead log that a crash left behind is as it was written.
//!
//! SQLite reads a write-ahead log up to the first frame whose checksum does not fit, and leaves out the rest without a
//! word. That is right for the last frames, which a crash cut off; but frames in the middle may have been copied
//! into the file already, and a file with newer pages next to older ones is none that ever was. Such a log also
//! shows frames of the same run behind the one that does not fit. And frames that fit may be another program's, which
//! has written to the file with SQLite as it is.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use super::frame::{self, HEADER_BYTES as FRAME_HEADER_BYTES, LOG_HEADER_BYTES as HEADER_BYTES};
use super::is_page_size;

/// The last bit says in which order the checksums read bytes: 1 for the larger byte first.
const MAGIC: u32 = 0x377f_0682;

/// What is wrong with a write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SQLite would leave out frames that were written completely.
    Torn,
    /// SQLite would take over frames that no connection of this package has written.
    Foreign,
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Torn => "its write-ahead log is damaged",
            Self::Foreign => "its write-ahead log holds pages that another program has written",
        })
    }
}

/// What is wrong with this write-ahead log, if anything. Nothing is if there is none.
pub fn fault(wal: &Path) -> io::Result<Option<Fault>> {
    let mut wal = match File::open(wal) {
        Ok(file) => BufReader::with_capacity(1 << 16, file),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut header = [0; HEADER_BYTES];
    match read_whole(&mut wal, &mut header)? {
        0 => return Ok(None),
        HEADER_BYTES => {}
        // It is written in one piece, before any frame.
        _ => return Ok(Some(Fault::Torn)),
    }
    let magic = word(&header, 0);
    let page_bytes = word(&header, 8) as usize;
    let mut sum = Sum { larger_first: magic & 1 == 1, words: (0, 0) };
    sum.add(&header[..24]);
    let sound = magic & !1 == MAGIC
        && is_page_size(page_bytes)
        && sum.words == (word(&header, 24), word(&header, 28));
    if !sound {
        return Ok(Some(Fault::Torn));
    }
    let salts = &header[16..24];
    let mut bytes = vec![0; FRAME_HEADER_BYTES + page_bytes];
    let mut place = (HEADER_BYTES + FRAME_HEADER_BYTES) as u64;
    let (mut foreign, mut cut_off) = (false, false);
    while read_whole(&mut wal, &mut bytes)? == bytes.len() {
        let of_this_run = bytes[8..16] == *salts;
        if cut_off {
            // Frames of an earlier run, which this one has not overwritten, have other salts.
            if of_this_run {
                return Ok(Some(Fault::Torn));
            }
            continue;
        }
        sum.add(&bytes[..8]);
        sum.add(&bytes[FRAME_HEADER_BYTES..]);
        if !of_this_run || sum.words != (word(&bytes, 16), word(&bytes, 20)) {
            if of_this_run {
                return Ok(Some(Fault::Torn));
            }
            cut_off = true;
            continue;
        }
        foreign |= !frame::is_marked(place, &bytes[FRAME_HEADER_BYTES..]);
        place += bytes.len() as u64;
    }
    Ok(foreign.then_some(Fault::Foreign))
}

/// Reads until the buffer is full or the file ends.
fn read_whole(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The big-endian number at an offset.
fn word(bytes: &[u8], offset: usize) -> u32 {
    let word = bytes[offset..].first_chunk().expect("headers are read whole");
    u32::from_be_bytes(*word)
}

/// SQLite's running checksum (its documentation of the file format, section 4.2).
struct Sum {
    larger_first: bool,
    words: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let read = |word: [u8; 4]| {
            if self.larger_first { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        let (words, _) = bytes.as_chunks::<4>();
        for pair in words.chunks_exact(2) {
            self.words.0 = self.words.0.wrapping_add(read(pair[0])).wrapping_add(self.words.1);
            self.words.1 = self.words.1.wrapping_add(read(pair[1])).wrapping_add(self.words.0);
        }
    }
}
