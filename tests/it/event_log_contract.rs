//! The contract of `EventLog`: one suite, run on every backend; and what holds whatever an append meets, run on
//! every backend that can be made to fail.
//!
//! What a backend does beyond it (opening, files) is tested beside the backend, except that a log in SQLite cannot
//! be changed through SQL and notices when its bytes were: that is promised to auditors, so it is tested from
//! outside.

use std::path::{Path, PathBuf};
use std::thread;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use muster::clock::{IdSource, SeededIds};
use muster::event_log::memory::{Fault, FaultKind, MemoryLog};
use muster::event_log::sqlite::SqliteLog;
use muster::event_log::{AppendError, EventLog, NewEvent, ReadError, StoredEvent};
use provisioning::{EventId, Revision, StreamId};
use rusqlite::Connection;
use sha2::Sha256;
use uuid::Uuid;

use crate::faulty_log::{FaultHooks, FaultyLog};

const STREAM: StreamId = StreamId(Uuid::from_u128(1));

/// Runs each function as a test of each backend.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[test]
            fn $name() {
                super::$name(&super::MemoryLog::default());
            })+
        }
        mod sqlite {
            $(#[test]
            fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&super::open(&folder.path().join("log.db")));
            })+
        }
        // The log with faults that other tests put around a real one keeps the contract too.
        mod sqlite_with_faults {
            $(#[test]
            fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&super::FaultyLog::around(super::open(&folder.path().join("log.db"))));
            })+
        }
    };
}

/// Runs each function as a test of each backend that has fault hooks, with each fault.
macro_rules! fault_table {
    ($($name:ident),+ $(,)?) => {
        mod memory_meets_faults {
            $(#[test]
            fn $name() {
                for fault in super::FAULTS {
                    super::$name(&super::MemoryLog::default(), fault);
                }
            })+
        }
        mod sqlite_meets_faults {
            $(#[test]
            fn $name() {
                for fault in super::FAULTS {
                    let folder = tempfile::tempdir().unwrap();
                    super::$name(&super::FaultyLog::around(super::open(&folder.path().join("log.db"))), fault);
                }
            })+
        }
    };
}

contract!(
    an_empty_log_stands_at_zero_under_the_empty_root,
    what_was_appended_is_read_back_byte_for_byte,
    append_at_a_stale_revision_conflicts_and_stores_nothing,
    append_beyond_the_head_conflicts_and_stores_nothing,
    retrying_an_append_with_the_same_event_ids_stores_it_once,
    a_retry_answers_where_the_log_stood_after_it,
    a_retry_of_other_events_conflicts,
    an_append_that_fails_at_its_last_event_stores_none_of_them,
    a_failed_append_that_was_stored_is_found_by_the_retry,
    read_is_ordered_and_exclusive_of_after,
    read_keeps_the_limit_and_answers_at_least_one_event,
    read_stops_at_about_four_mebibytes,
    every_root_equals_that_of_an_independent_implementation,
    a_root_beyond_the_head_is_refused,
    the_tree_fits_the_headers_up_to_the_head_and_not_beyond,
    reopening_changes_nothing,
    readers_beside_the_writer_see_whole_appends_in_order,
);

const FAULTS: [Fault; 4] = [
    Fault::NotStored(FaultKind::Unavailable),
    Fault::NotStored(FaultKind::OutcomeUnknown),
    Fault::Stored(FaultKind::Unavailable),
    Fault::Stored(FaultKind::OutcomeUnknown),
];

fault_table!(
    an_append_that_fails_stores_all_or_nothing_and_its_retry_stores_it_once,
    other_events_after_a_failure_conflict_exactly_if_it_was_stored,
    what_was_stored_before_a_failure_can_be_read_throughout,
    a_fault_waits_for_an_append_that_would_store_something,
    failures_in_a_row_store_once,
);

/// Each log closes itself after an outcome that it cannot know, so each meets one of its own: nothing is around it.
mod an_unknown_outcome_closes_the_log_until_it_is_reopened {
    use super::*;

