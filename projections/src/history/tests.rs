//! The view of the past: events in, answers about any instant out.

use provisioning::event::{Change, ClockAdjusted, Event, Published};
use provisioning::{Opened, Recorded, Subject};
use scim::ResourceType::User;
use serde_json::json;

use super::*;
use crate::digest;
use crate::testing::{self, Draft, Log, Place, STREAM, id, patch, user_created};

fn write(writer: &mut HistoryWriter, events: &[Recorded]) {
    writer.apply(events, [7; 32]).unwrap();
}

fn history(log: &Log) -> (Place, HistoryReader) {
    let place = Place::new();
    let mut writer = HistoryWriter::open(&place.file("history.db"), STREAM).unwrap();
    write(&mut writer, &log.events);
    let reader = HistoryReader::open(&place.file("history.db")).unwrap();
    (place, reader)
}

fn user(number: u128, user_name: &str) -> Draft {
    let emails = json!([{"value": format!("{user_name}@Example.com")}]);
    testing::user_created(number, patch(json!({"userName": user_name, "active": true, "emails": emails})))
}

fn renamed(number: u128, user_name: &str) -> Draft {
    testing::user_updated(number, patch(json!({"userName": user_name})))
}

fn interval(group: u128, member: u128, from: u64, to: Option<u64>) -> MembershipInterval {
    // In these logs each transaction has one event, so the nth revision is recorded at the nth instant.
    MembershipInterval {
        group: id(group),
        member: id(member),
        from_revision: Revision(from),
        from: Log::instant(from),
        to_revision: to.map(Revision),
        to: to.map(Log::instant),
    }
}

#[test]
fn users_are_known_by_every_name_and_address_they_ever_had() {
    let mut log = Log::of([user(1, "Alice"), renamed(1, "Alicia"), user(2, "alice")]);
    log.record([testing::user_updated(1, patch(json!({"emails": [{"value": "new@example.com"}]})))]);
    log.record([testing::user_updated(1, patch(json!({"title": "T", "emails": null})))]);
    log.record([testing::user_deleted(1)]);
    let (_place, reader) = history(&log);
    let known = |name: &str| reader.users_known_as(name).unwrap();
    assert_eq!(known("ALICE"), [id(1), id(2)]);
    assert_eq!(known("alicia"), [id(1)]);
    assert_eq!(known("alice@example.com"), [id(1), id(2)]);
    assert_eq!(known("NEW@example.com"), [id(1)]);
    assert_eq!(known(&id(1).to_string()), [id(1)]);
    assert_eq!(known("nobody"), []);
    assert_eq!(reader.groups_known_as("alice").unwrap(), []);
}

#[test]
fn groups_are_known_by_every_name_they_ever_had() {
    let log = Log::of([
        testing::group_created(10, "Staff"),
        testing::group_updated(10, patch(json!({"displayName": "All"}))),
        testing::group_deleted(10),
        testing::group_created(11, "STAFF"),
    ]);
    let (_place, reader) = history(&log);
    assert_eq!(reader.groups_known_as("staff").unwrap(), [id(10), id(11)]);
    assert_eq!(reader.groups_known_as("all").unwrap(), [id(10)]);
    assert_eq!(reader.groups_known_as(&id(11).to_string()).unwrap(), [id(11)]);
    assert_eq!(reader.users_known_as("staff").unwrap(), []);
}

#[test]
fn a_timeline_names_every_event_about_the_resource_and_none_about_its_members() {
    let mut log = Log::of([user(1, "a"), testing::group_created(10, "G"), testing::members_added(10, &[1])]);
    log.record([testing::user_updated(1, patch(json!({"title": "T"})))]);
    log.record([testing::user_deactivated(1)]);
    log.record([testing::members_removed(10, &[1]), testing::user_deleted(1)]);
    let (_place, reader) = history(&log);
    assert_eq!(reader.revisions_of(id(1)).unwrap(), [1, 4, 5, 7].map(Revision));
    assert_eq!(reader.revisions_of(id(10)).unwrap(), [Revision(2)]);
    assert_eq!(reader.revisions_of(id(9)).unwrap(), []);
}

