//! Finds out where a tenant goes on: gathers what [`verdict`](super::verdict) weighs, from the tenant's files and
//! from the leader of the JetStream stream.
//!
//! The normal way and the way after a failure are the same: every tenant comes through here before its first
//! message, and again whenever the broker's answer was not the expected one.

use std::sync::Arc;

use projections::ViewError;
use provisioning::{Revision, Timestamp};

use super::jetstream::{Broker, Held};
use super::lanes::Lane;
use super::positions::event_at;
use super::trouble::{self, Trouble};
use super::verdict::{Facts, Last, Verdict, weigh};
use crate::directory::Directory;
use crate::feed::Feed;
use crate::operations::OutboxPosition;
use crate::tasks::Tasks;

/// What to do with a tenant.
#[derive(Debug)]
pub(super) enum Resolved {
    /// Go on.
    GoOn {
        /// From here.
        position: OutboxPosition,
        /// The last revision whose acceptance is in evidence.
        evidenced: Revision,
        /// Messages that were accepted without our having seen it, or without its having been recorded.
        unseen: Vec<(Revision, u64, Timestamp)>,
    },
    /// Set it aside.
    SetAside(Trouble),
    /// History has to come further first.
    AwaitHistory,
}

/// Why it cannot be found out now.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// The broker does not answer, which concerns all tenants.
    Broker(Trouble),
    /// This tenant's files cannot be read.
    Files(Trouble),
}

impl From<Trouble> for Obstacle {
    fn from(trouble: Trouble) -> Self {
        Self::Broker(trouble)
    }
}

/// The JetStream stream as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct JetStream {
    /// Its last sequence, as far as the broker has told.
    pub(super) last_sequence: u64,
    /// It had never held anything when this process first saw it.
    pub(super) began_empty: bool,
}

/// What the tenant's files say.
struct Local {
    kept: Option<OutboxPosition>,
    /// The log has another event at the kept revision.
    kept_differs: bool,
    head: Revision,
    /// Revision and sequence of the last acceptance in evidence.
    accepted: Option<(Revision, u64)>,
}

/// What the broker holds of the tenant.
struct Found {
    /// Messages of the tenant's own stream behind the kept position that no operator has settled: all of them, or
    /// the last one where it is not known behind what.
    own: Vec<(Held, Revision)>,
    /// The JetStream stream is not, or not any more, what the kept position speaks of.
    lost: bool,
}

/// One tenant, and whom to ask about it.
pub(super) struct Resolver<'a> {
    pub(super) feed: Feed,
    pub(super) lane: &'a Lane,
    pub(super) broker: &'a Broker,
    pub(super) jetstream: JetStream,
    pub(super) tasks: &'a Tasks,
}

