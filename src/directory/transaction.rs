//! One transaction: from decided events to headers, sealed payloads and the applied view.

use std::time::{Duration, Instant};

use provisioning::command::Origin;
use provisioning::decide::Draft;
use provisioning::event::stored::Protection;
use provisioning::recorded::{Cause, Txn};
use provisioning::{
    Event, EventId, EventType, Header, Opened, Recorded, Resource, Revision, Subject, Timestamp, TxnId,
};

use super::ahead::Step;
use super::durability::BatchFailure;
use super::writer::{BatchReport, Writer};
use crate::event_log::{Hash, NewEvent};
use crate::sealing::SealedPayload;

/// A batch takes no further transaction once its events have this many bytes. The last one may go beyond it.
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Nor once it has been decided for this long: whoever waits behind a bulk of costly operations has a turn too.
const DECIDING_MAX: Duration = Duration::from_secs(2);

/// What has been decided in a batch so far.
pub(super) struct Batch {
    pub(super) events: Vec<NewEvent>,
    /// The same events as the views take them in.
    recorded: Vec<Recorded>,
    bytes: usize,
    began: Instant,
    types: Vec<EventType>,
    last_recorded_at: Option<Timestamp>,
    greatest_key: u64,
    tenant_key: Option<u64>,
    next: Revision,
    tenancy_changed: bool,
}

impl Batch {
    /// The batch that begins where the view stands.
    pub(super) fn begin(writer: &Writer) -> Result<Self, BatchFailure> {
        Ok(Self {
            events: Vec::new(),
            recorded: Vec::new(),
            bytes: 0,
            began: Instant::now(),
            types: Vec::new(),
            last_recorded_at: writer.view.last_recorded_at()?,
            greatest_key: writer.view.greatest_key()?,
            tenant_key: writer.tenant_key,
            next: writer.view.position()?.revision.next(),
            tenancy_changed: false,
        })
    }

    /// A batch to try something in that is not to be stored: it begins where this one stands.
    pub(super) fn trial(&self) -> Self {
        Self { events: Vec::new(), recorded: Vec::new(), types: Vec::new(), ..*self }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= EVENT_BYTES_MAX || self.began.elapsed() >= DECIDING_MAX
    }

    /// The revision of the next event.
    pub(super) fn next(&self) -> Revision {
        self.next
    }

    pub(super) fn last_recorded_at(&self) -> Option<Timestamp> {
        self.last_recorded_at
    }

    /// Notes what the log, whose root is now this, holds once the batch is stored; answers the key of the subject
    /// `tenant`.
    pub(super) fn stored(self, root: Hash, report: &mut BatchReport) -> Option<u64> {
        report.fresh = Some((Step { events: self.recorded, root }, self.bytes));
        report.greatest_key = self.greatest_key;
        report.recorded = self.types;
        report.tenancy_changed = self.tenancy_changed;
        self.tenant_key
    }
}

impl Writer {
    /// Gives the events of one transaction their headers, seals their payloads and applies them to the view.
    pub(super) fn record(
        &mut self,
        drafts: Vec<Draft>,
        origin: &Origin,
        recorded_at: Timestamp,
        batch: &mut Batch,
    ) -> Result<Option<Resource>, BatchFailure> {
        let txn = TxnId(self.ids.next());
        let of = u32::try_from(drafts.len()).map_err(|_| {
            BatchFailure::unavailable("transaction_too_large", "the operation has too many events")
        })?;
        let ids: Vec<EventId> = drafts.iter().map(|_| EventId(self.ids.next())).collect();
        let mut state = None;
        for ((draft, n), id) in drafts.into_iter().zip(1..).zip(ids.iter().copied()) {
            let event_type = draft.event.event_type();
            let (key, payload) = self.protect(&draft, id, batch)?;
            let cause = draft.cause.map(|index| Cause { stream: self.stream, id: ids[index] });
            let header = Header {
                v: 1,
                stream: self.stream,
                revision: batch.next,
                id,
                event_type,
                format: 1,
                subject: draft.subject,
                attributes: draft.attributes,
                active: draft.active,
                received_at: origin.received_at,
                recorded_at,
                actor: origin.actor.clone(),
                via: origin.via,
                request: origin.request,
                txn: Txn { id: txn, n, of },
                cause,
                key,
                payload: payload.as_ref().map(|payload| payload.digest.clone()),
            };
            let event =
                NewEvent { id, header: header.to_bytes(), payload: payload.map(|payload| payload.stored) };
            batch.bytes += event.header.len() + event.payload.as_ref().map_or(0, Vec::len);
            batch.events.push(event);
            batch.types.push(event_type);
            batch.tenancy_changed |= !matches!(draft.subject, Subject::User(_) | Subject::Group(_));
            let recorded = Recorded { header, event: Opened::Event(draft.event) };
            let after = self.view.apply(&recorded)?;
            batch.recorded.push(recorded);
            if after.is_some() {
                state = after;
            }
            batch.next = batch.next.next();
        }
        batch.last_recorded_at = Some(recorded_at);
        Ok(state)
    }

    /// Salts or seals an event's payload under its subject's key.
    fn protect(
        &mut self,
        draft: &Draft,
        id: EventId,
        batch: &mut Batch,
    ) -> Result<(Option<u64>, Option<SealedPayload>), BatchFailure> {
        let Some(bytes) = draft.event.payload() else { return Ok((None, None)) };
        if draft.event.event_type().protection() == Protection::Plain {
            return Ok((None, Some(self.keys.plain(&bytes)?)));
        }
        let known = match draft.subject {
            Subject::User(resource) | Subject::Group(resource)
                if !matches!(draft.event, Event::UserCreated(_) | Event::GroupCreated(_)) =>
            {
                self.view.key_of(resource)?
            }
            Subject::User(_) | Subject::Group(_) => None,
            Subject::Client(_)
            | Subject::Token(_)
            | Subject::Tenant
            | Subject::RegisteredTenant(_)
            | Subject::Operator(_) => batch.tenant_key,
        };
        let key = if let Some(key) = known {
            key
        } else {
            let key = self.keys.draw(batch.greatest_key)?;
            batch.greatest_key = key;
            if !matches!(draft.subject, Subject::User(_) | Subject::Group(_)) {
                batch.tenant_key = Some(key);
            }
            key
        };
        Ok((Some(key), Some(self.keys.seal(key, id, &bytes)?)))
    }
}