#[test]
fn names_are_those_of_their_time_and_a_deleted_resource_keeps_its_last() {
    let mut log = Log::of([user(2, "b"), user(1, "Old"), testing::user_deactivated(1), renamed(1, "New")]);
    log.record([testing::user_deleted(1)]);
    let (_place, reader) = history(&log);
    let name = |revision| reader.name_at(id(1), Revision(revision)).unwrap();
    assert_eq!(
        [1, 2, 3, 4, 5, 99].map(name).map(Option::unwrap_or_default),
        ["", "Old", "Old", "New", "New", "New"]
    );
    assert_eq!(name(1), None);
}

#[test]
fn memberships_have_both_ends_and_may_begin_again() {
    let log = Log::of([
        user(1, "a"),
        user(2, "b"),
        testing::group_created(10, "G"),
        testing::group_created(11, "H"),
        testing::members_added(11, &[1]),
        testing::members_added(10, &[2, 1]),
        testing::members_added(10, &[1]),
        testing::members_removed(10, &[1]),
        testing::members_removed(10, &[1]),
        testing::members_added(10, &[1]),
    ]);
    let (_place, reader) = history(&log);
    let expected = [interval(11, 1, 5, None), interval(10, 1, 6, Some(8)), interval(10, 1, 10, None)];
    assert_eq!(reader.memberships_of(id(1)).unwrap(), expected);
    assert_eq!(reader.memberships_of(id(2)).unwrap(), [interval(10, 2, 6, None)]);
    assert_eq!(reader.memberships_of(id(10)).unwrap(), []);
}

#[test]
fn an_event_inside_a_transaction_is_dated_like_its_end() {
    let mut log = Log::of([user(1, "a"), testing::group_created(10, "G")]);
    log.record([testing::members_added(10, &[1]), testing::members_removed(10, &[1]), renamed(1, "b")]);
    let (_place, reader) = history(&log);
    let found = &reader.memberships_of(id(1)).unwrap()[0];
    assert_eq!((found.from, found.to), (Log::instant(3), Some(Log::instant(3))));
}

#[test]
fn access_is_told_for_any_revision() {
    let log = Log::of([
        user(1, "a"),
        user(2, "b"),
        testing::group_created(10, "G"),
        testing::group_created(11, "H"),
        testing::members_added(11, &[1]),
        testing::members_added(10, &[1, 2]),
        renamed(1, "z"),
        testing::group_updated(10, patch(json!({"displayName": "G2"}))),
        testing::user_deactivated(2),
        testing::members_removed(10, &[1]),
        testing::user_reactivated(2),
        testing::members_removed(11, &[1]),
        testing::user_deleted(1),
    ]);
    let (_place, reader) = history(&log);
    let row = |number, name: &str, groups: &[(u128, &str)]| AccessRow {
        id: id(number),
        user_name: Some(name.to_owned()),
        active: true,
        groups: groups.iter().map(|(number, name)| (id(*number), Some((*name).to_owned()))).collect(),
    };
    let check = |revision, group: Option<u128>, expected: &[AccessRow]| {
        assert_eq!(
            reader.access_at(Revision(revision), group.map(id)).unwrap(),
            expected,
            "{revision} {group:?}"
        );
    };
    check(0, None, &[]);
    check(1, None, &[row(1, "a", &[])]);
    check(6, None, &[row(1, "a", &[(10, "G"), (11, "H")]), row(2, "b", &[(10, "G")])]);
    check(8, Some(10), &[row(1, "z", &[(10, "G2"), (11, "H")]), row(2, "b", &[(10, "G2")])]);
    check(8, Some(11), &[row(1, "z", &[(10, "G2"), (11, "H")])]);
    check(8, Some(77), &[]);
    check(9, Some(10), &[row(1, "z", &[(10, "G2"), (11, "H")])]);
    check(10, Some(10), &[]);
    check(11, None, &[row(1, "z", &[(11, "H")]), row(2, "b", &[(10, "G2")])]);
    check(13, None, &[row(2, "b", &[(10, "G2")])]);
}

#[test]
fn hidden_users_have_no_access_and_may_come_back() {
    let mut log = Log::of([user(1, "a"), testing::user_hidden(1), testing::user_reactivated(1)]);
    log.record([renamed(1, "b")]);
    let (_place, reader) = history(&log);
    let names = |revision| {
        let rows = reader.access_at(Revision(revision), None).unwrap();
        rows.into_iter().filter_map(|row| row.user_name).collect::<Vec<_>>()
    };
    assert_eq!([names(1), names(2), names(3), names(4)], [vec!["a"], vec![], vec!["a"], vec!["b"]]);
}

