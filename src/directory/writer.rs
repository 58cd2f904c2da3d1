//! The single writer of a tenant: drain, decide, apply, append, commit, answer.
//!
//! Each command of a batch is decided fully against the open transaction of `current.db` and then applied to
//! it; all events of the batch are made durable by one append, which is the only commit point. Callers are
//! answered when the append's outcome is known, refused and unchanged commands too: what they were told was
//! true only if what the batch decided before them is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use projections::current::CurrentWriter;
use provisioning::command::{Command, Origin};
use provisioning::decide::{DecideError, Decision, Draft, Outcome, decide};
use provisioning::directory::Directory as _;
use provisioning::event::stored::Protection;
use provisioning::recorded::{Cause, Txn};
use provisioning::tenancy::Tenancy;
use provisioning::{
    Event, EventId, EventType, Header, Opened, Recorded, Resource, Revision, StreamId, Subject, Timestamp,
    TxnId,
};
use scim::schemas::Schemas;
use tokio::sync::oneshot;

use super::condition::Condition;
use super::durability::BatchFailure;
use super::{WriteError, Written};
use crate::clock::{Clock, IdSource};
use crate::event_log::{EventLog, NewEvent};
use crate::sealing::{KeyStore, SealedPayload};
use crate::telemetry::metrics::AppendOutcome;

/// How far the clock may stand behind the last event before writes are refused.
const CLOCK_BEHIND_MAX_MICROS: i64 = 5_000_000;

/// A queued command.
pub(super) struct Job {
    pub(super) command: Command,
    pub(super) origin: Origin,
    /// The size of the request, for the batch's bound in bytes.
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Result<Written, WriteError>>,
}

impl Job {
    /// Tells the caller why the command is not carried out.
    pub(super) fn refuse(self, why: WriteError) {
        // A caller that has gone away needs no answer.
        let _gone = self.answer.send(Err(why));
    }
}

/// What a batch did, for whoever watches the tenant.
#[derive(Debug, Default)]
pub(super) struct BatchReport {
    /// The committed position, if it moved.
    pub(super) committed: Option<Revision>,
    /// Whether settings, clients or tokens changed.
    pub(super) tenancy_changed: bool,
    /// The greatest number of a data key that the log names now; 0 if the batch recorded nothing.
    pub(super) greatest_key: u64,
    /// The types of the recorded events.
    pub(super) recorded: Vec<EventType>,
    /// How the append ended, if there was one, and how long it took.
    pub(super) append: Option<(AppendOutcome, Duration)>,
    /// What must stop the tenant.
    pub(super) halt: Option<String>,
    /// Why the view has to be made anew.
    pub(super) damaged: Option<String>,
}

/// Everything that writing needs, owned by one thread at a time.
pub(super) struct Writer {
    pub(super) view: CurrentWriter,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) keys: Arc<KeyStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
    pub(super) stream: StreamId,
    pub(super) schemas: Schemas,
    /// The key of the subject `tenant`, once the log names it.
    pub(super) tenant_key: Option<u64>,
    /// Log or view failed, and why: before the next batch the log has to be reopened and its tail read.
    pub(super) suspect: Option<String>,
    /// Where it is told that the view stands behind the log.
    pub(super) condition: Condition,
}

/// What has been decided in a batch so far.
struct Batch {
    events: Vec<NewEvent>,
    types: Vec<EventType>,
    last_recorded_at: Option<Timestamp>,
    greatest_key: u64,
    tenant_key: Option<u64>,
    next: Revision,
    tenancy_changed: bool,
}