    /// A deferred foreign key is checked by COMMIT alone, which fails when all rows went in.
    const FAIL_AT_COMMIT: &str = "
        CREATE TABLE targets (id INTEGER PRIMARY KEY);
        CREATE TABLE broken (id INTEGER REFERENCES targets (id) DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER break_it AFTER INSERT ON events BEGIN INSERT INTO broken VALUES (1); END;";
    const COMMIT_AGAIN: &str = "DROP TRIGGER break_it; DROP TABLE broken; DROP TABLE targets;";

    fn check(log: &dyn EventLog, break_it: impl Fn(), mend: impl Fn()) {
        let head = log.append(Revision::ZERO, &events(1, 2)).unwrap();
        break_it();
        for seed in [2, 2, 3] {
            let refused = log.append(Revision(2), &events(seed, 3));
            assert!(matches!(refused, Err(AppendError::OutcomeUnknown(_))), "{refused:?}");
            assert!(matches!(log.head(), Err(ReadError::Unavailable(_))));
            assert_eq!(log.read(Revision::ZERO, 2).unwrap(), stored(1, &events(1, 2)));
        }
        mend();
        // Not by itself: somebody has to look at what is stored.
        assert!(matches!(log.append(Revision(2), &events(2, 3)), Err(AppendError::OutcomeUnknown(_))));
        log.reopen().unwrap();
        assert_eq!(log.head().unwrap(), head);
        let head = log.append(Revision(2), &events(2, 3)).unwrap();
        assert_eq!((head.revision, log.head().unwrap()), (Revision(5), head));
    }

    #[test]
    fn memory() {
        let log = MemoryLog::default();
        check(&log, || log.fail_next(Fault::NotStored(FaultKind::OutcomeUnknown)), || ());
    }

    #[test]
    fn sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let sql = |statements| Connection::open(&path).unwrap().execute_batch(statements).unwrap();
        check(&open(&path), || sql(FAIL_AT_COMMIT), || sql(COMMIT_AGAIN));
    }

    // What other tests put around a real log does as the real one does.
    #[test]
    fn sqlite_with_faults() {
        let folder = tempfile::tempdir().unwrap();
        let log = FaultyLog::around(open(&folder.path().join("log.db")));
        check(&log, || log.fail_next(Fault::NotStored(FaultKind::OutcomeUnknown)), || ());
    }
}

fn open(path: &Path) -> SqliteLog {
    SqliteLog::open(path, STREAM).unwrap()
}