#[test]
fn an_erased_person_keeps_times_states_and_memberships_and_has_no_name() {
    let mut log = Log::of([
        user(1, "a"),
        testing::group_created(10, "G"),
        testing::members_added(10, &[1]),
        renamed(1, "b"),
    ]);
    log.record([testing::members_removed(10, &[1]), testing::user_deleted(1)]);
    let (_place, reader) = history(&log.with_erased(1));
    assert_eq!(reader.users_known_as("a").unwrap(), []);
    assert_eq!(reader.users_known_as("a@example.com").unwrap(), []);
    assert_eq!(reader.users_known_as(&id(1).to_string()).unwrap(), [id(1)]);
    assert_eq!(reader.name_at(id(1), Revision(4)).unwrap(), None);
    assert_eq!(reader.revisions_of(id(1)).unwrap(), [1, 4, 6].map(Revision));
    let groups = vec![(id(10), Some("G".to_owned()))];
    assert_eq!(
        reader.access_at(Revision(4), None).unwrap(),
        [AccessRow { id: id(1), user_name: None, active: true, groups }]
    );
    assert_eq!(reader.access_at(Revision(6), None).unwrap(), []);
    assert_eq!(reader.memberships_of(id(1)).unwrap()[0].to_revision, Some(Revision(5)));
}

#[test]
fn an_instant_means_the_last_transaction_that_had_taken_effect() {
    let mut log = Log::default();
    log.record([user(1, "a"), user(2, "b")]);
    log.record([user(3, "c")]);
    log.record_at(Log::instant(2), [user(4, "d")]);
    let (_place, reader) = history(&log);
    let at = |micros| reader.revision_at(micros).unwrap().0;
    assert_eq!(at(Timestamp(Log::instant(1).0 - 1)), 0);
    assert_eq!(at(Log::instant(1)), 2);
    assert_eq!(at(Timestamp(Log::instant(2).0 - 1)), 2);
    assert_eq!(at(Log::instant(2)), 4);
    assert_eq!(at(Timestamp(i64::MAX)), 4);
}

#[test]
fn after_a_clock_was_set_back_an_instant_means_the_later_state() {
    let mut log = Log::default();
    log.record_at(Log::instant(1), [user(1, "a")]);
    log.record_at(Log::instant(5), [user(2, "b")]);
    log.record_at(Log::instant(9), [user(3, "c")]);
    let adjusted = ClockAdjusted { from: Log::instant(9), to: Log::instant(4) };
    log.record_at(Log::instant(4), [(Subject::Tenant, None, Event::ClockAdjusted(adjusted))]);
    log.record_at(Log::instant(6), [testing::group_created(10, "G"), testing::members_added(10, &[3])]);
    let (_place, reader) = history(&log);
    let at = |transaction| reader.revision_at(Log::instant(transaction)).unwrap().0;
    assert_eq!([at(1), at(3), at(4), at(5), at(6), at(9)], [1, 1, 4, 4, 6, 6]);
    assert_eq!(reader.memberships_of(id(3)).unwrap()[0].from, Log::instant(6), "recorded, not effective");
}

#[test]
fn acceptance_by_the_broker_is_remembered_as_it_was_first_recorded() {
    let published = |list: &[(u64, u64, i64)]| {
        let published =
            list.iter().map(|(revision, sequence, at)| (Revision(*revision), *sequence, Timestamp(*at)));
        (Subject::Tenant, None, Event::DeprovisioningPublished(Published { published: published.collect() }))
    };
    let mut log =
        Log::of([user(1, "a"), user(2, "b"), testing::user_deactivated(1), testing::user_deactivated(2)]);
    let (_place, reader) = history(&log);
    assert_eq!(reader.last_accepted().unwrap(), None);
    log.record([published(&[(3, 11, 1_000), (4, 12, 2_000)])]);
    log.record([published(&[(3, 21, 9_000)])]);
    let (_place, reader) = history(&log);
    let accepted = Accepted { revision: Revision(3), sequence: 11, at: Timestamp(1_000) };
    assert_eq!(reader.accepted(Revision(3)).unwrap(), Some(accepted));
    assert_eq!(reader.accepted(Revision(1)).unwrap(), None);
    assert_eq!(reader.last_accepted().unwrap(), Some(Revision(4)));
}