impl Writer {
    /// Carries out a batch, lets `settle` make its outcome visible, and answers every caller.
    pub(super) fn batch(
        &mut self,
        jobs: Vec<Job>,
        settle: impl FnOnce(&BatchReport, &Tenancy),
    ) -> BatchReport {
        let mut report = BatchReport::default();
        let (callers, work): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.answer, (job.command, job.origin))).unzip();
        // A defect that one command brings to light must not end the tenant: what the batch did is looked up.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.carry_out(&work, &mut report)));
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!(stream = %self.stream, "the writer of a tenant panicked; its last batch is looked up");
            self.suspect = Some("the writer panicked".into());
            let detail = "the write failed by a defect of the service; read the resource before trying again";
            Err(BatchFailure::unavailable("writer_panicked", detail))
        });
        let answers = outcome.unwrap_or_else(|failure| {
            self.view.roll_back();
            report.halt = failure.halt;
            report.damaged = failure.damaged;
            callers.iter().map(|_| Err(failure.answer.clone())).collect()
        });
        settle(&report, self.view.tenancy());
        for (caller, answer) in callers.into_iter().zip(answers) {
            // A caller that has gone away has lost interest in the answer, not in the write.
            let _gone = caller.send(answer);
        }
        report
    }

    fn carry_out(
        &mut self,
        work: &[(Command, Origin)],
        report: &mut BatchReport,
    ) -> Result<Vec<Result<Written, WriteError>>, BatchFailure> {
        self.recover(report)?;
        self.view.begin()?;
        let position = self.view.position()?.revision;
        let mut batch = Batch {
            events: Vec::new(),
            types: Vec::new(),
            last_recorded_at: self.view.last_recorded_at()?,
            greatest_key: self.view.greatest_key()?,
            tenant_key: self.tenant_key,
            next: position.next(),
            tenancy_changed: false,
        };
        let mut answers = Vec::with_capacity(work.len());
        for (command, origin) in work {
            answers.push(self.one(command, origin, &mut batch)?);
        }
        if batch.events.is_empty() {
            self.view.roll_back();
            return Ok(answers);
        }
        let head = self.append(position, &batch.events, report)?;
        self.tenant_key = batch.tenant_key;
        report.greatest_key = batch.greatest_key;
        report.recorded = batch.types;
        report.tenancy_changed = batch.tenancy_changed;
        self.commit(head)?;
        report.committed = Some(head.revision);
        Ok(answers)
    }

    /// Decides one command and applies what it comes to. `Err` fails the whole batch.
    fn one(
        &mut self,
        command: &Command,
        origin: &Origin,
        batch: &mut Batch,
    ) -> Result<Result<Written, WriteError>, BatchFailure> {
        let recorded_at = match self.instant(command, batch.last_recorded_at) {
            Ok(instant) => instant,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let decision = match decide(command, origin, &self.view, &self.schemas) {
            Ok(decision) => decision,
            Err(DecideError::Rejected(rejection)) => return Ok(Err(rejection.into())),
            Err(DecideError::Directory(error)) => return Err(error.into()),
        };
        let Decision { events, outcome, notes } = decision;
        let first = batch.next;
        let mut state = None;
        if !events.is_empty() {
            state = self.record(events, origin, recorded_at, batch)?;
        }
        let (resource, created) = match outcome {
            Outcome::Created(_) => (state, true),
            Outcome::Changed(_) => (state, false),
            Outcome::Unchanged(resource) => (Some(*resource), false),
            Outcome::Done => (None, false),
        };
        Ok(Ok(Written { resource, created, revisions: first.0..batch.next.0, notes }))
    }

    /// The instant of a transaction: never before the last event's, but for an accepted clock.
    fn instant(&self, command: &Command, last: Option<Timestamp>) -> Result<Timestamp, WriteError> {
        let now = self.clock.now();
        let Some(last) = last else { return Ok(now) };
        if now >= last || matches!(command, Command::AdjustClock { .. }) {
            return Ok(now);
        }
        if last.0 - now.0 <= CLOCK_BEHIND_MAX_MICROS {
            return Ok(last);
        }
        Err(WriteError::Unavailable {
            code: "clock_behind_log",
            detail:
                "the service's clock stands behind the tenant's last event; the operator has to set it right \
                     or to accept it"
                    .into(),
        })
    }

    /// Gives the events of one transaction their headers, seals their payloads and applies them to the view.
    fn record(
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
            batch.events.push(NewEvent {
                id,
                header: header.to_bytes(),
                payload: payload.map(|payload| payload.stored),
            });
            batch.types.push(event_type);
            batch.tenancy_changed |= !matches!(draft.subject, Subject::User(_) | Subject::Group(_));
            let after = self.view.apply(&Recorded { header, event: Opened::Event(draft.event) })?;
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
                self.view.resource(resource)?.and_then(|resource| resource.key)
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
