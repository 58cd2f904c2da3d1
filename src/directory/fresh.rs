//! What was just committed, as it was decided: history takes it from here and need not read, open and parse again what
//! the writer had in its hands a moment ago.
//!
//! Bounded, and no more than a short cut: what is not here any more is read from the log.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use provisioning::Revision;

use super::ahead::Step;

/// How many bytes the events that wait may have as they are stored; in memory they take a few times as much.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// Batches that were committed and that nobody has taken yet, in order.
#[derive(Default)]
pub(super) struct Fresh(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    batches: VecDeque<(Step, usize)>,
    bytes: usize,
}

impl Fresh {
    /// Keeps a batch, whose events have so many bytes as they are stored.
    pub(super) fn put(&self, batch: Step, bytes: usize) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes + bytes > BYTES_MAX {
            // Whoever takes has fallen behind and begins with the oldest: the log has it.
            *waiting = Waiting::default();
        }
        if bytes <= BYTES_MAX {
            waiting.bytes += bytes;
            waiting.batches.push_back((batch, bytes));
        }
    }

    /// Takes the batches that follow `position` without a gap, up to `up_to`, as one; `None` if there is none. What
    /// lies before is forgotten.
    pub(super) fn take(&self, position: Revision, up_to: Revision) -> Option<Step> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Option<Step> = None;
        let mut reached = position;
        while let Some((first, last)) = waiting.batches.front().and_then(|(batch, _)| bounds(batch)) {
            let follows = first == reached.next();
            if first > reached && (!follows || last > up_to) {
                break;
            }
            let Some((batch, bytes)) = waiting.batches.pop_front() else { break };
            waiting.bytes -= bytes;
            if !follows {
                continue;
            }
            reached = last;
            match &mut taken {
                None => taken = Some(batch),
                Some(taken) => {
                    taken.events.extend(batch.events);
                    taken.root = batch.root;
                }
            }
        }
        taken
    }
}

/// The first and the last revision of a batch.
fn bounds(batch: &Step) -> Option<(Revision, Revision)> {
    Some((batch.events.first()?.header.revision, batch.events.last()?.header.revision))
}

#[cfg(test)]
mod tests {
    use provisioning::Subject;

    use super::*;
    use crate::directory::testing::recorded;

    fn batch(revisions: std::ops::RangeInclusive<u64>) -> Step {
        let root = [u8::try_from(*revisions.end()).unwrap(); 32];
        Step { events: revisions.map(|revision| recorded(revision, Subject::Tenant)).collect(), root }
    }

    /// Puts batches of 10 bytes an event and takes once; answers the revisions that were taken and the root's number.
    #[track_caller]
    fn check(
        batches: &[std::ops::RangeInclusive<u64>],
        position: u64,
        up_to: u64,
        taken: Option<&std::ops::RangeInclusive<u64>>,
    ) {
        let fresh = Fresh::default();
        for revisions in batches {
            fresh.put(batch(revisions.clone()), 10);
        }
        let step = fresh.take(Revision(position), Revision(up_to));
        let found = step.map(|step| {
            let revisions: Vec<_> = step.events.iter().map(|event| event.header.revision.0).collect();
            assert!(revisions.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{revisions:?}");
            let (first, last) = (revisions[0], *revisions.last().unwrap());
            assert_eq!(step.root, [u8::try_from(last).unwrap(); 32]);
            first..=last
        });
        assert_eq!(found.as_ref(), taken);
    }

    #[test]
    fn what_follows_without_a_gap_is_taken_as_one_and_nothing_else_is() {
        check(&[], 0, 9, None);
        check(&[1..=3, 4..=4, 5..=6], 0, 6, Some(&(1..=6)));
        check(&[1..=3, 4..=4, 5..=6], 0, 4, Some(&(1..=4)));
        check(&[1..=3, 4..=4, 5..=6], 3, 6, Some(&(4..=6)));
        // The view stands inside of a batch, or before the first one: the log has what is next.
        check(&[1..=3, 4..=4], 2, 4, None);
        check(&[3..=3, 4..=4], 1, 4, None);
        check(&[3..=4, 7..=8], 2, 8, Some(&(3..=4)));
        check(&[3..=4], 2, 3, None);
    }

    #[test]
    fn what_is_taken_is_gone_and_what_lies_before_is_forgotten() {
        let fresh = Fresh::default();
        fresh.put(batch(1..=2), 10);
        fresh.put(batch(3..=4), 10);
        assert!(fresh.take(Revision(2), Revision(4)).is_some());
        assert!(fresh.take(Revision(2), Revision(4)).is_none());
        assert!(fresh.take(Revision(0), Revision(4)).is_none());
        assert_eq!(fresh.0.lock().unwrap().bytes, 0);
    }

    #[test]
    fn more_than_may_wait_is_given_up() {
        let fresh = Fresh::default();
        fresh.put(batch(1..=1), BYTES_MAX - 1);
        fresh.put(batch(2..=2), 2);
        assert!(fresh.take(Revision(0), Revision(2)).is_none());
        assert!(fresh.take(Revision(1), Revision(2)).is_some());
        fresh.put(batch(3..=3), BYTES_MAX + 1);
        assert!(fresh.take(Revision(2), Revision(3)).is_none());
    }
}