#[test]
fn only_memberships_lost_earlier_are_lost() {
    let log = Log::of([
        user(1, "a"),
        user(2, "b"),
        user(3, "c"),
        testing::group_created(10, "G"),
        testing::group_created(11, "H"),
        testing::members_added(10, &[1, 2, 3]),
        testing::members_added(11, &[3]),
        testing::members_removed(10, &[1]),
        testing::members_removed(11, &[3]),
        testing::members_added(10, &[1]),
        testing::members_removed(10, &[2]),
    ]);
    let (_place, reader) = history(&log);
    let lost = |revision, numbers: &[u128]| {
        let members: Vec<_> = numbers.iter().map(|number| (id(*number), User)).collect();
        reader.lost_before(id(10), &members, Revision(revision)).unwrap()
    };
    assert_eq!(lost(8, &[1, 2, 3]), []);
    assert_eq!(lost(9, &[1, 2, 3]), [id(1)]);
    assert_eq!(lost(99, &[2, 3, 1, 77]), [id(2), id(1)]);
}

#[test]
fn a_rebuilt_view_equals_the_live_one_however_events_were_batched() {
    let mut log = Log::of([user(1, "a"), user(2, "b"), testing::group_created(10, "G")]);
    log.record([testing::members_added(10, &[1, 2]), renamed(1, "c")]);
    log.record([testing::members_removed(10, &[2]), testing::user_deleted(2)]);
    let adjusted = ClockAdjusted { from: Log::instant(5), to: Log::instant(2) };
    log.record_at(Log::instant(2), [(Subject::Tenant, None, Event::ClockAdjusted(adjusted))]);
    let hidden = Change { reason: Some("left".to_owned()), ..patch(json!({"active": true})) };
    log.record([(Subject::User(id(1)), Some([Some(true), Some(true)]), Event::UserUpdated(hidden))]);
    let (place, _reader) = history(&log);
    let live = digest::tables(&place.file("history.db")).unwrap();

    let mut rebuilt = HistoryWriter::open_for_rebuild(&place.file("new.db"), STREAM).unwrap();
    let ends = log.events.iter().filter(|event| event.header.txn.n == event.header.txn.of);
    let mut begin = 0;
    for end in ends.map(|event| usize::try_from(event.header.revision.0).unwrap()) {
        write(&mut rebuilt, &log.events[begin..end]);
        begin = end;
    }
    rebuilt.finish().unwrap();
    assert_eq!(digest::compare(&live, &digest::tables(&place.file("new.db")).unwrap()), Vec::<String>::new());
    let reader = HistoryReader::open(&place.file("new.db")).unwrap();
    assert_eq!(reader.users_known_as("c").unwrap(), [id(1)]);
    assert_eq!(reader.position().unwrap().revision, log.head());

    let mut events = log.events.clone();
    let abridged: Vec<_> = events.iter_mut().map(abridged).collect();
    assert_eq!(events, log.events, "the events stay as they are");
    let small = place.file("abridged.db");
    let mut rebuilt = HistoryWriter::open_for_rebuild(&small, STREAM).unwrap();
    write(&mut rebuilt, &abridged);
    rebuilt.finish().unwrap();
    assert_eq!(digest::compare(&live, &digest::tables(&small).unwrap()), Vec::<String>::new());
}

#[test]
fn an_abridged_event_has_what_history_looks_at_and_no_more_of_a_document() {
    let log = Log::of([user_created(
        1,
        patch(json!({"userName": "a", "title": "T", "displayName": "A", "emails": [{"value": "a@b"}]})),
    )]);
    let Opened::Event(Event::UserCreated(change)) = abridged(&mut log.events[0].clone()).event else {
        panic!("{log:?}")
    };
    let kept = json!({"userName": "a", "displayName": "A", "emails": [{"value": "a@b"}]});
    assert_eq!(serde_json::Value::Object(change.patch), kept);
}

