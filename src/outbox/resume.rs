//! Where a tenant goes on: what is kept, what the broker holds and what the log says, weighed against each other.
//!
//! [`weigh`] is the rule, pure; [`resolve`] gathers what it needs. The normal way and the way after a failure are
//! the same: every tenant comes through here before its first message, and again whenever the broker's answer was
//! not the expected one. Nothing is guessed: where neither side knows, a person is asked.

use std::sync::Arc;

use provisioning::{Revision, StreamId, Timestamp};

use super::feed::Feed;
use super::jetstream::{Broker, Held};
use super::lanes::Lane;
use super::standing::Trouble;
use crate::directory::{Directory, decode};
use crate::event_log::ReadError;
use crate::operations::OutboxPosition;
use crate::tasks::Tasks;

#[cfg(test)]
mod tests;

/// A message of the tenant in the JetStream stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    sequence: u64,
    revision: Revision,
    /// Whether the log has that very event at that revision.
    in_log: bool,
}

/// What is known when a tenant's position is weighed.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    /// The kept position; `None` if it was lost.
    kept: Option<OutboxPosition>,
    /// The last revision that a `deprovisioning.published` event names.
    accepted: Option<Revision>,
    /// The end of the log.
    head: Revision,
    /// The last message of the tenant's stream behind what an operator has settled.
    last: Option<Last>,
    /// The JetStream stream never held anything.
    jetstream_empty: bool,
    /// The JetStream stream ends before the kept position, or holds something else there.
    lost: bool,
}

/// What follows from the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Go on behind this.
    GoOn(OutboxPosition),
    /// The stream was lost or rolled back: publish again behind this.
    Again(OutboxPosition),
    /// Nobody knows: ask.
    Ask,
    /// The broker has, or was sent, what the log does not have.
    AheadOfLog(Revision),
}