/// Events with ids of their own for each seed, some without a payload.
fn events(seed: u16, count: u64) -> Vec<NewEvent> {
    let ids = SeededIds::new(seed);
    let event = |n| NewEvent {
        id: EventId(ids.next()),
        header: format!(r#"{{"seed":{seed},"n":{n},"name":"Zoë"}}"#).into_bytes(),
        payload: (n % 3 != 0).then(|| vec![0, 0xff, u8::try_from(n % 256).unwrap()]),
    };
    (1..=count).map(event).collect()
}

fn stored(first: u64, events: &[NewEvent]) -> Vec<StoredEvent> {
    let with_revision = |(revision, event): (u64, &NewEvent)| StoredEvent {
        revision: Revision(revision),
        header: event.header.clone(),
        payload: event.payload.clone(),
    };
    (first..).zip(events).map(with_revision).collect()
}

fn all(log: &dyn EventLog) -> Vec<StoredEvent> {
    log.read(Revision::ZERO, usize::MAX).unwrap()
}

#[track_caller]
fn assert_conflict(log: &dyn EventLog, expected: u64, events: &[NewEvent], at: u64) {
    let (head, before) = (log.head().unwrap(), all(log));
    match log.append(Revision(expected), events) {
        Err(AppendError::Conflict { actual }) => assert_eq!(actual, Revision(at)),
        other => panic!("{other:?}"),
    }
    assert_eq!((log.head().unwrap(), all(log)), (head, before), "a conflict stores nothing");
}

fn an_empty_log_stands_at_zero_under_the_empty_root(log: &dyn EventLog) {
    let head = log.head().unwrap();
    assert_eq!(head.revision, Revision::ZERO);
    assert_eq!(hex::encode(head.root), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(log.root_at(Revision::ZERO).unwrap(), head.root);
    assert_eq!(all(log), []);
}

fn what_was_appended_is_read_back_byte_for_byte(log: &dyn EventLog) {
    let mut odd = events(1, 4);
    odd[0].payload = Some(Vec::new());
    odd[1].payload = None;
    odd[2].header = "{\"escaped\":\"\\u0000\",\"raw\":\"\u{0}\u{fffd}𝄞\"}".into();
    odd[3].header = Vec::new();
    let head = log.append(Revision::ZERO, &odd).unwrap();
    assert_eq!(head.revision, Revision(4));
    assert_eq!(all(log), stored(1, &odd));
}

fn append_at_a_stale_revision_conflicts_and_stores_nothing(log: &dyn EventLog) {
    log.append(Revision::ZERO, &events(1, 3)).unwrap();
    assert_conflict(log, 0, &events(2, 1), 3);
    assert_conflict(log, 2, &events(2, 1), 3);
}

fn append_beyond_the_head_conflicts_and_stores_nothing(log: &dyn EventLog) {
    assert_conflict(log, 1, &events(1, 1), 0);
    assert_conflict(log, u64::MAX - 1, &events(1, 1), 0);
}

fn retrying_an_append_with_the_same_event_ids_stores_it_once(log: &dyn EventLog) {
    log.append(Revision::ZERO, &events(1, 2)).unwrap();
    let first = log.append(Revision(2), &events(2, 3)).unwrap();
    let again = log.append(Revision(2), &events(2, 3)).unwrap();
    assert_eq!((again, log.head().unwrap()), (first, first));
    assert_eq!(all(log).len(), 5);
}

fn a_retry_answers_where_the_log_stood_after_it(log: &dyn EventLog) {
    let first = log.append(Revision::ZERO, &events(1, 3)).unwrap();
    let second = log.append(Revision(3), &events(2, 2)).unwrap();
    assert_eq!(log.append(Revision::ZERO, &events(1, 3)).unwrap(), first);
    assert_eq!(log.head().unwrap(), second);
}

fn a_retry_of_other_events_conflicts(log: &dyn EventLog) {
    log.append(Revision::ZERO, &events(1, 3)).unwrap();
    let mut one_differs = events(1, 3);
    one_differs[2].id = events(2, 1)[0].id;
    assert_conflict(log, 0, &one_differs, 3);
    assert_conflict(log, 0, &events(1, 4), 3);
    assert_conflict(log, 1, &events(1, 2), 3);
    // The first two alone are what lies behind 0: the log does not remember where one append ended.
    assert_eq!(log.append(Revision::ZERO, &events(1, 2)).unwrap().revision, Revision(2));
}

fn an_append_that_fails_at_its_last_event_stores_none_of_them(log: &dyn EventLog) {
    log.append(Revision::ZERO, &events(1, 3)).unwrap();
    let mut last_is_known = events(2, 3);
    last_is_known[2].id = events(1, 1)[0].id;
    assert_conflict(log, 3, &last_is_known, 3);
    let mut twice_the_same = events(2, 3);
    twice_the_same[2].id = twice_the_same[0].id;
    assert_conflict(log, 3, &twice_the_same, 3);
    assert_eq!(log.append(Revision(3), &events(2, 3)).unwrap().revision, Revision(6));
}

fn a_failed_append_that_was_stored_is_found_by_the_retry(log: &dyn EventLog) {
    // Whatever the caller was told: it was stored, the answer is lost, the log is opened anew.
    let lost = log.append(Revision::ZERO, &events(1, 3)).unwrap();
    log.reopen().unwrap();
    assert_eq!(log.append(Revision::ZERO, &events(1, 3)).unwrap(), lost);
    assert_eq!(all(log), stored(1, &events(1, 3)));
}

fn read_is_ordered_and_exclusive_of_after(log: &dyn EventLog) {
    log.append(Revision::ZERO, &events(1, 4)).unwrap();
    log.append(Revision(4), &events(2, 2)).unwrap();
    let expected: Vec<_> = [stored(1, &events(1, 4)), stored(5, &events(2, 2))].concat();
    for after in 0..=6 {
        assert_eq!(log.read(Revision(after), 100).unwrap(), expected[usize::try_from(after).unwrap()..]);
    }
    assert_eq!(log.read(Revision(7), 100).unwrap(), []);
    assert_eq!(log.read(Revision(u64::MAX - 1), 100).unwrap(), []);
}

fn read_keeps_the_limit_and_answers_at_least_one_event(log: &dyn EventLog) {
    log.append(Revision::ZERO, &events(1, 5)).unwrap();
    let revisions = |after, limit| -> Vec<u64> {
        log.read(Revision(after), limit).unwrap().iter().map(|event| event.revision.0).collect()
    };
    assert_eq!(revisions(1, 2), [2, 3]);
    assert_eq!(revisions(3, 2), [4, 5]);
    assert_eq!(revisions(4, 2), [5]);
    assert_eq!(revisions(2, 0), [3]);
}

fn read_stops_at_about_four_mebibytes(log: &dyn EventLog) {
    let mut large = events(1, 8);
    for event in &mut large {
        event.payload = Some(vec![1; 1 << 20]);
    }
    large[6].payload = Some(vec![1; 6 << 20]);
    log.append(Revision::ZERO, &large).unwrap();
    let count = |after| log.read(Revision(after), 100).unwrap().len();
    assert_eq!((count(0), count(4), count(6), count(7)), (4, 3, 1, 1));
}

fn every_root_equals_that_of_an_independent_implementation(log: &dyn EventLog) {
    let mut independent = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut roots = vec![log.head().unwrap().root];
    for (batch, count) in [(1, 1), (2, 2), (3, 7), (4, 1), (5, 30)] {
        let expected = log.head().unwrap().revision;
        let appended = events(batch, count);
        let head = log.append(expected, &appended).unwrap();
        for event in appended {
            independent.push(event.header);
            roots.push(independent.root().as_bytes()[..].try_into().unwrap());
        }
        assert_eq!(head.root, roots[roots.len() - 1], "root after batch {batch}");
    }
    for (size, root) in (0..).zip(roots) {
        assert_eq!(log.root_at(Revision(size)).unwrap(), root, "root at {size}");
    }
}

fn a_root_beyond_the_head_is_refused(log: &dyn EventLog) {
    log.append(Revision::ZERO, &events(1, 3)).unwrap();
    match log.root_at(Revision(4)) {
        Err(ReadError::Corrupt { revision, .. }) => assert_eq!(revision, Revision(4)),
        other => panic!("{other:?}"),
    }
}

fn reopening_changes_nothing(log: &dyn EventLog) {
    log.reopen().unwrap();
    let head = log.append(Revision::ZERO, &events(1, 5)).unwrap();
    log.reopen().unwrap();
    assert_eq!(log.head().unwrap(), head);
    assert_eq!(all(log), stored(1, &events(1, 5)));
    assert_eq!(log.append(Revision(5), &events(2, 1)).unwrap().revision, Revision(6));
}

fn the_tree_fits_the_headers_up_to_the_head_and_not_beyond(log: &dyn EventLog) {
    log.check_tree(Revision::ZERO).unwrap();
    log.append(Revision::ZERO, &events(1, 13)).unwrap();
    for size in 0..=13 {
        log.check_tree(Revision(size)).unwrap();
    }
    match log.check_tree(Revision(15)) {
        Err(ReadError::Corrupt { revision, .. }) => assert_eq!(revision, Revision(14)),
        other => panic!("{other:?}"),
    }
}

fn readers_beside_the_writer_see_whole_appends_in_order(log: &dyn EventLog) {
    const APPENDS: u64 = 40;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < APPENDS * 3 {
                    let read = log.read(Revision(seen), 1_000).unwrap();
                    assert!((seen + 1..).zip(&read).all(|(revision, event)| event.revision.0 == revision));
                    assert_eq!(read.len() % 3, 0, "half an append at {seen}");
                    seen += read.len() as u64;
                    assert!(log.root_at(Revision(seen)).is_ok());
                }
            });
        }
        for append in 0..APPENDS {
            let seed = u16::try_from(append).unwrap();
            log.append(Revision(append * 3), &events(seed, 3)).unwrap();
        }
    });
}

