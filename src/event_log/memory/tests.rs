//! The faults of the log in memory; its contract is tested with the other backends in `tests/it`.

use provisioning::{EventId, Revision};

use super::{Fault, FaultKind, MemoryLog};
use crate::clock::{IdSource, SeededIds};
use crate::event_log::{AppendError, EventLog, NewEvent};

fn event() -> NewEvent {
    NewEvent { id: EventId(SeededIds::new(1).next()), header: b"{}".to_vec(), payload: None }
}

/// One append under a fault, with the same append tried again: what both answer, and how many events there are
/// in between and at the end.
#[track_caller]
fn check(fault: Fault, stored_by_the_first: u64) {
    let log = MemoryLog::default();
    log.fail_next(fault);
    let failed = log.append(Revision::ZERO, &[event()]).unwrap_err();
    let unknown = matches!(
        fault,
        Fault::Stored(FaultKind::OutcomeUnknown) | Fault::NotStored(FaultKind::OutcomeUnknown)
    );
    assert_eq!(matches!(failed, AppendError::OutcomeUnknown(_)), unknown, "{fault:?} answers {failed}");
    assert_eq!(log.read(Revision::ZERO, 9).unwrap().len() as u64, stored_by_the_first, "{fault:?}");
    log.reopen().unwrap();
    let head = log.append(Revision::ZERO, &[event()]).unwrap();
    assert_eq!((head.revision, log.head().unwrap()), (Revision(1), head), "{fault:?} and its retry");
}

#[test]
fn a_retry_stores_the_events_once_whatever_the_fault_was() {
    check(Fault::NotStored(FaultKind::Unavailable), 0);
    check(Fault::NotStored(FaultKind::OutcomeUnknown), 0);
    check(Fault::Stored(FaultKind::Unavailable), 1);
    check(Fault::Stored(FaultKind::OutcomeUnknown), 1);
}

#[test]
fn an_unknown_outcome_closes_the_log_until_it_is_reopened() {
    let log = MemoryLog::default();
    log.fail_next(Fault::Stored(FaultKind::OutcomeUnknown));
    for _ in 0..2 {
        let failed = log.append(Revision::ZERO, &[event()]);
        assert!(matches!(failed, Err(AppendError::OutcomeUnknown(_))));
        assert!(log.head().is_err());
    }
    log.reopen().unwrap();
    assert_eq!(log.head().unwrap().revision, Revision(1));
}

#[test]
fn a_fault_waits_for_an_append_that_would_store_something() {
    let log = MemoryLog::default();
    log.fail_next(Fault::NotStored(FaultKind::Unavailable));
    assert!(matches!(
        log.append(Revision(5), &[event()]),
        Err(AppendError::Conflict { actual: Revision::ZERO })
    ));
    assert!(matches!(log.append(Revision::ZERO, &[event()]), Err(AppendError::Unavailable(_))));
    assert!(log.append(Revision::ZERO, &[event()]).is_ok());
}
