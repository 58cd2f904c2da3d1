//! The single writer of a tenant: drain, decide, apply, append, commit, answer.
//!
//! Each command of a batch is decided fully against the open transaction of `current.db` and then applied to
//! it; all events of the batch are made durable by one append, which is the only commit point. Callers are
//! answered when the append's outcome is known, refused and unchanged commands too: what they were told was
//! true only if what the batch decided before them is.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use projections::current::CurrentWriter;
use provisioning::command::{Command, Origin};
use provisioning::decide::{DecideError, Decided, Decision, Outcome, decide};
use provisioning::tenancy::Tenancy;
use provisioning::{EventType, Revision, StreamId, Timestamp};
use scim::schemas::Schemas;

use super::ahead::Step;
use super::condition::Condition;
use super::durability::BatchFailure;
use super::job::{Answer, Job};
use super::transaction::Batch;
use super::{WriteError, Written};
use crate::clock::{Clock, IdSource};
use crate::event_log::EventLog;
use crate::sealing::KeyStore;
use crate::telemetry::metrics::AppendOutcome;

/// How far the clock may stand behind the last event before writes are refused.
const CLOCK_BEHIND_MAX_MICROS: i64 = 5_000_000;

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
    /// What was committed, with its size as it is stored.
    pub(super) fresh: Option<(Step, usize)>,
    /// The view may have moved by more than that, or by nobody knows what.
    pub(super) unaccounted: bool,
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
    /// The key of the subject `tenant`, once the log names it.
    pub(super) tenant_key: Option<u64>,
    /// Log or view failed, and why: before the next batch the log has to be reopened and its tail read.
    pub(super) suspect: Option<String>,
    /// Where it is told that the view stands behind the log.
    pub(super) condition: Condition,
}

impl Writer {
    /// Carries out a batch of what waits, lets `settle` make its outcome visible, and answers the callers. What the
    /// batch had no room for still waits then.
    pub(super) fn batch(
        &mut self,
        jobs: &mut VecDeque<Job>,
        settle: impl FnOnce(&mut BatchReport, &Tenancy),
    ) -> BatchReport {
        let mut report = BatchReport::default();
        let mut taken = Vec::new();
        // A defect that one command brings to light must not end the tenant: what the batch did is looked up.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.carry_out(jobs, &mut taken, &mut report)));
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!(stream = %self.stream, "the writer of a tenant panicked; its last batch is looked up");
            self.suspect = Some("the writer panicked".into());
            let detail = "the write failed by a defect of the service; read the resource before trying again";
            Err(BatchFailure::unavailable("writer_panicked", detail))
        });
        let failure = outcome.err().map(|failure| {
            self.view.roll_back();
            report.unaccounted = true;
            report.halt = failure.halt;
            report.damaged = failure.damaged;
            // Where it cannot even begin, nobody has to wait for another try.
            if taken.is_empty() {
                taken.extend(jobs.drain(..));
            }
            failure.answer
        });
        settle(&mut report, self.view.tenancy());
        jobs.extend(taken.into_iter().filter_map(|job| job.settle(failure.as_ref())));
        report
    }

    /// Takes jobs until the batch is full; `taken` has them, with what they came to. `Err` fails all of those.
    fn carry_out(
        &mut self,
        jobs: &mut VecDeque<Job>,
        taken: &mut Vec<Job>,
        report: &mut BatchReport,
    ) -> Result<(), BatchFailure> {
        self.recover(report)?;
        self.view.begin()?;
        let position = self.view.position()?.revision;
        let mut batch = Batch::begin(self)?;
        while !batch.is_full()
            && let Some(job) = jobs.pop_front()
        {
            match taken.push_mut(job) {
                Job::One(one) => {
                    let command = one.command.take().expect("a command is decided once");
                    one.answer = Some(self.one(command, &one.origin, &mut batch)?);
                }
                Job::Bulk(bulk) => self.bulk(bulk, &mut batch)?,
            }
        }
        if batch.events.is_empty() {
            self.view.roll_back();
            return Ok(());
        }
        let head = self.append(position, &batch.events, report)?;
        self.tenant_key = batch.stored(head.root, report);
        self.commit(head, report)?;
        report.committed = Some(head.revision);
        Ok(())
    }

    /// Carries out one command. `Err` fails the whole batch.
    fn one(&mut self, command: Command, origin: &Origin, batch: &mut Batch) -> Result<Answer, BatchFailure> {
        let adjusts_clock = matches!(command, Command::AdjustClock { .. });
        self.transaction(origin, adjusts_clock, batch, |view, schemas| decide(command, origin, view, schemas))
    }

    /// Decides something and applies what it comes to. `Err` fails the whole batch.
    pub(super) fn transaction(
        &mut self,
        origin: &Origin,
        adjusts_clock: bool,
        batch: &mut Batch,
        decide: impl FnOnce(&CurrentWriter, &Schemas) -> Decided<CurrentWriter>,
    ) -> Result<Answer, BatchFailure> {
        let recorded_at = match self.instant(adjusts_clock, batch.last_recorded_at()) {
            Ok(instant) => instant,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let decision = match decide(&self.view, self.view.schemas()) {
            Ok(decision) => decision,
            Err(DecideError::Rejected(rejection)) => return Ok(Err(rejection.into())),
            Err(DecideError::Directory(error)) => return Err(error.into()),
        };
        let Decision { events, outcome, notes } = decision;
        let first = batch.next();
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
        Ok(Ok(Written { resource, created, revisions: first.0..batch.next().0, notes }))
    }

    /// The instant of a transaction: never before the last event's, but for an accepted clock.
    pub(super) fn instant(
        &self,
        adjusts_clock: bool,
        last: Option<Timestamp>,
    ) -> Result<Timestamp, WriteError> {
        let now = self.clock.now();
        let Some(last) = last else { return Ok(now) };
        if now >= last || adjusts_clock {
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
}
