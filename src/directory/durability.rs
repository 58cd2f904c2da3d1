//! The writer's failure points: what becomes of a batch when its log or its view fails, and the way back.
//!
//! Nobody is told anything that is not known. Whether an append was stored is decided by reading the log, never by
//! the kind of the error; a view that fails behind a stored append catches up from the log. After a failure the
//! writer is *suspect*: before it does anything else it opens the log anew and brings the view up to it.

use std::time::{Duration, Instant};

use projections::ViewError;
use provisioning::Revision;

use super::catch_up::{self, CatchUpError};
use super::decode::{self, DecodeError};
use super::writer::{BatchReport, Writer};
use super::{WriteError, halted_error};
use crate::event_log::{AppendError, EventLog, Head, NewEvent, ReadError};
use crate::sealing::KeyError;
use crate::telemetry::metrics::AppendOutcome;

/// How long a view may take to catch up before the write is answered 503.
const VIEW_BEHIND_MAX: Duration = Duration::from_secs(5);
/// How often it is tried meanwhile.
const VIEW_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Why a whole batch came to nothing.
#[derive(Debug)]
pub(super) struct BatchFailure {
    /// What every caller is told.
    pub(super) answer: WriteError,
    /// What must stop the tenant.
    pub(super) halt: Option<String>,
    /// Why the view has to be made anew.
    pub(super) damaged: Option<String>,
}

impl BatchFailure {
    pub(super) fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self { answer: WriteError::Unavailable { code, detail: detail.into() }, halt: None, damaged: None }
    }

    fn halting(reason: String) -> Self {
        Self { answer: halted_error(), halt: Some(reason), damaged: None }
    }
}

impl From<ViewError> for BatchFailure {
    fn from(error: ViewError) -> Self {
        tracing::error!(error = %error, "current view failed in a batch: {error}");
        let detail = "the tenant's current view cannot be used; try again later";
        let failure = Self::unavailable("view_unavailable", detail);
        match error {
            ViewError::Broken { .. } | ViewError::Stale { .. } => {
                Self { damaged: Some(error.to_string()), ..failure }
            }
            ViewError::Sqlite { .. } | ViewError::File { .. } => failure,
        }
    }
}

impl From<KeyError> for BatchFailure {
    fn from(error: KeyError) -> Self {
        tracing::error!(error = %error, "key store failed in a batch: {error}");
        match error {
            KeyError::Unavailable(_) => {
                let detail = "the tenant's key store cannot be used; try again later";
                Self::unavailable("keys_unavailable", detail)
            }
            KeyError::Corrupt(_) => Self::halting(format!("keys.db: {error}")),
        }
    }
}

impl From<ReadError> for BatchFailure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(_) => {
                let detail = "the tenant's log cannot be written now; try again later";
                Self::unavailable("log_unavailable", detail)
            }
            ReadError::Corrupt { .. } => Self::halting(error.to_string()),
        }
    }
}

impl From<CatchUpError> for BatchFailure {
    fn from(error: CatchUpError) -> Self {
        match error {
            CatchUpError::View(error) => error.into(),
            CatchUpError::Log(error) => error.into(),
            CatchUpError::Event(DecodeError::Unavailable { reason, .. }) => {
                KeyError::Unavailable(reason).into()
            }
            CatchUpError::Event(DecodeError::Broken { .. }) | CatchUpError::LogBehindView(_) => {
                Self::halting(error.to_string())
            }
        }
    }
}

