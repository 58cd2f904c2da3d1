//! Where a tenant goes on, as a rule: what is kept, what the broker holds and what the log says, weighed against
//! each other. Pure; [`super::resume`] gathers the facts.
//!
//! Nothing is guessed: where neither side knows, a person is asked.

use provisioning::Revision;

use crate::operations::OutboxPosition;

#[cfg(test)]
mod tests;

/// A message of the tenant in the JetStream stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) sequence: u64,
    pub(super) revision: Revision,
    /// Whether the log has that very event at that revision.
    pub(super) in_log: bool,
}

/// What is known when a tenant's position is weighed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// The kept position; `None` if it was lost.
    pub(super) kept: Option<OutboxPosition>,
    /// The log has another event at the kept revision than the one that was published.
    pub(super) kept_differs: bool,
    /// The last revision that a `deprovisioning.published` event names.
    pub(super) accepted: Option<Revision>,
    /// The end of the log.
    pub(super) head: Revision,
    /// The last message of the tenant's stream behind what an operator has settled.
    pub(super) last: Option<Last>,
    /// The JetStream stream never held anything.
    pub(super) jetstream_empty: bool,
    /// The JetStream stream ends before the kept position, or holds something else there.
    pub(super) lost: bool,
}

/// What follows from the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on behind this.
    GoOn(OutboxPosition),
    /// The stream was lost or rolled back: publish again behind this.
    Again(OutboxPosition),
    /// Nobody knows: ask.
    Ask,
    /// The broker has, or was sent, what the log does not have.
    AheadOfLog(Revision),
}

pub(super) fn weigh(facts: &Facts) -> Verdict {
    if let Some(last) = facts.last
        && !last.in_log
    {
        return Verdict::AheadOfLog(last.revision);
    }
    let at_last =
        |last: Last| OutboxPosition { revision: last.revision, sequence: last.sequence, settled_sequence: 0 };
    let Some(kept) = facts.kept else {
        let accepted =
            facts.accepted.map(|revision| OutboxPosition { revision, ..OutboxPosition::default() });
        return match (facts.last.map(at_last), accepted) {
            (Some(last), accepted) => {
                let revision = last.revision.max(accepted.unwrap_or_default().revision);
                Verdict::GoOn(OutboxPosition { revision, ..last })
            }
            (None, Some(accepted)) => Verdict::GoOn(accepted),
            (None, None) if facts.jetstream_empty => Verdict::GoOn(OutboxPosition::default()),
            (None, None) => Verdict::Ask,
        };
    };
    if kept.revision > facts.head || facts.kept_differs {
        return Verdict::AheadOfLog(kept.revision);
    }
    match facts.last {
        last if facts.lost => Verdict::Again(last.map(at_last).unwrap_or_default()),
        Some(last) if last.sequence > kept.sequence => Verdict::GoOn(OutboxPosition {
            revision: kept.revision.max(last.revision),
            sequence: last.sequence,
            settled_sequence: kept.settled_sequence,
        }),
        _ => Verdict::GoOn(kept),
    }
}