/// Three appends, of which the second meets the fault: what it answers, and how many events there are then.
#[track_caller]
fn second_of_three_fails(log: &dyn FaultHooks, fault: Fault) -> u64 {
    log.append(Revision::ZERO, &events(1, 2)).unwrap();
    log.fail_next(fault);
    let failed = log.append(Revision(2), &events(2, 3)).unwrap_err();
    let (Fault::Stored(kind) | Fault::NotStored(kind)) = fault;
    let as_asked = match kind {
        FaultKind::Unavailable => matches!(failed, AppendError::Unavailable(_)),
        FaultKind::OutcomeUnknown => matches!(failed, AppendError::OutcomeUnknown(_)),
    };
    assert!(as_asked, "{fault:?} answers {failed}");
    if matches!(fault, Fault::Stored(_)) { 5 } else { 2 }
}

fn an_append_that_fails_stores_all_or_nothing_and_its_retry_stores_it_once(
    log: &dyn FaultHooks,
    fault: Fault,
) {
    let there = second_of_three_fails(log, fault);
    log.reopen().unwrap();
    assert_eq!(log.head().unwrap().revision, Revision(there), "{fault:?}");
    assert_eq!(all(log).len() as u64, there, "{fault:?}");
    let head = log.append(Revision(2), &events(2, 3)).unwrap();
    assert_eq!((head.revision, log.head().unwrap()), (Revision(5), head), "{fault:?} and its retry");
    log.append(Revision(5), &events(3, 1)).unwrap();
    let expected = [stored(1, &events(1, 2)), stored(3, &events(2, 3)), stored(6, &events(3, 1))].concat();
    assert_eq!(all(log), expected, "{fault:?}");
}