impl Resolver<'_> {
    /// Finds out where the tenant goes on.
    pub(super) async fn resolve(self) -> Result<Resolved, Obstacle> {
        let directory = &self.lane.directory;
        if let Some(reason) = directory.halted() {
            return Ok(Resolved::SetAside(trouble::tenant_halted(reason)));
        }
        if self.asks_history() && *directory.history_position().borrow() < self.lane.begun_at {
            return Ok(Resolved::AwaitHistory);
        }
        let local = self.local().await?;
        let found = self.find(local.kept).await?;
        let last = self.compare_with_log(found.own).await?;
        let verdict = weigh(&Facts {
            kept: local.kept,
            kept_differs: local.kept_differs,
            accepted: local.accepted.map(|(revision, _)| revision),
            head: local.head,
            last,
            jetstream_empty: self.jetstream.began_empty,
            lost: found.lost,
        });
        let position = match verdict {
            Verdict::GoOn(position) => self.behind_withheld(position),
            Verdict::Again(position) => {
                let position = self.behind_withheld(position);
                let (jetstream, tenant) = (self.feed.jetstream_stream(), directory.tenant());
                tracing::warn!(
                    tenant.id = tenant, jetstream, revision = %position.revision,
                    "{jetstream} was lost or rolled back: tenant {tenant} is published again behind revision {}",
                    position.revision
                );
                position
            }
            Verdict::Ask => {
                return Ok(Resolved::SetAside(trouble::position_unknown(self.feed, directory.tenant())));
            }
            Verdict::AheadOfLog(revision) => {
                let tenant = directory.tenant();
                return Ok(Resolved::SetAside(trouble::ahead_of_log(
                    self.feed, tenant, revision, local.head,
                )));
            }
        };
        let recorded = local.accepted.map_or(Revision::ZERO, |(revision, _)| revision);
        let evidenced = self.lane.evidenced.unwrap_or(recorded);
        // What a stream that was lost still holds was evidence before.
        let unseen = match self.feed {
            Feed::Deprovisioning if !found.lost => self.unseen(&local, position, evidenced).await?,
            Feed::Deprovisioning | Feed::Events => Vec::new(),
        };
        Ok(Resolved::GoOn { position, evidenced, unseen })
    }

    /// What happened while the tenant observed never goes out, whatever was lost: the log says so.
    fn behind_withheld(&self, position: OutboxPosition) -> OutboxPosition {
        let withheld = self.lane.directory.tenancy().withheld_up_to;
        OutboxPosition { revision: position.revision.max(withheld), ..position }
    }

    /// Only at the beginning; later this process knows what it has handed over as evidence.
    fn asks_history(&self) -> bool {
        self.feed == Feed::Deprovisioning && self.lane.evidenced.is_none()
    }

    /// Reads what the tenant's files say.
    async fn local(&self) -> Result<Local, Obstacle> {
        let (directory, known, feed) = (Arc::clone(&self.lane.directory), self.lane.position, self.feed);
        let asks_history = self.asks_history();
        let read = self.tasks.block(move || {
            let (kept, kept_differs) = match known {
                Some(known) => (Some(known), false),
                None => kept(&directory, feed)?,
            };
            let head = directory.log().head().map_err(|error| error.to_string())?.revision;
            let accepted =
                if asks_history { accepted(&directory).map_err(|error| error.to_string())? } else { None };
            Ok(Local { kept, kept_differs, head, accepted })
        });
        read.await.map_err(unreadable)
    }

    /// Asks the broker what it holds.
    async fn find(&self, kept: Option<OutboxPosition>) -> Result<Found, Trouble> {
        let last = self.broker.last_of(self.lane.directory.tenant()).await?;
        let own = last.as_ref().and_then(|held| self.own(held));
        let Some(kept) = kept else {
            // A message of somebody else hides ours; to look through all of them would take too long.
            return Ok(Found { own: last.zip(own).into_iter().collect(), lost: false });
        };
        let is_lost = self.jetstream.last_sequence < kept.sequence.max(kept.settled_sequence)
            || self.holds_something_else(kept, last.as_ref()).await?;
        let settled = if is_lost { 0 } else { kept.settled_sequence };
        let Some(last) = last.filter(|held| held.sequence > settled) else {
            return Ok(Found { own: Vec::new(), lost: is_lost });
        };
        let behind = if is_lost { 0 } else { kept.sequence.max(settled) };
        let own = match own {
            // Everything behind the last one is published again, and whatever is before it stays.
            Some(revision) if is_lost => vec![(last, revision)],
            None if is_lost => self.own_between(behind, last.sequence).await?.pop().into_iter().collect(),
            Some(revision) if last.sequence <= behind => vec![(last, revision)],
            // Somebody else's message under an id of ours may stand where one of ours was refused, and have let the
            // next ones pass (docs/decisions/0014): the last one says nothing about those before it.
            _ => self.own_between(behind, last.sequence).await?,
        };
        Ok(Found { own, lost: is_lost })
    }

    /// Whether another message than ours stands at the kept position: then the stream is not the one that we
    /// wrote to, however long it is. A message that is not there any more says nothing: it was removed, or has
    /// expired.
    async fn holds_something_else(&self, kept: OutboxPosition, last: Option<&Held>) -> Result<bool, Trouble> {
        if kept.sequence <= kept.settled_sequence {
            return Ok(false);
        }
        let ours = |held: &Held| self.own(held).is_some_and(|revision| revision <= kept.revision);
        match last {
            Some(held) if held.sequence == kept.sequence => Ok(!ours(held)),
            _ => Ok(self.broker.at(kept.sequence).await?.is_some_and(|held| !ours(&held))),
        }
    }

    /// Messages whose acceptance is no evidence yet, with the broker's time.
    async fn unseen(
        &self,
        local: &Local,
        position: OutboxPosition,
        evidenced: Revision,
    ) -> Result<Vec<(Revision, u64, Timestamp)>, Trouble> {
        let seen = match self.lane.evidenced {
            Some(_) => local.kept.map_or(0, |kept| kept.sequence),
            None => match local.accepted {
                Some((_, sequence)) if sequence <= position.sequence => sequence,
                // A sequence beyond the position is one of a stream that was lost since.
                Some(_) | None => 0,
            },
        };
        let behind = seen.max(position.settled_sequence);
        let unseen = self.own_between(behind, position.sequence).await?;
        let unseen = unseen.into_iter().filter(|(_, revision)| *revision > evidenced);
        Ok(unseen.map(|(held, revision)| (revision, held.sequence, held.at)).collect())
    }

    /// The messages of the tenant's own stream behind a sequence, up to another one.
    async fn own_between(&self, behind: u64, end: u64) -> Result<Vec<(Held, Revision)>, Trouble> {
        let mut own = Vec::new();
        let mut sequence = behind;
        while sequence < end {
            let Some(held) = self.broker.next_of(self.lane.directory.tenant(), sequence + 1).await? else {
                break;
            };
            sequence = held.sequence;
            if let Some(revision) = self.own(&held).filter(|_| sequence <= end) {
                own.push((held, revision));
            }
        }
        Ok(own)
    }

    fn own(&self, held: &Held) -> Option<Revision> {
        held.revision_of(self.lane.directory.stream())
    }

    /// Looks whether the log has the events that messages are about: the first one that it does not have, or else the
    /// last one.
    async fn compare_with_log(&self, messages: Vec<(Held, Revision)>) -> Result<Option<Last>, Obstacle> {
        let directory = Arc::clone(&self.lane.directory);
        let compare = move || {
            let mut last = None;
            for (held, revision) in messages {
                let in_log = held.event.is_some() && held.event == event_at(&directory, revision)?;
                last = Some(Last { sequence: held.sequence, revision, in_log });
                if !in_log {
                    break;
                }
            }
            Ok(last)
        };
        self.tasks.block(compare).await.map_err(unreadable)
    }
}

fn unreadable(reason: String) -> Obstacle {
    Obstacle::Files(trouble::files_unreadable(reason))
}

/// The kept position, and whether the log is another one than that which it speaks of.
fn kept(directory: &Directory, feed: Feed) -> Result<(Option<OutboxPosition>, bool), String> {
    let (operations, jetstream) = (directory.operations(), feed.jetstream_stream());
    let kept = operations.outbox(jetstream).map_err(|error| error.to_string())?;
    let event = operations.outbox_event(jetstream).map_err(|error| error.to_string())?;
    let differs = match (kept, event) {
        (Some(kept), Some(event)) => event_at(directory, kept.revision)? != Some(event),
        _ => false,
    };
    Ok((kept, differs))
}

fn accepted(directory: &Directory) -> Result<Option<(Revision, u64)>, ViewError> {
    directory.with_history(|history| match history.last_accepted()? {
        Some(revision) => Ok(history.accepted(revision)?.map(|accepted| (revision, accepted.sequence))),
        None => Ok(None),
    })
}
