//! What the JetStream stream looked like last, and what follows when it looks different.
//!
//! As long as it is the same stream, over the same connection, and ends where our last message stands, nobody but
//! us has written to it. Pure.

use std::time::Duration;

use super::jetstream::Prepared;

/// What happened to the stream since it was last looked at, as far as that was not our doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Somebody else wrote to it, or may have done so unseen.
    Grown,
    /// It is another one, or was rolled back.
    Lost,
}

/// The stream as it was seen last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    last: Option<Prepared>,
    /// Over which connection.
    times: u64,
    /// It had never held anything when it was first seen.
    began_empty: bool,
}

impl Seen {
    /// Takes in what the stream looks like now. Our own last message there has the sequence `confirmed`.
    pub(super) fn look(&mut self, times: u64, now: Prepared, confirmed: u64) -> Change {
        let another = self.last.is_none_or(|before| before.created != now.created);
        let change = if another || now.last_sequence < confirmed {
            Change::Lost
        } else if now.last_sequence > confirmed || times != self.times {
            Change::Grown
        } else {
            Change::None
        };
        if another {
            self.began_empty = now.last_sequence == 0;
        }
        self.last = Some(now);
        self.times = times;
        change
    }

    /// Which connection was used.
    pub(super) fn times(&self) -> u64 {
        self.times
    }

    pub(super) fn began_empty(&self) -> bool {
        self.began_empty
    }

    pub(super) fn duplicate_window(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |last| last.duplicate_window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(created: i128, last_sequence: u64) -> Prepared {
        Prepared { created, last_sequence, duplicate_window: Duration::ZERO }
    }

    /// A stream that was made at 1 and ended with our message 10, over the first connection.
    #[track_caller]
    fn check(times: u64, now: Prepared, expected: Change) {
        let mut seen = Seen::default();
        assert_eq!(seen.look(1, stream(1, 0), 0), Change::Lost, "nothing was known before");
        assert_eq!(seen.look(times, now, 10), expected);
    }

    #[test]
    fn a_stream_that_ends_with_our_last_message_is_as_it_was() {
        check(1, stream(1, 10), Change::None);
    }

    #[test]
    fn a_longer_stream_or_another_connection_lets_tenants_ask_again() {
        check(1, stream(1, 11), Change::Grown);
        check(2, stream(1, 10), Change::Grown);
    }

    #[test]
    fn another_or_a_shorter_stream_is_a_lost_one() {
        check(1, stream(1, 9), Change::Lost);
        check(1, stream(2, 10), Change::Lost);
        check(2, stream(2, 99), Change::Lost);
    }

    #[test]
    fn whether_it_was_empty_is_asked_when_it_is_first_seen() {
        let mut seen = Seen::default();
        seen.look(1, stream(1, 0), 0);
        seen.look(1, stream(1, 5), 5);
        assert!(seen.began_empty());
        seen.look(1, stream(2, 5), 5);
        assert!(!seen.began_empty());
    }
}
