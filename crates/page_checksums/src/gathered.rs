//! Frames on their way into a write-ahead log.
//!
//! SQLite writes each frame with two calls, one for its header and one for its page, all in a row. Here they come
//! together, so that a commit of a hundred pages is a few writes instead of two hundred. Nobody can tell the
//! difference: what is not in the file yet belongs to a transaction that has not been committed, and only its own
//! connection may ask for it, which has it written first.

use std::ffi::c_int;

use rusqlite::ffi;

use super::frame;

/// So many bytes are written at once. No more than that is kept for a file, and nothing between transactions.
const BYTES_MAX: usize = 64 * 1024;

/// What SQLite has written and the file does not have yet: pieces that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    from: i64,
    bytes: Vec<u8>,
}

impl Gathered {
    /// Takes a piece, its page marked. The header of the frame that commits, and whatever is no part of a frame that
    /// was begun here, is in the file when this returns, with all before it. After a failure the pieces are kept: SQLite
    /// gives up the transaction, and what is written instead begins elsewhere.
    pub(crate) fn write(
        &mut self,
        offset: i64,
        piece: &[u8],
        mut write: impl FnMut(i64, &[u8]) -> c_int,
    ) -> c_int {
        if self.end() != Some(offset) || self.bytes.len() + piece.len() > BYTES_MAX {
            let code = self.flush(&mut write);
            if code != ffi::SQLITE_OK {
                return code;
            }
        }
        let commits = frame::commits(piece);
        let begins = self.bytes.is_empty();
        if begins {
            self.from = offset;
            self.bytes.reserve_exact(if commits == Some(false) { BYTES_MAX } else { piece.len() });
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(piece);
        if let Some(place) = frame::place(piece.len(), offset) {
            frame::mark(place, &mut self.bytes[at..]);
        }
        match commits {
            Some(false) => ffi::SQLITE_OK,
            None if !begins => ffi::SQLITE_OK,
            Some(true) | None => self.flush(write),
        }
    }

    /// Has everything written.
    pub(crate) fn flush(&mut self, mut write: impl FnMut(i64, &[u8]) -> c_int) -> c_int {
        if self.bytes.is_empty() {
            return ffi::SQLITE_OK;
        }
        let code = write(self.from, &self.bytes);
        if code == ffi::SQLITE_OK {
            *self = Self::default();
        }
        code
    }

    fn end(&self) -> Option<i64> {
        self.from.checked_add(i64::try_from(self.bytes.len()).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 24] = [0; 24];
    /// The size of the database after the commit, which makes it one.
    const COMMITS: [u8; 24] = {
        let mut header = [0; 24];
        header[7] = 9;
        header
    };
    const PAGE: [u8; 512] = [7; 512];

    /// Writes pieces that follow each other from an offset on; answers the writes that the file saw.
    #[track_caller]
    fn check(gathered: &mut Gathered, offset: i64, pieces: &[&[u8]], seen: &[(i64, usize)]) {
        let (mut offset, mut writes) = (offset, Vec::new());
        for piece in pieces {
            let code = gathered.write(offset, piece, |at, bytes| {
                writes.push((at, bytes.len()));
                ffi::SQLITE_OK
            });
            assert_eq!(code, ffi::SQLITE_OK);
            offset += i64::try_from(piece.len()).unwrap();
        }
        assert_eq!(writes, seen);
    }

    #[test]
    fn the_frames_of_a_commit_are_written_at_once_and_its_last_page_without_delay() {
        let pieces: [&[u8]; 6] = [&HEADER, &PAGE, &HEADER, &PAGE, &COMMITS, &PAGE];
        check(&mut Gathered::default(), 32, &pieces, &[(32, 2 * 536 + 24), (32 + 2 * 536 + 24, 512)]);
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let frames = BYTES_MAX / 536;
        let pieces: Vec<&[u8]> =
            std::iter::repeat_n([&HEADER[..], &PAGE[..]], frames + 1).flatten().collect();
        let mut gathered = Gathered::default();
        let all = frames * 536 + 24;
        check(&mut gathered, 32, &pieces, &[(32, all), (32 + i64::try_from(all).unwrap(), 512)]);
        assert!(gathered.bytes.capacity() <= BYTES_MAX);
    }

    #[test]
    fn what_does_not_follow_is_written_behind_what_was_there_before() {
        let mut gathered = Gathered::default();
        check(&mut gathered, 32, &[&HEADER, &PAGE], &[]);
        // A transaction that was given up is written over.
        check(&mut gathered, 32, &[&HEADER, &PAGE], &[(32, 536)]);
        // Checksums that are computed anew, header by header.
        check(&mut gathered, 32, &[&HEADER], &[(32, 536)]);
        check(&mut gathered, 568, &[&COMMITS], &[(32, 24), (568, 24)]);
        // The header of the log.
        check(&mut gathered, 0, &[&[1; 32]], &[(0, 32)]);
    }

    #[test]
    fn what_could_not_be_written_is_tried_again() {
        let mut gathered = Gathered::default();
        check(&mut gathered, 32, &[&HEADER, &PAGE], &[]);
        assert_eq!(gathered.write(568, &COMMITS, |_, _| ffi::SQLITE_FULL), ffi::SQLITE_FULL);
        check(&mut gathered, 32, &[&COMMITS, &PAGE], &[(32, 560), (32, 24), (56, 512)]);
    }

    #[test]
    fn a_page_bears_its_mark_whichever_way_it_goes() {
        for header in [HEADER, COMMITS] {
            let (mut gathered, mut log) = (Gathered::default(), Vec::new());
            for (offset, piece) in [(32, &header[..]), (56, &PAGE[..])] {
                gathered.write(offset, piece, |_, bytes| {
                    log.extend_from_slice(bytes);
                    ffi::SQLITE_OK
                });
            }
            gathered.flush(|_, bytes| {
                log.extend_from_slice(bytes);
                ffi::SQLITE_OK
            });
            assert_eq!(log.len(), 536);
            assert!(frame::is_marked(56, &log[24..]));
            assert_ne!(log[24..], PAGE);
        }
    }
}
