//! Reading the log for both views at once: each event is read and opened once, a little ahead of the views, which
//! take it in on threads of their own.
//!
//! How far ahead is bounded, so the memory that a rebuild takes does not grow with the log. What a view does with the
//! events is its own affair.

use std::sync::mpsc::{self, Receiver, SyncSender};

use projections::history::abridged;
use provisioning::{Recorded, Revision};

use super::catch_up::{self, CatchUpError};
use crate::event_log::{EventLog, Hash};
use crate::sealing::KeyStore;

/// How many events are read in one step, at about. Few, so that the memory which they took is soon used again.
const EVENTS_PER_STEP: usize = 512;
/// How many steps wait for a view that is slower than the log is read.
const STEPS_AHEAD: usize = 2;

/// Whole transactions, and the root behind the last of them.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) events: Vec<Recorded>,
    pub(super) root: Hash,
}

/// Reads the log up to `up_to` and gives every step to both views. Stops early if one of them fails.
pub(super) fn feed(
    log: &dyn EventLog,
    keys: &KeyStore,
    up_to: Revision,
    current: impl FnOnce(Receiver<Step>) -> Result<(), CatchUpError> + Send,
    history: impl FnOnce(Receiver<Step>) -> Result<(), CatchUpError> + Send,
) -> Result<(), CatchUpError> {
    std::thread::scope(|scope| {
        let (to_current, for_current) = mpsc::sync_channel(STEPS_AHEAD);
        let (to_history, for_history) = mpsc::sync_channel(STEPS_AHEAD);
        let views = [scope.spawn(|| current(for_current)), scope.spawn(|| history(for_history))];
        let read = read(log, keys, up_to, &to_current, &to_history);
        drop((to_current, to_history));
        let [current, history] =
            views.map(|view| view.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        read.and(current).and(history)
    })
}

fn read(
    log: &dyn EventLog,
    keys: &KeyStore,
    up_to: Revision,
    current: &SyncSender<Step>,
    history: &SyncSender<Step>,
) -> Result<(), CatchUpError> {
    let mut last = Revision::ZERO;
    while last < up_to {
        let mut events = catch_up::transactions(log, keys, last, up_to, EVENTS_PER_STEP)?;
        let Some(reached) = events.last().map(|event| event.header.revision) else { return Ok(()) };
        let root = log.root_at(reached)?;
        // Small, so that `current.db` gets the events themselves and need not copy them.
        let abridged = Step { events: events.iter_mut().map(abridged).collect(), root };
        // A view that takes nothing more has failed, and says why.
        if history.send(abridged).is_err() || current.send(Step { events, root }).is_err() {
            return Ok(());
        }
        last = reached;
    }
    Ok(())
}
