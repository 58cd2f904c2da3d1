//! What follows from a message that the broker did not take in: whom it concerns, and for how long. Pure.
//!
//! What may concern everybody stops everybody for a moment. A message that is turned away again although others were
//! taken in meanwhile is its own tenant's trouble: that tenant rests, longer each time, and the others go on.

use std::time::Duration;

use provisioning::Revision;

use super::jetstream::Refusal;
use super::lanes::{REST, TurnedAway};
use super::trouble::{self, Trouble};
use crate::feed::Feed;

#[cfg(test)]
mod tests;

/// The longest rest of a tenant whose message is turned away again and again.
const REST_MAX: Duration = Duration::from_secs(32);

/// A message that was not, or not surely, taken in.
pub(super) struct Refused<'a> {
    pub(super) feed: Feed,
    pub(super) tenant: &'a str,
    pub(super) revision: Revision,
    pub(super) refusal: &'a Refusal,
    /// For how long the JetStream stream knows a message.
    pub(super) duplicate_window: Duration,
    /// What NATS complained of last; an answer that does not come is explained by that alone.
    pub(super) complaint: Option<String>,
}

/// How many messages were stored, of all tenants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) stored: u64,
    /// Some of them since publishing began last.
    pub(super) stored_here: bool,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    /// Begin again at once.
    Again,
    /// Begin again after a pause.
    Pause(Trouble),
    /// The tenant is tried again later; the others go on.
    Rest(Trouble, Duration),
}

impl Refused<'_> {
    /// Weighs a refusal against what was turned away of the tenant before.
    pub(super) fn weigh(self, turned_away: &mut Option<TurnedAway>, progress: Progress) -> Consequence {
        let before = turned_away.filter(|before| before.revision == self.revision);
        match self.refusal {
            // Nobody else is concerned, and a limit that was lowered may be raised again.
            Refusal::TooLarge => {
                let times = before.map_or(1, |before| before.times.saturating_add(1));
                let now = TurnedAway { revision: self.revision, times, stored_before: progress.stored };
                *turned_away = Some(now);
                let trouble = trouble::message_too_large(self.feed, self.tenant, self.revision);
                Consequence::Rest(trouble, rest(times))
            }
            // Without progress it may be that nobody ever gets a turn.
            Refusal::Outrun(_) if progress.stored_here => Consequence::Again,
            Refusal::Outrun(reason) => Consequence::Pause(trouble::refused(self.feed, reason)),
            // Either the message has come late, and is found when the broker is asked; or it was stored not long ago
            // and then removed, and is not forgotten yet.
            Refusal::Known => {
                *turned_away = Some(self.once_more(before, progress));
                match before {
                    None => Consequence::Again,
                    Some(_) => Consequence::Rest(
                        trouble::message_known(self.feed, self.revision, self.duplicate_window),
                        REST,
                    ),
                }
            }
            Refusal::Unclear(reason) => {
                let trouble = trouble::refused(self.feed, &self.explained(reason));
                let now = self.once_more(before, progress);
                *turned_away = Some(now);
                if progress.stored > now.stored_before && now.times > 1 {
                    Consequence::Rest(trouble, rest(now.times - 1))
                } else {
                    Consequence::Pause(trouble)
                }
            }
        }
    }

    fn once_more(&self, before: Option<TurnedAway>, progress: Progress) -> TurnedAway {
        match before {
            // Nothing was stored since: that says nothing about this message.
            Some(before) if progress.stored == before.stored_before => before,
            Some(before) => TurnedAway { times: before.times.saturating_add(1), ..before },
            None => TurnedAway { revision: self.revision, times: 1, stored_before: progress.stored },
        }
    }

    fn explained(&self, reason: &str) -> String {
        match &self.complaint {
            Some(complaint) => format!("{reason}; NATS said: {complaint}"),
            None => reason.to_owned(),
        }
    }
}

/// How long a tenant rests for the so many-th time in a row.
fn rest(times: u32) -> Duration {
    REST_MAX.min(REST.saturating_mul(2_u32.saturating_pow(times.saturating_sub(1))))
}