impl Writer {
    /// Makes the batch durable. If that is said to have failed, the log itself tells whether it did.
    pub(super) fn append(
        &mut self,
        expected: Revision,
        events: &[NewEvent],
        report: &mut BatchReport,
    ) -> Result<Head, BatchFailure> {
        let began = Instant::now();
        let outcome = self.log.append(expected, events);
        report.append = Some((AppendOutcome::of(&outcome), began.elapsed()));
        let error = match outcome {
            Ok(head) => return Ok(head),
            Err(error) => error,
        };
        tracing::error!(error = %error, revision = expected.0, "append failed: {error}");
        if let AppendError::Corrupt { revision, reason } = error {
            return Err(ReadError::Corrupt { revision, reason }.into());
        }
        self.suspect = Some(error.to_string());
        match self.stored(expected, events) {
            Ok(Some(head)) => {
                self.suspect = None;
                Ok(head)
            }
            Err(ReadError::Unavailable(_)) if matches!(error, AppendError::OutcomeUnknown(_)) => {
                let detail =
                    "it is not known whether the write was stored; read the resource before trying again";
                Err(BatchFailure::unavailable("append_outcome_unknown", detail))
            }
            Ok(None) | Err(ReadError::Unavailable(_)) => {
                Err(BatchFailure::unavailable("append_failed", "the write could not be stored; try again"))
            }
            Err(unread @ ReadError::Corrupt { .. }) => Err(unread.into()),
        }
    }

    /// Whether the log holds exactly these events behind `expected`.
    fn stored(&self, expected: Revision, events: &[NewEvent]) -> Result<Option<Head>, ReadError> {
        self.log.reopen()?;
        let head = self.log.head()?;
        if head.revision.0 != expected.0 + events.len() as u64 {
            return Ok(None);
        }
        let tail = self.log.read(expected, 1)?;
        Ok(tail.first().is_some_and(|first| first.header == events[0].header).then_some(head))
    }

    /// Commits the view. If that fails the events are stored all the same: the view catches up from the log, and
    /// only then are the callers answered.
    pub(super) fn commit(&mut self, head: Head, report: &mut BatchReport) -> Result<(), BatchFailure> {
        let committed = self.view.set_root(head.root).and_then(|()| self.view.commit());
        let Err(error) = committed else { return Ok(()) };
        report.unaccounted = true;
        tracing::error!(error = %error, revision = head.revision.0, "view did not commit a stored batch: {error}");
        self.view.roll_back();
        self.condition.set_behind(Some(format!("current.db stands behind the log: {error}")));
        let began = Instant::now();
        loop {
            let Err(BatchFailure { halt, damaged, .. }) = self.catch_up(head.revision) else {
                self.condition.set_behind(None);
                return Ok(());
            };
            if halt.is_some() || damaged.is_some() || began.elapsed() >= VIEW_BEHIND_MAX {
                let reason = "current.db stays behind the log".to_owned();
                tracing::error!(revision = head.revision.0, "{reason}");
                self.suspect = Some(reason);
                let detail =
                    "the write is stored, but cannot be shown yet; read the resource before trying again";
                let failure = BatchFailure::unavailable("append_stored_view_behind", detail);
                return Err(BatchFailure { halt, damaged, ..failure });
            }
            std::thread::park_timeout(VIEW_RETRY_DELAY);
        }
    }

    /// After a failure: opens the log anew, reads its tail and brings the view up to it.
    pub(super) fn recover(&mut self, report: &mut BatchReport) -> Result<(), BatchFailure> {
        if self.suspect.is_none() {
            return Ok(());
        }
        self.view.roll_back();
        self.log.reopen()?;
        // What was committed once must still be there.
        catch_up::contained(self.log.as_ref(), "current.db", self.view.position()?)?;
        let head = self.log.head()?.revision;
        let reached = self.catch_up(head)?;
        self.tenant_key = tenant_key(self.log.as_ref())?;
        report.greatest_key = self.view.greatest_key()?;
        report.tenancy_changed = true;
        report.unaccounted = true;
        report.committed = Some(reached);
        self.suspect = None;
        self.condition.set_behind(None);
        tracing::info!(stream = %self.stream, revision = reached.0, "log and view of a tenant can be used again");
        Ok(())
    }

    fn catch_up(&mut self, up_to: Revision) -> Result<Revision, BatchFailure> {
        Ok(catch_up::current(&mut self.view, self.log.as_ref(), &self.keys, up_to)?)
    }
}

/// The key of the subject `tenant`: every stream begins with an event that is sealed by it.
pub(super) fn tenant_key(log: &dyn EventLog) -> Result<Option<u64>, CatchUpError> {
    match log.read(Revision::ZERO, 1)?.first() {
        Some(first) => Ok(decode::header(first)?.key),
        None => Ok(None),
    }
}
