//! Bringing a view up to the log: at start, after a failure, in a rebuild, and (history) while following.

use projections::ViewError;
use projections::current::CurrentWriter;
use projections::history::HistoryWriter;
use provisioning::{Recorded, Revision};

use super::decode::{self, DecodeError};
use crate::event_log::{EventLog, Hash, ReadError};
use crate::sealing::KeyStore;

/// How many events one transaction of a catching-up view takes in, at about.
const EVENTS_PER_COMMIT: usize = 4_096;

/// Why a view could not be brought up to the log.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// The view failed.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The log could not be read, or is corrupt.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// An event could not be opened.
    #[error(transparent)]
    Event(#[from] DecodeError),
    /// The view is ahead of the log, or belongs to another history.
    #[error("{0}")]
    LogBehindView(String),
}

impl CatchUpError {
    /// Whether trying again cannot help: the tenant has to be halted.
    pub fn is_final(&self) -> bool {
        match self {
            Self::View(_)
            | Self::Log(ReadError::Unavailable(_))
            | Self::Event(DecodeError::Unavailable { .. }) => false,
            Self::Log(ReadError::Corrupt { .. })
            | Self::Event(DecodeError::Broken { .. })
            | Self::LogBehindView(_) => true,
        }
    }
}

/// Checks that the log contains what a view says it has taken in.
pub fn contained(
    log: &dyn EventLog,
    view: &str,
    position: projections::Position,
) -> Result<(), CatchUpError> {
    if position.revision == Revision::ZERO {
        return Ok(());
    }
    let head = log.head()?.revision;
    if position.revision > head {
        return Err(CatchUpError::LogBehindView(format!(
            "log_behind_views: {view} stands at revision {}, the log ends at {head}",
            position.revision
        )));
    }
    if log.root_at(position.revision)? != position.root {
        // Hashes that were damaged are no other log.
        log.check_tree(position.revision)?;
        return Err(CatchUpError::LogBehindView(format!(
            "log_behind_views: {view} was built from another log (the roots at revision {} differ)",
            position.revision
        )));
    }
    Ok(())
}

/// The next whole transactions behind `after` and up to `up_to`, where one ends: at least one, and no further one
/// behind so many `events_max`. A log that ends inside of a transaction is broken there, since an append stores whole
/// ones.
pub fn transactions(
    log: &dyn EventLog,
    keys: &KeyStore,
    after: Revision,
    up_to: Revision,
    events_max: usize,
) -> Result<Vec<Recorded>, CatchUpError> {
    let mut events: Vec<Recorded> = Vec::new();
    let mut whole = 0;
    let mut last = after;
    while last < up_to && (whole == 0 || events.len() < events_max) {
        let limit = events_max.min(usize::try_from(up_to.0 - last.0).unwrap_or(events_max));
        let stored = log.read(last, limit)?;
        if stored.is_empty() {
            break;
        }
        let headers: Vec<_> = stored.iter().map(decode::header).collect();
        keys.have_ready(headers.iter().flatten().filter_map(|header| header.key));
        for (event, header) in stored.iter().zip(headers) {
            let recorded = decode::opened(keys, event, header?)?;
            let ends = recorded.header.txn.n == recorded.header.txn.of;
            last = recorded.header.revision;
            events.push(recorded);
            if ends {
                whole = events.len();
            }
        }
    }
    if whole == 0 && after < up_to {
        let reason = format!("a transaction that begins behind revision {after} has no end");
        return Err(DecodeError::Broken { revision: last.0, reason }.into());
    }
    events.truncate(whole);
    Ok(events)
}

/// Brings `current.db` up to `up_to` and returns where it stands.
pub fn current(
    view: &mut CurrentWriter,
    log: &dyn EventLog,
    keys: &KeyStore,
    up_to: Revision,
) -> Result<Revision, CatchUpError> {
    loop {
        let position = view.position()?.revision;
        if position >= up_to {
            return Ok(position);
        }
        let events = transactions(log, keys, position, up_to, EVENTS_PER_COMMIT)?;
        let Some(last) = events.last().map(|event| event.header.revision) else { return Ok(position) };
        take_in(view, events, log.root_at(last)?)?;
        unless_it_can_wait(view.tend())?;
    }
}

/// What a write-ahead log cannot copy now it copies later; damage that it comes upon does not go away.
fn unless_it_can_wait(tended: Result<(), ViewError>) -> Result<(), ViewError> {
    match tended {
        Err(error @ ViewError::Broken { .. }) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Takes whole transactions into `current.db` in one of its own.
pub(super) fn take_in(
    view: &mut CurrentWriter,
    mut events: Vec<Recorded>,
    root: Hash,
) -> Result<(), ViewError> {
    view.begin()?;
    let applied = events
        .iter_mut()
        .try_for_each(|event| view.apply_taking(event).map(drop))
        .and_then(|()| view.set_root(root))
        .and_then(|()| view.commit());
    applied.inspect_err(|_| view.roll_back())
}

/// Brings `history.db` up to `up_to` and returns where it stands; `progress` is told after each step.
pub fn history(
    view: &mut HistoryWriter,
    log: &dyn EventLog,
    keys: &KeyStore,
    up_to: Revision,
    mut progress: impl FnMut(Revision),
) -> Result<Revision, CatchUpError> {
    loop {
        let position = view.position()?.revision;
        if position >= up_to {
            return Ok(position);
        }
        let events = transactions(log, keys, position, up_to, EVENTS_PER_COMMIT)?;
        let Some(last) = events.last().map(|event| event.header.revision) else { return Ok(position) };
        view.apply(&events, log.root_at(last)?)?;
        progress(last);
        unless_it_can_wait(view.tend())?;
    }
}