fn other_events_after_a_failure_conflict_exactly_if_it_was_stored(log: &dyn FaultHooks, fault: Fault) {
    let there = second_of_three_fails(log, fault);
    log.reopen().unwrap();
    match (there, log.append(Revision(2), &events(4, 1))) {
        (2, Ok(head)) => assert_eq!(head.revision, Revision(3)),
        (5, Err(AppendError::Conflict { actual })) => assert_eq!(actual, Revision(5)),
        (_, other) => panic!("{fault:?}: {other:?}"),
    }
}

fn what_was_stored_before_a_failure_can_be_read_throughout(log: &dyn FaultHooks, fault: Fault) {
    second_of_three_fails(log, fault);
    let before = stored(1, &events(1, 2));
    assert_eq!(log.read(Revision::ZERO, 2).unwrap(), before, "{fault:?}");
    assert!(log.root_at(Revision(2)).is_ok(), "{fault:?}");
    log.reopen().unwrap();
    assert_eq!(log.read(Revision::ZERO, 2).unwrap(), before, "{fault:?}");
}

fn a_fault_waits_for_an_append_that_would_store_something(log: &dyn FaultHooks, fault: Fault) {
    log.append(Revision::ZERO, &events(1, 2)).unwrap();
    log.fail_next(fault);
    assert_conflict(log, 5, &events(2, 1), 2);
    assert_eq!(
        log.append(Revision::ZERO, &events(1, 2)).unwrap(),
        log.head().unwrap(),
        "a retry stores nothing"
    );
    assert!(log.append(Revision(2), &events(2, 1)).is_err(), "{fault:?}");
    log.reopen().unwrap();
    assert!(log.append(Revision(2), &events(2, 1)).is_ok(), "{fault:?}");
}