fn weigh(facts: &Facts) -> Verdict {
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
    if kept.revision > facts.head {
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

/// What to do with a tenant.
#[derive(Debug)]
pub(super) enum Resolved {
    /// Go on; these messages were accepted without our having seen the acknowledgement, or without its having
    /// been recorded.
    GoOn { position: OutboxPosition, evidenced: Revision, unseen: Vec<(Revision, u64, Timestamp)> },
    /// Set it aside.
    SetAside(Trouble),
    /// Its files cannot be read now.
    Rest(Trouble),
    /// History has to come further first.
    AwaitHistory,
}

/// What the tenant's files say.
struct Local {
    kept: Option<OutboxPosition>,
    head: Revision,
    /// Revision and sequence of the last acceptance in evidence.
    accepted: Option<(Revision, u64)>,
}

/// The JetStream stream as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct JetStream {
    /// Its last sequence, as far as the broker has told.
    pub(super) last_sequence: u64,
    /// It had never held anything when this process first saw it.
    pub(super) began_empty: bool,
}

/// Finds out where a tenant goes on. An error is the broker's, hence everybody's.
pub(super) async fn resolve(
    feed: Feed,
    lane: &Lane,
    broker: &Broker,
    jetstream: JetStream,
    tasks: &Tasks,
) -> Result<Resolved, Trouble> {
    let directory = &lane.directory;
    if let Some(reason) = directory.halted() {
        return Ok(Resolved::SetAside(Trouble::halted("tenant_halted", reason)));
    }
    let asks_history = feed == Feed::Deprovisioning && lane.evidenced.is_none();
    if asks_history && *directory.history_position().borrow() < lane.begun_at {
        return Ok(Resolved::AwaitHistory);
    }
    let (at_work, known) = (Arc::clone(directory), lane.position);
    let local = match tasks.block(move || local(feed, &at_work, known, asks_history)).await {
        Ok(local) => local,
        Err(reason) => return Ok(Resolved::Rest(Trouble::waiting("outbox_files_unreadable", reason))),
    };
    let found = find(directory, broker, local.kept, jetstream.last_sequence).await?;
    let last = match found.last {
        Some((held, revision)) => {
            let (at_work, event) = (Arc::clone(directory), held.event);
            let stands = tasks.block(move || stands_in_log(&at_work, revision, event)).await;
            match stands {
                Ok(in_log) => Some(Last { sequence: held.sequence, revision, in_log }),
                Err(error) => {
                    let trouble = Trouble::waiting("outbox_files_unreadable", error.to_string());
                    return Ok(Resolved::Rest(trouble));
                }
            }
        }
        None => None,
    };
    let verdict = weigh(&Facts {
        kept: local.kept,
        accepted: local.accepted.map(|(revision, _)| revision),
        head: local.head,
        last,
        jetstream_empty: jetstream.began_empty,
        lost: found.lost,
    });
    let position = match verdict {
        Verdict::GoOn(position) => position,
        Verdict::Again(position) => {
            tracing::warn!(
                tenant.id = directory.tenant(),
                jetstream = feed.jetstream_stream(),
                "the JetStream stream {} was lost or rolled back: tenant {} is published again behind revision {}",
                feed.jetstream_stream(),
                directory.tenant(),
                position.revision
            );
            position
        }
        Verdict::Ask => return Ok(Resolved::SetAside(position_unknown(feed, directory))),
        Verdict::AheadOfLog(revision) => {
            return Ok(Resolved::SetAside(ahead_of_log(feed, directory, revision, local.head)));
        }
    };
    let evidenced =
        lane.evidenced.unwrap_or_else(|| local.accepted.map_or(Revision::ZERO, |(revision, _)| revision));
    let unseen = if feed == Feed::Events || found.lost {
        Vec::new()
    } else {
        let seen = match (lane.evidenced, local.accepted) {
            (Some(_), _) => local.kept.map_or(0, |kept| kept.sequence),
            // A sequence beyond the position is one of a stream that was lost since.
            (None, accepted) => {
                accepted.map(|(_, sequence)| sequence).filter(|at| *at <= position.sequence).unwrap_or(0)
            }
        };
        let behind = seen.max(position.settled_sequence);
        unseen(directory, broker, behind, position.sequence, evidenced).await?
    };
    Ok(Resolved::GoOn { position, evidenced, unseen })
}

fn local(
    feed: Feed,
    directory: &Directory,
    known: Option<OutboxPosition>,
    asks_history: bool,
) -> Result<Local, String> {
    let kept = match known {
        Some(known) => Some(known),
        None => directory.operations().outbox(feed.jetstream_stream()).map_err(|error| error.to_string())?,
    };
    let head = directory.log().head().map_err(|error| error.to_string())?.revision;
    let accepted = if asks_history {
        directory
            .with_history(|history| match history.last_accepted()? {
                Some(revision) => Ok(history.accepted(revision)?.map(|at| (revision, at.sequence))),
                None => Ok(None),
            })
            .map_err(|error: projections::ViewError| error.to_string())?
    } else {
        None
    };
    Ok(Local { kept, head, accepted })
}

/// What the broker holds of a tenant.
struct Found {
    last: Option<(Held, Revision)>,
    lost: bool,
}

async fn find(
    directory: &Directory,
    broker: &Broker,
    kept: Option<OutboxPosition>,
    jetstream_last: u64,
) -> Result<Found, Trouble> {
    let stream = directory.stream();
    let last = broker.last_of(directory.tenant()).await?;
    let own = last.as_ref().and_then(|held| held.revision_of(stream));
    let Some(kept) = kept else {
        // A message of somebody else hides ours; to look through all of them would take too long.
        return Ok(Found { last: last.zip(own), lost: false });
    };
    let lost = jetstream_last < kept.sequence.max(kept.settled_sequence)
        || holds_something_else(broker, stream, kept, last.as_ref()).await?;
    let settled = if lost { 0 } else { kept.settled_sequence };
    let last = match last {
        Some(held) if held.sequence <= settled => None,
        Some(held) if own.is_some() => Some(held).zip(own),
        // Somebody else publishes on our subjects. What we published since the kept position is before that.
        Some(foreign) => {
            let behind = if lost { 0 } else { kept.sequence.max(settled) };
            last_own(directory, broker, behind, foreign.sequence).await?
        }
        None => None,
    };
    Ok(Found { last, lost })
}

/// Whether another message than ours stands at the kept position: then the stream is not the one that we wrote to,
/// however long it is. A message that is not there any more says nothing: it was removed, or has expired.
async fn holds_something_else(
    broker: &Broker,
    stream: StreamId,
    kept: OutboxPosition,
    last: Option<&Held>,
) -> Result<bool, Trouble> {
    if kept.sequence <= kept.settled_sequence {
        return Ok(false);
    }
    let ours = |held: &Held| held.revision_of(stream).is_some_and(|revision| revision <= kept.revision);
    match last {
        Some(held) if held.sequence == kept.sequence => Ok(!ours(held)),
        _ => Ok(broker.at(kept.sequence).await?.is_some_and(|held| !ours(&held))),
    }
}

/// The last message of the tenant's own stream behind a sequence.
async fn last_own(
    directory: &Directory,
    broker: &Broker,
    behind: u64,
    end: u64,
) -> Result<Option<(Held, Revision)>, Trouble> {
    let mut own = None;
    let mut sequence = behind;
    while sequence < end {
        let Some(held) = broker.next_of(directory.tenant(), sequence + 1).await? else { break };
        sequence = held.sequence;
        if let Some(revision) = held.revision_of(directory.stream()) {
            own = Some((held, revision));
        }
    }
    Ok(own)
}

/// The messages of the tenant's own stream whose acceptance is no evidence yet, with the broker's time.
async fn unseen(
    directory: &Directory,
    broker: &Broker,
    behind: u64,
    end: u64,
    evidenced: Revision,
) -> Result<Vec<(Revision, u64, Timestamp)>, Trouble> {
    let mut unseen = Vec::new();
    let mut sequence = behind;
    while sequence < end {
        let Some(held) = broker.next_of(directory.tenant(), sequence + 1).await? else { break };
        sequence = held.sequence;
        match held.revision_of(directory.stream()) {
            Some(revision) if revision > evidenced && sequence <= end => {
                unseen.push((revision, sequence, held.at))
            }
            _ => {}
        }
    }
    Ok(unseen)
}

fn stands_in_log(
    directory: &Directory,
    revision: Revision,
    event: Option<provisioning::EventId>,
) -> Result<bool, ReadError> {
    let before = Revision(revision.0.saturating_sub(1));
    let stored = directory.log().read(before, 1)?;
    Ok(stored.first().is_some_and(|stored| {
        stored.revision == revision && decode::header(stored).is_ok_and(|header| Some(header.id) == event)
    }))
}

fn ahead_of_log(feed: Feed, directory: &Directory, revision: Revision, head: Revision) -> Trouble {
    Trouble::halted(
        "outbox_ahead_of_log",
        format!(
            "revision {revision} was published to {}, and the log, which ends at {head}, does not have that event: \
             put back the newer log, or go on with `muster outbox resume --tenant {} --from REVISION|head|start`",
            feed.jetstream_stream(),
            directory.tenant()
        ),
    )
}

fn position_unknown(feed: Feed, directory: &Directory) -> Trouble {
    Trouble::waiting(
        "outbox_position_unknown",
        format!(
            "neither operations.db nor the broker knows how far publishing to {} had come: \
             say so with `muster outbox resume --tenant {} --from REVISION|head|start`",
            feed.jetstream_stream(),
            directory.tenant()
        ),
    )
}
