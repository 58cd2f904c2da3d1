//! Positions are kept, and a file that is gone knows none.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use provisioning::TokenId;

use super::*;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("operations.db");
    (folder, path)
}

fn position(revision: u64, sequence: u64) -> OutboxPosition {
    OutboxPosition { revision: Revision(revision), sequence, settled_sequence: 0 }
}

#[test]
fn a_new_file_knows_no_position() {
    let (_folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    assert_eq!(operations.outbox("MUSTER_EVENTS").unwrap(), None);
}

#[test]
fn a_tenant_that_begins_has_published_nothing() {
    let (_folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    operations.begin_outbox(&["A", "B"]).unwrap();
    assert_eq!(operations.outbox("A").unwrap(), Some(position(0, 0)));
    assert_eq!(operations.outbox("B").unwrap(), Some(position(0, 0)));
    assert_eq!(operations.outbox("C").unwrap(), None);
}

#[test]
fn beginning_again_moves_no_position_back() {
    let (_folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    operations.keep_outbox("A", position(7, 9), None).unwrap();
    operations.begin_outbox(&["A"]).unwrap();
    assert_eq!(operations.outbox("A").unwrap(), Some(position(7, 9)));
}

#[test]
fn a_position_is_there_after_the_file_was_opened_again() {
    let (_folder, path) = folder();
    let settled = OutboxPosition { revision: Revision(12), sequence: 34, settled_sequence: 30 };
    let operations = Operations::open(&path).unwrap();
    operations.keep_outbox("A", position(1, 1), None).unwrap();
    operations.keep_outbox("A", settled, None).unwrap();
    drop(operations);
    assert_eq!(Operations::open(&path).unwrap().outbox("A").unwrap(), Some(settled));
}

#[test]
fn only_the_owner_can_read_the_file_and_what_sqlite_keeps_beside_it() {
    let (folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    operations.begin_outbox(&["A"]).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.path().display());
    }
}

#[test]
fn a_file_with_an_unknown_layout_is_refused() {
    let (_folder, path) = folder();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let newer = page_checksums::open(&path, flags).unwrap();
    newer.pragma_update(None, "user_version", 9).unwrap();
    drop(newer);
    let error = Operations::open(&path).unwrap_err().to_string();
    assert!(error.contains("layout is 9"), "{error}");
    assert!(!path.with_extension("db.damaged").exists());
}

#[test]
fn a_damaged_file_is_put_aside_and_counts_as_lost() {
    let text = "this is text, and longer than the header of a database file would have to be\n".repeat(9);
    let (folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    operations.keep_outbox("A", position(7, 9), None).unwrap();
    drop(operations);
    let whole = std::fs::read(&path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let damaged = [text.into_bytes(), whole[..whole.len() / 2].to_vec()];
    let cut = (2..whole.len()).step_by(89).map(|left| whole[..left].to_vec());
    for bytes in damaged.into_iter().chain(cut).chain((0..whole.len()).step_by(97).map(flipped)) {
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Operations::open(&path).unwrap().outbox("A").unwrap(), None, "never a wrong position");
        assert_eq!(std::fs::read(folder.path().join("operations.db.damaged")).unwrap(), bytes);
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(Operations::open(&path).unwrap().outbox("A").unwrap(), Some(position(7, 9)));
}

#[test]
fn a_file_that_cannot_be_opened_is_not_touched() {
    let (_folder, path) = folder();
    std::fs::create_dir(&path).unwrap();
    assert!(Operations::open(&path).is_err());
    assert!(path.is_dir());
}

#[test]
fn which_client_came_when_is_there_after_the_file_was_opened_again() {
    let (_folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    let client = ClientId::parse("01a20298-3820-7e01-8000-000000000c01").unwrap();
    let mut presence = Presence::new(Timestamp(5));
    operations.keep_presences(&[(client, presence.clone())]).unwrap();
    presence.longest.extend([(20_000, 40), (20_001, 50)]);
    operations.keep_presences(&[(client, presence.clone())]).unwrap();
    drop(operations);
    assert_eq!(Operations::open(&path).unwrap().presences().unwrap(), [(client, presence)].into());
}

#[test]
fn a_file_of_an_earlier_layout_is_taken_over() {
    for undone in [
        "DROP TABLE tokens; DROP TABLE clients; PRAGMA user_version = 2",
        "DROP TABLE tokens; PRAGMA user_version = 3",
    ] {
        let (_folder, path) = folder();
        let operations = Operations::open(&path).unwrap();
        operations.keep_outbox("A", position(7, 9), None).unwrap();
        operations.lock().execute_batch(undone).unwrap();
        drop(operations);
        let operations = Operations::open(&path).unwrap();
        assert_eq!(operations.outbox("A").unwrap(), Some(position(7, 9)));
        assert_eq!(operations.presences().unwrap(), [].into());
        operations.token_was_used(TOKEN, Timestamp(5));
        operations.keep_tokens().unwrap();
    }
}

const TOKEN: TokenId = TokenId(uuid::Uuid::from_u128(7));

#[test]
fn uses_of_a_token_reach_the_file_when_they_are_kept_and_not_before() {
    let (_folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    assert!(operations.are_tokens_kept());
    for at in [5, 9, 7] {
        operations.token_was_used(TOKEN, Timestamp(at));
    }
    let note = TokenNote { last_used: Some(Timestamp(9)), warned_days: None };
    assert_eq!(operations.token_note(TOKEN), note);
    let in_the_file = || Operations::open(&path).unwrap().token_note(TOKEN);
    assert_eq!((operations.are_tokens_kept(), in_the_file()), (false, TokenNote::default()));
    operations.keep_tokens().unwrap();
    assert_eq!((operations.are_tokens_kept(), in_the_file()), (true, note));
    operations.token_was_used(TOKEN, Timestamp(9));
    assert!(operations.are_tokens_kept(), "nothing is new");
}

#[test]
fn a_warning_is_given_once_and_then_only_one_for_fewer_days() {
    let (_folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    let given = [30, 30, 7, 30, 7].map(|days| operations.takes_token_warning(TOKEN, days));
    assert_eq!(given, [true, false, true, false, false]);
    operations.keep_tokens().unwrap();
    drop(operations);
    let operations = Operations::open(&path).unwrap();
    let given = [7, 1, 1].map(|days| operations.takes_token_warning(TOKEN, days));
    assert_eq!(given, [false, true, false]);
}

#[test]
fn what_cannot_be_kept_now_is_kept_later() {
    let (_folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    operations.token_was_used(TOKEN, Timestamp(5));
    operations.lock().execute_batch("ALTER TABLE tokens RENAME TO elsewhere").unwrap();
    assert!(operations.keep_tokens().is_err());
    operations.lock().execute_batch("ALTER TABLE elsewhere RENAME TO tokens").unwrap();
    operations.keep_tokens().unwrap();
    drop(operations);
    assert_eq!(Operations::open(&path).unwrap().token_note(TOKEN).last_used, Some(Timestamp(5)));
}

#[test]
fn the_event_at_a_position_is_kept_with_it() {
    let (_folder, path) = folder();
    let operations = Operations::open(&path).unwrap();
    let event = EventId::parse("01a20298-3820-7e01-8000-000000000e01").unwrap();
    operations.keep_outbox("A", position(7, 9), Some(event)).unwrap();
    operations.keep_outbox("B", position(7, 9), None).unwrap();
    assert_eq!(operations.outbox_event("A").unwrap(), Some(event));
    assert_eq!(operations.outbox_event("B").unwrap(), None);
    assert_eq!(operations.outbox_event("C").unwrap(), None);
}
