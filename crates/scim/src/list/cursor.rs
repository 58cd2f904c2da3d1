//! What a cursor says (RFC 9865): which state its pages show, and where the next one goes on.
//!
//! A client never sees this: whoever hands a cursor out seals these bytes. Which query it belongs to is not in here,
//! the seal is bound to that.

/// The place in a list where its next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// All pages show the state after this revision.
    pub revision: u64,
    /// How many resources match in all.
    pub total: u64,
    /// The `count` of the first page, which is that of every page.
    pub count: u64,
    /// How many resources the pages before had.
    pub shown: u64,
    /// The last resource that the pages before looked at, by the revision that created it; in a list with an order of
    /// its own, of no meaning.
    pub last: u64,
    /// Until when the next page may be asked for, in microseconds since 1970-01-01T00:00:00Z.
    pub expires_at: i64,
}

const FORMAT: u8 = 1;
const NUMBERS: usize = 6;
const NUMBER_BYTES: usize = 8;

impl Cursor {
    /// How many bytes a cursor has.
    pub const BYTES: usize = 1 + NUMBERS * NUMBER_BYTES;

    /// The bytes to be sealed.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let expires_at = self.expires_at.cast_unsigned();
        let numbers = [self.revision, self.total, self.count, self.shown, self.last, expires_at];
        let mut bytes = [FORMAT; Self::BYTES];
        for (place, number) in bytes[1..].chunks_exact_mut(NUMBER_BYTES).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// Reads them again; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&format, numbers) = bytes.split_first()?;
        let (numbers, rest) = numbers.as_chunks::<NUMBER_BYTES>();
        let numbers: [u64; NUMBERS] =
            numbers.iter().map(|number| u64::from_be_bytes(*number)).collect::<Vec<_>>().try_into().ok()?;
        let [revision, total, count, shown, last, expires_at] = numbers;
        (format == FORMAT && rest.is_empty()).then_some(Self {
            revision,
            total,
            count,
            shown,
            last,
            expires_at: expires_at.cast_signed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        let cursor = Cursor { revision: 7, total: 100_000, count: 100, shown: 200, last: 5, expires_at: -1 };
        let bytes = cursor.to_bytes();
        assert_eq!(Cursor::from_bytes(&bytes), Some(cursor));
        for cut in 0..bytes.len() {
            assert_eq!(Cursor::from_bytes(&bytes[..cut]), None);
        }
        assert_eq!(Cursor::from_bytes(&[&bytes[..], &[0]].concat()), None);
        let mut other = bytes;
        other[0] = 2;
        assert_eq!(Cursor::from_bytes(&other), None);
    }
}