fn failures_in_a_row_store_once(log: &dyn FaultHooks, fault: Fault) {
    let stored_at_once = second_of_three_fails(log, fault) == 5;
    if !stored_at_once {
        for _ in 0..3 {
            log.reopen().unwrap();
            log.fail_next(fault);
            assert!(log.append(Revision(2), &events(2, 3)).is_err(), "{fault:?}");
        }
    }
    log.reopen().unwrap();
    assert_eq!(log.append(Revision(2), &events(2, 3)).unwrap().revision, Revision(5));
    assert_eq!(all(log).len(), 5, "{fault:?}");
}

/// A log with five events, and a connection of somebody who holds the file.
fn file_with_five_events() -> (tempfile::TempDir, PathBuf, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    open(&path).append(Revision::ZERO, &events(1, 5)).unwrap();
    let connection = Connection::open(&path).unwrap();
    (folder, path, connection)
}

#[test]
fn sql_can_neither_change_nor_delete_nor_replace_an_event() {
    let (_folder, path, connection) = file_with_five_events();
    let columns = "events (revision, id, header, hashes)";
    let known = events(1, 1)[0].id;
    for statement in [
        "UPDATE events SET header = '{}'".to_owned(),
        "UPDATE OR REPLACE events SET revision = 2 WHERE revision = 1".to_owned(),
        "UPDATE OR IGNORE events SET payload = NULL".to_owned(),
        "DELETE FROM events".to_owned(),
        "DELETE FROM events WHERE revision = 5".to_owned(),
        format!("REPLACE INTO {columns} VALUES (5, 'new', '{{}}', x'00')"),
        format!("INSERT OR REPLACE INTO {columns} VALUES (6, '{known}', '{{}}', x'00')"),
        format!("INSERT OR IGNORE INTO {columns} VALUES (3, 'new', '{{}}', x'00')"),
        format!(
            "INSERT INTO {columns} VALUES (6, '{known}', '{{}}', x'00')
             ON CONFLICT (id) DO UPDATE SET header = excluded.header"
        ),
        format!("INSERT INTO {columns} VALUES (7, 'new', '{{}}', x'00')"),
        format!("INSERT INTO {columns} VALUES (0, 'new', '{{}}', x'00')"),
        "INSERT INTO events (id, header, hashes) VALUES ('new', '{}', x'00')".to_owned(),
        "UPDATE meta SET stream = 'other'".to_owned(),
        "DELETE FROM meta".to_owned(),
        "REPLACE INTO meta (one, stream) VALUES (1, 'other')".to_owned(),
    ] {
        let refused = connection.execute(&statement, []).expect_err(&statement).to_string();
        assert!(refused.contains("the log is append-only"), "{statement}: {refused}");
    }
    assert_eq!(all(&open(&path)), stored(1, &events(1, 5)));
}

#[test]
fn a_flipped_bit_is_corrupt_and_names_its_revision() {
    let (_folder, path, connection) = file_with_five_events();
    let header: String =
        connection.query_row("SELECT header FROM events WHERE revision = 3", [], |row| row.get(0)).unwrap();
    let mut flipped = header.into_bytes();
    flipped[10] ^= 1;
    connection.execute_batch("DROP TRIGGER events_are_never_changed").unwrap();
    connection.execute("UPDATE events SET header = CAST(?1 AS TEXT) WHERE revision = 3", [flipped]).unwrap();

    let log = open(&path);
    assert_eq!(log.read(Revision::ZERO, 2).unwrap().len(), 2);
    assert_eq!(log.read(Revision(3), 9).unwrap().len(), 2);
    for after in [0, 2] {
        match log.read(Revision(after), 9) {
            Err(ReadError::Corrupt { revision, reason }) => {
                assert_eq!(revision, Revision(3));
                assert_eq!(reason, "the header does not have the hash that was stored with it");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_missing_event_is_corrupt_and_names_its_revision() {
    let (_folder, path, connection) = file_with_five_events();
    connection
        .execute_batch("DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE revision = 3")
        .unwrap();
    match open(&path).read(Revision(1), 9) {
        Err(ReadError::Corrupt { revision, .. }) => assert_eq!(revision, Revision(3)),
        other => panic!("{other:?}"),
    }
}
