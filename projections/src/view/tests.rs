//! Files that are no views, or not these.

use rusqlite::Connection;
use uuid::Uuid;

use super::*;
use crate::current::{CurrentReader, CurrentWriter};
use crate::history::{HistoryReader, HistoryWriter};
use crate::testing::{Place, STREAM};

#[track_caller]
fn check_stale<T>(result: Result<T, ViewError>, expected: &str) {
    match result {
        Err(ViewError::Stale { reason, .. }) => assert!(reason.contains(expected), "{reason}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn a_view_of_another_layout_is_stale() {
    let place = Place::new();
    let path = place.file("view.db");
    drop(CurrentWriter::open(&path, STREAM).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    check_stale(CurrentWriter::open(&path, STREAM), "layout is 999");
    check_stale(CurrentReader::open(&path), "layout is 999");
}

#[test]
fn a_view_of_another_stream_is_stale() {
    let place = Place::new();
    let path = place.file("view.db");
    drop(HistoryWriter::open(&path, STREAM).unwrap());
    check_stale(HistoryWriter::open(&path, StreamId(Uuid::from_u128(1))), "is of stream");
    HistoryReader::open(&path).unwrap();
}

#[test]
fn a_view_that_lost_its_position_is_stale() {
    let place = Place::new();
    let path = place.file("view.db");
    drop(CurrentWriter::open(&path, STREAM).unwrap());
    Connection::open(&path).unwrap().execute("DELETE FROM meta", []).unwrap();
    check_stale(CurrentWriter::open(&path, STREAM), "no position");
}

#[test]
fn a_file_that_is_no_database_is_broken() {
    let place = Place::new();
    let path = place.file("view.db");
    std::fs::write(&path, "no database at all, but long enough to be looked at".repeat(100)).unwrap();
    let error = CurrentWriter::open(&path, STREAM).err();
    assert!(matches!(error, Some(ViewError::Broken { view: "current", .. })), "{error:?}");
}

#[test]
fn a_reader_creates_nothing() {
    let place = Place::new();
    let path = place.file("view.db");
    assert!(matches!(CurrentReader::open(&path), Err(ViewError::Sqlite { .. })));
    assert!(!path.exists());
}

#[test]
fn a_rebuild_does_not_write_into_a_file_that_is_there() {
    let place = Place::new();
    let path = place.file("view.db");
    drop(CurrentWriter::open(&path, STREAM).unwrap());
    check_stale(CurrentWriter::open_for_rebuild(&path, STREAM), "new file");
}

#[test]
fn what_cannot_be_read_is_named_and_not_shown() {
    let place = Place::new();
    let path = place.file("view.db");
    drop(CurrentWriter::open(&path, STREAM).unwrap());
    let row =
        "INSERT INTO resources VALUES (1, 'secret', 'User', NULL, NULL, 1, 1, 1, 1, 0, 0, 0, NULL, '{}')";
    Connection::open(&path).unwrap().execute(row, []).unwrap();
    let query = scim::list::ListQuery {
        filter: None,
        sort: None,
        start_index: 1,
        count: 1,
        returned: scim::returned::Returned::Default,
        notes: Vec::new(),
    };
    let reader = CurrentReader::open(&path).unwrap();
    let error = reader.list(scim::ResourceType::User, &query, None).unwrap_err();
    assert!(matches!(error, ViewError::Broken { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("not the id of a resource") && !text.contains("secret"), "{text}");
}
