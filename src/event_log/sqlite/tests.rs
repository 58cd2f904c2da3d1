//! What only the SQLite log does: opening, refusing, and failing halfway. Its contract is tested in `tests/it`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use provisioning::{EventId, Revision, StreamId};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::{SqliteLog, WriteSide, lock};
use crate::clock::{IdSource, SeededIds};
use crate::event_log::{AppendError, EventLog, NewEvent, ReadError};

const STREAM: StreamId = StreamId(Uuid::from_u128(1));

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn log(&self) -> SqliteLog {
        SqliteLog::open(&self.file("log.db"), STREAM).unwrap()
    }

    /// Somebody else at the file.
    fn sql(&self, statements: &str) {
        Connection::open(self.file("log.db")).unwrap().execute_batch(statements).unwrap();
    }
}

fn events(seed: u16, count: usize) -> Vec<NewEvent> {
    let ids = SeededIds::new(seed);
    let event = |n| NewEvent {
        id: EventId(ids.next()),
        header: format!(r#"{{"revision":{n}}}"#).into_bytes(),
        payload: (n % 2 == 0).then(|| vec![0; n]),
    };
    (1..=count).map(event).collect()
}

#[track_caller]
fn assert_corrupt<T: std::fmt::Debug>(answer: Result<T, ReadError>, at: u64, text: &str) {
    match answer.unwrap_err() {
        ReadError::Corrupt { revision, reason } => {
            assert_eq!(revision, Revision(at), "{reason}");
            assert!(reason.contains(text), "{reason}");
        }
        error @ ReadError::Unavailable(_) => panic!("{error}"),
    }
}

/// Makes the writer's next append fail in the middle, and the ones after it too.
fn with_writer(log: &SqliteLog, statements: &str) {
    let WriteSide::Open(writer) = &*lock(&log.writer) else { panic!("the log is not open for writing") };
    writer.connection().execute_batch(statements).unwrap();
}

#[test]
fn the_file_is_made_for_its_owner_only_and_as_documented() {
    let folder = Folder::new();
    let log = folder.log();
    log.append(Revision::ZERO, &events(1, 1)).unwrap();
    for name in ["log.db", "log.db-wal"] {
        let mode = fs::metadata(folder.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let file = Connection::open(folder.file("log.db")).unwrap();
    let pragma = |name: &str| file.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("page_size"), pragma("user_version")), (8_192, 1));
    assert_eq!(pragma("application_id"), 0x4d75_4c67);
    let synchronous = || {
        let WriteSide::Open(writer) = &*lock(&log.writer) else { panic!("the log is not open for writing") };
        writer.connection().pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(synchronous(), 2, "FULL");
    let strict: i64 = file
        .query_row("SELECT count(*) FROM pragma_table_list WHERE strict AND schema = 'main'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(strict, 2);
}

#[test]
fn what_was_appended_is_there_after_opening_again() {
    let folder = Folder::new();
    let head = folder.log().append(Revision::ZERO, &events(1, 5)).unwrap();
    let log = folder.log();
    assert_eq!(log.head().unwrap(), head);
    let more = log.append(Revision(5), &events(2, 2)).unwrap();
    assert_eq!(more.root, log.root_at(Revision(7)).unwrap());
    assert_eq!(log.root_at(Revision(5)).unwrap(), head.root);
}

#[test]
fn a_log_of_another_stream_is_refused() {
    let folder = Folder::new();
    drop(folder.log());
    let other = StreamId(Uuid::from_u128(2));
    assert_corrupt(SqliteLog::open(&folder.file("log.db"), other), 1, "belongs to stream");
    assert_corrupt(SqliteLog::open_read_only(&folder.file("log.db"), other), 1, "belongs to stream");
}

#[test]
fn a_file_of_another_kind_or_layout_is_refused_and_left_alone() {
    let folder = Folder::new();
    folder.sql("CREATE TABLE somebodys (own TEXT)");
    let before = fs::read(folder.file("log.db")).unwrap();
    assert_corrupt(SqliteLog::open(&folder.file("log.db"), STREAM), 1, "not an event log");
    assert_eq!(fs::read(folder.file("log.db")).unwrap(), before);

    fs::write(folder.file("text"), "this is no database at all, whatever its name says".repeat(100)).unwrap();
    assert_corrupt(SqliteLog::open(&folder.file("text"), STREAM), 1, "not a database");

    let newer = Folder::new();
    drop(newer.log());
    newer.sql("PRAGMA user_version = 2");
    assert_corrupt(
        SqliteLog::open(&newer.file("log.db"), STREAM),
        1,
        "layout 2; this release knows layout 1",
    );
}

#[test]
fn a_broken_tail_is_found_when_the_log_is_opened() {
    let check = |damage: &str, revision, text| {
        let folder = Folder::new();
        folder.log().append(Revision::ZERO, &events(1, 8)).unwrap();
        folder.sql(&format!(
            "DROP TRIGGER events_are_never_changed; DROP TRIGGER events_are_never_deleted; {damage}"
        ));
        assert_corrupt(SqliteLog::open(&folder.file("log.db"), STREAM), revision, text);
        assert_corrupt(SqliteLog::open_read_only(&folder.file("log.db"), STREAM), revision, text);
    };
    check("UPDATE events SET header = '{}' WHERE revision = 8", 8, "does not have the hash");
    check("UPDATE events SET hashes = x'' WHERE revision = 8", 8, "wrong number of hashes");
    check(
        "UPDATE events SET hashes = CAST(substr(hashes, 1, 32) || zeroblob(96) AS BLOB) WHERE revision = 8",
        8,
        "do not fit those before it",
    );
    check("DELETE FROM events WHERE revision = 4", 4, "missing");
    check("UPDATE events SET hashes = zeroblob(96) WHERE revision = 4", 8, "do not fit those before it");
}

#[test]
fn a_trigger_that_was_dropped_or_changed_is_made_again_when_the_log_is_opened() {
    let folder = Folder::new();
    folder.log().append(Revision::ZERO, &events(1, 2)).unwrap();
    folder.sql(
        "DROP TRIGGER events_are_never_changed; DROP TRIGGER events_are_never_deleted;
         CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events BEGIN SELECT 1; END",
    );
    let _log = folder.log();
    let file = rusqlite::Connection::open(folder.file("log.db")).unwrap();
    for forbidden in ["UPDATE events SET payload = NULL", "DELETE FROM events"] {
        let refused = file.execute_batch(forbidden).unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
}

#[test]
fn a_row_before_the_first_event_is_found_when_the_log_is_opened() {
    let folder = Folder::new();
    folder.log().append(Revision::ZERO, &events(1, 2)).unwrap();
    folder.sql(
        "DROP TRIGGER events_follow_each_other;
         INSERT INTO events SELECT 0, 'another', header, payload, hashes FROM events WHERE revision = 1",
    );
    assert_corrupt(SqliteLog::open(&folder.file("log.db"), STREAM), 1, "before the first event");
}

#[test]
fn nothing_is_written_to_a_file_that_was_removed_or_replaced() {
    for replaced in [false, true] {
        let folder = Folder::new();
        let log = folder.log();
        log.append(Revision::ZERO, &events(1, 2)).unwrap();
        if replaced {
            std::fs::copy(folder.file("log.db"), folder.file("copy")).unwrap();
            std::fs::rename(folder.file("copy"), folder.file("log.db")).unwrap();
        } else {
            std::fs::remove_file(folder.file("log.db")).unwrap();
        }
        let refused = log.append(Revision(2), &events(3, 1));
        assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
        assert_corrupt(log.reopen(), 1, "removed or replaced");
        assert_eq!(folder.file("log.db").exists(), replaced, "no new log is begun");
    }
}

#[test]
fn an_event_that_vanishes_from_the_end_of_an_open_log_is_missed() {
    let folder = Folder::new();
    let log = folder.log();
    log.append(Revision::ZERO, &events(1, 3)).unwrap();
    folder.sql("DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE revision = 3");
    assert_corrupt(log.read(Revision::ZERO, 10), 3, "missing");
    assert_eq!(log.read(Revision::ZERO, 2).unwrap().len(), 2);
}

#[test]
fn a_damaged_file_is_reported_with_the_first_event_that_cannot_be_read() {
    let folder = Folder::new();
    let mut large = events(1, 120);
    for event in &mut large {
        event.payload = Some(vec![7; 2_000]);
    }
    folder.log().append(Revision::ZERO, &large).unwrap();
    let whole = fs::read(folder.file("log.db")).unwrap();
    let mut bytes = whole.clone();
    bytes[whole.len() / 2..].fill(0xff);
    fs::write(folder.file("log.db"), bytes).unwrap();
    for opened in [
        SqliteLog::open(&folder.file("log.db"), STREAM),
        SqliteLog::open_read_only(&folder.file("log.db"), STREAM),
    ] {
        let Err(ReadError::Corrupt { revision, .. }) = opened else { panic!("{opened:?}") };
        assert!((20..=100).contains(&revision.0), "half of the file is there: {revision}");
    }
    fs::write(folder.file("log.db"), whole).unwrap();
    folder.log().check_tree(Revision(120)).unwrap();
}

#[test]
fn every_stored_hash_is_recomputed_when_the_tree_is_checked() {
    // Bytes 33 and on are an inner node; neither opening nor reading needs that of the fourth event.
    for (row, column) in [(2, 40), (4, 40), (4, 80), (6, 33), (3, 1)] {
        let folder = Folder::new();
        let log = folder.log();
        log.append(Revision::ZERO, &events(1, 7)).unwrap();
        log.check_tree(Revision(7)).unwrap();
        folder.sql(&format!(
            "DROP TRIGGER events_are_never_changed;
             UPDATE events SET hashes = CAST(substr(hashes, 1, {column} - 1) || x'00' ||
                 substr(hashes, {column} + 1) AS BLOB) WHERE revision = {row}"
        ));
        assert!(
            matches!(log.check_tree(Revision(7)), Err(ReadError::Corrupt { revision, .. }) if revision.0 == row)
        );
        log.check_tree(Revision(row - 1)).unwrap();
    }
    let folder = Folder::new();
    folder.log().append(Revision::ZERO, &events(1, 3)).unwrap();
    assert_corrupt(folder.log().check_tree(Revision(4)), 4, "missing");
}

#[test]
fn reading_does_not_wait_for_an_append() {
    let folder = Folder::new();
    let log = folder.log();
    let head = log.append(Revision::ZERO, &events(1, 3)).unwrap();
    let _appending = lock(&log.writer);
    assert_eq!(log.read(Revision::ZERO, 10).unwrap().len(), 3);
    assert_eq!(log.head().unwrap(), head);
    assert_eq!(log.root_at(Revision(3)).unwrap(), head.root);
    log.root_at(Revision(2)).unwrap();
}

#[test]
fn a_log_opened_for_reading_follows_the_file_and_takes_nothing() {
    let folder = Folder::new();
    let missing = SqliteLog::open_read_only(&folder.file("log.db"), STREAM);
    assert!(matches!(missing, Err(ReadError::Unavailable(_))));
    assert!(!folder.file("log.db").exists());

    let writing = folder.log();
    let reading = SqliteLog::open_read_only(&folder.file("log.db"), STREAM).unwrap();
    let head = writing.append(Revision::ZERO, &events(1, 3)).unwrap();
    assert_eq!(reading.head().unwrap(), head);
    assert_eq!(reading.read(Revision(1), 10).unwrap().len(), 2);
    assert!(matches!(reading.append(Revision(3), &events(2, 1)), Err(AppendError::Unavailable(_))));

    drop((writing, reading));
    let stopped = SqliteLog::open_read_only(&folder.file("log.db"), STREAM).unwrap();
    assert_eq!(stopped.head().unwrap(), head);
    stopped.reopen().unwrap();
}

#[test]
fn an_append_behind_the_back_of_the_writer_is_a_conflict_and_then_known() {
    let folder = Folder::new();
    let log = folder.log();
    log.append(Revision::ZERO, &events(1, 1)).unwrap();
    let head = folder.log().append(Revision(1), &events(2, 2)).unwrap();
    let conflict = log.append(Revision(1), &events(3, 1));
    assert!(matches!(conflict, Err(AppendError::Conflict { actual: Revision(3) })), "{conflict:?}");
    assert_eq!(log.head().unwrap(), head);
    assert_eq!(log.append(Revision(3), &events(3, 1)).unwrap().revision, Revision(4));
}

#[test]
fn a_full_disk_stores_nothing_and_the_log_goes_on_when_there_is_room() {
    let folder = Folder::new();
    let log = folder.log();
    let head = log.append(Revision::ZERO, &events(1, 1)).unwrap();
    with_writer(&log, "PRAGMA max_page_count = 1");
    let mut large = events(2, 3);
    large[2].payload = Some(vec![7; 1_000_000]);
    let failed = log.append(Revision(1), &large);
    assert!(matches!(failed, Err(AppendError::Unavailable(_))), "{failed:?}");
    assert_eq!(log.head().unwrap(), head);
    with_writer(&log, "PRAGMA max_page_count = 1000000");
    assert_eq!(log.append(Revision(1), &large).unwrap().revision, Revision(4));
}

#[test]
fn a_locked_file_stores_nothing_and_the_log_goes_on_when_it_is_free() {
    let folder = Folder::new();
    let log = folder.log();
    with_writer(&log, "PRAGMA busy_timeout = 1");
    let other = Connection::open(folder.file("log.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failed = log.append(Revision::ZERO, &events(1, 1));
    assert!(matches!(failed, Err(AppendError::Unavailable(_))), "{failed:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(log.append(Revision::ZERO, &events(1, 1)).unwrap().revision, Revision(1));
}

/// A commit that fails after all rows went in: a deferred foreign key is checked by COMMIT alone.
const FAIL_AT_COMMIT: &str = "
    CREATE TABLE targets (id INTEGER PRIMARY KEY);
    CREATE TABLE broken (id INTEGER REFERENCES targets (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER break_it AFTER INSERT ON events BEGIN INSERT INTO broken VALUES (1); END;";

#[test]
fn a_failed_commit_is_unknown_until_the_log_is_reopened() {
    let folder = Folder::new();
    let log = folder.log();
    let head = log.append(Revision::ZERO, &events(1, 2)).unwrap();
    with_writer(&log, FAIL_AT_COMMIT);
    for _ in 0..2 {
        let failed = log.append(Revision(2), &events(2, 1));
        assert!(matches!(failed, Err(AppendError::OutcomeUnknown(_))), "{failed:?}");
        assert!(matches!(log.head(), Err(ReadError::Unavailable(_))));
    }
    assert_eq!(log.read(Revision::ZERO, 10).unwrap().len(), 2);

    folder.sql("DROP TRIGGER break_it");
    log.reopen().unwrap();
    assert_eq!(log.head().unwrap(), head);
    assert_eq!(
        fs::metadata(folder.file("log.db-wal")).unwrap().len(),
        0,
        "frames of the failed commit are gone"
    );
    assert_eq!(log.append(Revision(2), &events(2, 1)).unwrap().revision, Revision(3));
}

#[test]
fn a_log_that_cannot_be_reopened_stays_closed() {
    let folder = Folder::new();
    let log = folder.log();
    log.append(Revision::ZERO, &events(1, 2)).unwrap();
    folder.sql("DROP TRIGGER events_are_never_changed; UPDATE events SET header = '' WHERE revision = 2");
    assert_corrupt(log.reopen(), 2, "does not have the hash");
    assert!(matches!(log.append(Revision(2), &events(2, 1)), Err(AppendError::Unavailable(_))));
    assert!(matches!(log.head(), Err(ReadError::Unavailable(_))));
}
