//! Files that are no views, or not these.

use uuid::Uuid;

use super::*;
use crate::current::{CurrentReader, CurrentWriter};
use crate::history::{HistoryReader, HistoryWriter};
use crate::testing::{Log, Place, STREAM};

/// A connection that writes pages as Muster does.
fn changing(path: &Path) -> Connection {
    page_checksums::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

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
    changing(&path).pragma_update(None, "user_version", 999).unwrap();
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
    changing(&path).execute("DELETE FROM meta", []).unwrap();
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
    changing(&path).execute(row, []).unwrap();
    let query = crate::testing::list_of(scim::ResourceType::User, None);
    let reader = CurrentReader::open(&path).unwrap();
    let error = reader.list(&query, None).unwrap_err();
    assert!(matches!(error, ViewError::Broken { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("not the id of a resource") && !text.contains("secret"), "{text}");
}

#[test]
fn a_rebuilt_view_takes_the_place_of_the_live_one_and_nothing_of_the_old_one_stays() {
    let place = Place::new();
    let (live, rebuilt) = (place.file("current.db"), place.file("current.db.rebuilt"));
    let log = Log::of((1..=50).map(|number| {
        crate::testing::user_created(
            number,
            crate::testing::patch(serde_json::json!({"userName": number.to_string()})),
        )
    }));
    let fill = |writer: &mut CurrentWriter, count: usize| {
        writer.begin().unwrap();
        log.events[..count].iter().for_each(|recorded| drop(writer.apply(recorded).unwrap()));
        writer.commit().unwrap();
    };
    let mut old = CurrentWriter::open(&live, STREAM).unwrap();
    fill(&mut old, 50);
    // A reader that closes last leaves the WAL where it is.
    let reader = CurrentReader::open(&live).unwrap();
    reader.position().unwrap();
    drop(old);
    drop(reader);
    assert!(place.file("current.db-wal").exists());

    let mut new = CurrentWriter::open_for_rebuild(&rebuilt, STREAM).unwrap();
    fill(&mut new, 20);
    new.finish().unwrap();
    crate::current::replace(&live, &rebuilt).unwrap();

    assert!(!rebuilt.exists() && !place.file("current.db-wal").exists());
    let writer = CurrentWriter::open(&live, STREAM).unwrap();
    assert_eq!(writer.position().unwrap().revision, provisioning::Revision(20));
    let sound: String = changing(&live).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

/// On a full disk, say. Here somebody else still has the file open, so that closing it leaves the log.
#[test]
fn a_rebuilt_view_that_is_not_whole_without_its_write_ahead_log_is_told_before_the_live_one_goes() {
    let place = Place::new();
    let rebuilt = place.file("current.db.rebuilt");
    let mut writer = CurrentWriter::open(&rebuilt, STREAM).unwrap();
    writer.begin().unwrap();
    writer.commit().unwrap();
    let reader = CurrentReader::open(&rebuilt).unwrap();
    reader.position().unwrap();
    drop(writer);
    assert!(matches!(crate::current::settle(&rebuilt), Err(ViewError::File { .. })));
    drop(reader);
    crate::current::settle(&rebuilt).unwrap();
}

#[test]
fn only_a_view_takes_the_place_of_a_view() {
    let place = Place::new();
    let (live, other) = (place.file("current.db"), place.file("history.db"));
    drop(CurrentWriter::open(&live, STREAM).unwrap());
    assert!(crate::current::replace(&live, &place.file("nothing")).is_err());
    std::fs::write(&other, "no database at all, but long enough to be looked at".repeat(100)).unwrap();
    assert!(crate::current::replace(&live, &other).is_err());
    CurrentWriter::open(&live, STREAM).unwrap();
}

#[test]
fn no_statement_is_prepared_again_for_new_values() {
    let place = Place::new();
    let path = place.file("current.db");
    drop(CurrentWriter::open(&path, STREAM).unwrap());
    let reader = CurrentReader::open(&path).unwrap();
    let list = "SELECT r.rid FROM resources AS r WHERE r.type = ? AND r.hidden = 0 AND r.name_folded IS ?
                ORDER BY r.rid LIMIT ? OFFSET ?";
    for count in 1..5 {
        let mut list = reader.connection.prepare_cached(list).unwrap();
        assert!(!list.exists(rusqlite::params!["User", count.to_string(), count, 0]).unwrap());
        assert_eq!(list.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }
}