#[track_caller]
fn check_refused(result: Result<(), ViewError>, reason: &str) {
    match result {
        Err(ViewError::Broken { view: "history", reason: found }) => {
            assert!(found.contains(reason), "{found}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn gaps_halves_and_strangers_are_refused_and_leave_nothing() {
    let mut log = Log::of([user(1, "a"), testing::group_created(10, "G")]);
    log.record([user(2, "b"), testing::members_added(10, &[2])]);
    log.record([user(3, "c"), testing::members_added(10, &[99])]);
    let place = Place::new();
    let path = place.file("history.db");
    let mut writer = HistoryWriter::open(&path, STREAM).unwrap();
    write(&mut writer, &log.events[..1]);
    let before = digest::tables(&path).unwrap();

    check_refused(writer.apply(&log.events[2..4], [0; 32]), "revision 2 is due");
    check_refused(writer.apply(&log.events[1..3], [0; 32]), "cut at revision 3");
    check_refused(
        writer.apply(&[log.events[1].clone(), log.events[3].clone()], [0; 32]),
        "revision 3 is due",
    );
    check_refused(writer.apply(&log.events[1..], [0; 32]), &id(99).to_string());
    assert_eq!(digest::tables(&path).unwrap(), before);
    assert_eq!(writer.position().unwrap().revision, Revision(1));

    write(&mut writer, &log.events[1..4]);
    check_refused(writer.apply(&log.events[5..], [0; 32]), "revision 5 is due");
    writer.apply(&[], [0; 32]).unwrap();
    drop(writer);
    assert_eq!(HistoryWriter::open(&path, STREAM).unwrap().position().unwrap().revision, Revision(4));
}

#[test]
fn the_second_half_of_a_transaction_is_no_beginning() {
    let mut log = Log::default();
    log.record([user(1, "a"), user(2, "b")]);
    let mut half = log.events[1].clone();
    half.header.revision = Revision(1);
    let place = Place::new();
    let mut writer = HistoryWriter::open(&place.file("history.db"), STREAM).unwrap();
    check_refused(writer.apply(&[half], [0; 32]), "cut at revision 1");
}

#[track_caller]
fn check_plan(connection: &rusqlite::Connection, query: &str, expected: &[&str]) {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
    let values = vec![rusqlite::types::Null; statement.parameter_count()];
    let steps = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap();
    let plan: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
    for step in expected {
        assert!(plan.iter().any(|line| line.contains(step)), "{step} is not in {plan:#?}");
    }
    assert!(!plan.iter().any(|line| line.starts_with("SCAN v") || line.starts_with("SCAN m")), "{plan:#?}");
}

#[test]
fn access_finds_versions_and_memberships_by_their_indexes() {
    let (_place, reader) = history(&Log::of([user(1, "a")]));
    let connection = &reader.connection;
    check_plan(connection, &reader::users_then(None), &["SEARCH v USING PRIMARY KEY (rid=? AND revision=?)"]);
    check_plan(
        connection,
        &reader::users_then(Some(id(10))),
        &["SEARCH u USING INTEGER PRIMARY KEY", "SEARCH m USING PRIMARY KEY (group_rid=?)"],
    );
    check_plan(
        connection,
        reader::GROUPS_THEN,
        &["USING COVERING INDEX memberships_member (member_rid=? AND from_revision<?)"],
    );
}

#[test]
fn the_past_is_read_by_stretches_and_by_indexes() {
    let (_place, reader) = history(&Log::of([user(1, "a")]));
    let connection = &reader.connection;
    let stretch = "SEARCH resources USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
    check_plan(connection, then::STRETCH, &[stretch]);
    check_plan(
        connection,
        &then::changed_since(),
        &[
            "SEARCH u USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
            "SEARCH v USING PRIMARY KEY (rid=? AND revision=?)",
            "SEARCH c USING PRIMARY KEY (group_rid=? AND revision<?)",
            "SEARCH t USING INTEGER PRIMARY KEY (rowid>?)",
        ],
    );
    check_plan(
        connection,
        &then::groups_then(),
        &["INDEX memberships_member (member_rid=? AND from_revision<?)"],
    );
    check_plan(
        connection,
        &then::members_then(),
        &["SEARCH m USING PRIMARY KEY (group_rid=? AND member_rid>?)", "SEARCH v USING PRIMARY KEY (rid=?"],
    );
}
