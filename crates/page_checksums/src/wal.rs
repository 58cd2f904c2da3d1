//! Whether a write-ahead log that a crash left behind is as it was written.
//!
//! SQLite reads a write-ahead log up to the first frame whose checksum does not fit, and leaves out the rest without a
//! word. That is right for the last frames, which a crash cut off; but frames in the middle may have been copied
//! into the file already, and a file with newer pages next to older ones is none that ever was. Such a log also
//! shows frames of the same run behind the one that does not fit.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The last bit says in which order the checksums read bytes: 1 for the larger byte first.
const MAGIC: u32 = 0x377f_0682;
/// No page of SQLite is larger.
const PAGE_BYTES_MAX: usize = 65_536;

/// Whether SQLite would leave out frames of this write-ahead log that were written completely. False if there is none.
pub fn is_torn(wal: &Path) -> io::Result<bool> {
    let mut wal = match File::open(wal) {
        Ok(file) => BufReader::with_capacity(1 << 16, file),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut header = [0; HEADER_BYTES];
    match read_whole(&mut wal, &mut header)? {
        0 => return Ok(false),
        HEADER_BYTES => {}
        // It is written in one piece, before any frame.
        _ => return Ok(true),
    }
    let magic = word(&header, 0);
    let page_bytes = word(&header, 8) as usize;
    let mut sum = Sum { larger_first: magic & 1 == 1, words: (0, 0) };
    sum.add(&header[..24]);
    let sound = magic & !1 == MAGIC
        && (512..=PAGE_BYTES_MAX).contains(&page_bytes)
        && page_bytes.is_power_of_two()
        && sum.words == (word(&header, 24), word(&header, 28));
    if !sound {
        return Ok(true);
    }
    let salts = &header[16..24];
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
    let mut cut_off = false;
    while read_whole(&mut wal, &mut frame)? == frame.len() {
        let of_this_run = frame[8..16] == *salts;
        if cut_off {
            // Frames of an earlier run, which this one has not overwritten, have other salts.
            if of_this_run {
                return Ok(true);
            }
            continue;
        }
        sum.add(&frame[..8]);
        sum.add(&frame[FRAME_HEADER_BYTES..]);
        if !of_this_run || sum.words != (word(&frame, 16), word(&frame, 20)) {
            if of_this_run {
                return Ok(true);
            }
            cut_off = true;
        }
    }
    Ok(false)
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
