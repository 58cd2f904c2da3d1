//! Pages in a write-ahead log: each is marked as written by this package.
//!
//! SQLite's checksum of a frame is one that any program computes alike, so it does not tell whose a frame is. The mark
//! is a CRC-32 over the page and its place in the log. It has to be put in when SQLite has computed its checksum and
//! written that before the page, hence two further words make up for it: a page with its mark has the same sums as
//! the page that SQLite gave, and any program can read the log.
//!
//! A page that was read from a log keeps the mark in memory. That is only what stands in its last bytes, which SQLite
//! looks at in its checksum alone.

use super::{checksum, is_page_size};

/// Of a log, before the first frame.
pub(crate) const LOG_HEADER_BYTES: usize = 32;
/// Of a frame, before its page.
pub(crate) const HEADER_BYTES: usize = 24;
/// SQLite sums up pairs of words, in the order of the machine's bytes. The first word of the last two pairs is the
/// mark.
pub(crate) const MARK_BYTES: usize = 4 * WORD_BYTES;
const WORD_BYTES: usize = size_of::<u32>();

/// The place of a page in a log, if a page is what is read or written: headers and, after a crash, whole frames are
/// so too.
pub(crate) fn place(amount: usize, offset: i64) -> Option<u64> {
    let offset = u64::try_from(offset).ok()?;
    let frames = offset.checked_sub((LOG_HEADER_BYTES + HEADER_BYTES) as u64)?;
    (is_page_size(amount) && frames.is_multiple_of((HEADER_BYTES + amount) as u64)).then_some(offset)
}

pub(crate) fn is_marked(place: u64, page: &[u8]) -> bool {
    page.split_last_chunk::<MARK_BYTES>()
        .is_some_and(|(content, words)| words.starts_with(&checksum(place, content)))
}

/// Whether a piece of a log is the header of a frame, and if so, whether that frame commits: it has the size of the
/// database after the commit then.
pub(crate) fn commits(piece: &[u8]) -> Option<bool> {
    let header: &[u8; HEADER_BYTES] = piece.try_into().ok()?;
    Some(header[4..8] != [0; 4])
}

/// Puts the mark into a page. After a first pair of words that is larger by (d, 0), both of SQLite's sums are larger by
/// d; a second one that is smaller by (2d, d) takes that back.
pub(crate) fn mark(place: u64, page: &mut [u8]) {
    if let Some((content, words)) = page.split_last_chunk_mut::<MARK_BYTES>()
        && let ([mark, _, first, second], _) = words.as_chunks_mut::<WORD_BYTES>()
    {
        let larger = u32::from_ne_bytes(checksum(place, content)).wrapping_sub(u32::from_ne_bytes(*mark));
        let smaller = |word: &mut [u8; WORD_BYTES], by: u32| {
            *word = u32::from_ne_bytes(*word).wrapping_sub(by).to_ne_bytes();
        };
        smaller(mark, larger.wrapping_neg());
        smaller(first, larger.wrapping_mul(2));
        smaller(second, larger);
    }
}
