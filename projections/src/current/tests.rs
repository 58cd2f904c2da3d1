//! The view of the present: events in, answers out.

use provisioning::directory::Directory;
use provisioning::event::{Change, Event, SettingsChange, TokenIssued};
use provisioning::tenancy::Role;
use provisioning::{ClientId, Recorded, Revision, StreamId, Subject, TokenId};
use scim::ResourceType::{Group, User};
use scim::dialect::Notes;
use scim::filter::{self, TypedFilter, typed};
use scim::list::{ListQuery, Order};
use scim::schemas::Schemas;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::testing::{self, DOMAIN, Draft, Log, Place, STREAM, id, list_of, patch};
use crate::{Position, digest};

mod lists;

/// Applies events in batches of this many and commits each.
fn write(writer: &mut CurrentWriter, events: &[Recorded], batch: usize) {
    write_with(writer, events, batch, CurrentWriter::apply);
}

fn write_with(
    writer: &mut CurrentWriter,
    events: &[Recorded],
    batch: usize,
    apply: impl Fn(&mut CurrentWriter, &Recorded) -> Result<Option<provisioning::Resource>, ViewError>,
) {
    for events in events.chunks(batch) {
        writer.begin().unwrap();
        for recorded in events {
            apply(writer, recorded).unwrap();
        }
        writer.set_root([u8::try_from(events.last().unwrap().header.revision.0 % 251).unwrap(); 32]).unwrap();
        writer.commit().unwrap();
    }
}

fn views(log: &Log) -> (Place, CurrentWriter, CurrentReader) {
    let place = Place::new();
    let mut writer = CurrentWriter::open(&place.file("current.db"), STREAM).unwrap();
    write(&mut writer, &log.events, 7);
    let reader = CurrentReader::open(&place.file("current.db")).unwrap();
    (place, writer, reader)
}

fn alice() -> Draft {
    let change = patch(json!({
        "userName": "Alice@Example.com", "displayName": "Alice", "active": true,
        "emails": [{"value": "Alice@Example.com", "type": "work"}, {"value": "a@home.example"}],
    }));
    let external_ids = testing::external_ids(&[(DOMAIN, Some("okta-1")), ("entra", Some("entra-1"))]);
    testing::user_created(1, Change { external_ids, ..change })
}

fn user(number: u128, user_name: &str) -> Draft {
    testing::user_created(number, patch(json!({"userName": user_name, "active": true})))
}

/// A tenant in which everything happened that an event can tell about users and groups.
fn eventful() -> Log {
    let mut log = Log::of([
        alice(),
        user(2, "bob"),
        user(3, "carol"),
        user(4, "dave"),
        testing::group_created(10, "Staff"),
    ]);
    log.record([testing::group_created(11, "Staff of Staff"), testing::members_added(11, &[1, 3])]);
    log.record([testing::members_added(10, &[1, 2, 3, 4])]);
    log.record([testing::user_updated(
        2,
        patch(json!({"userName": "robert", "emails": [{"value": "r@x"}]})),
    )]);
    log.record([testing::members_removed(10, &[2]), testing::members_removed(11, &[3])]);
    log.record([testing::user_deactivated(2)]);
    log.record([testing::members_removed(10, &[3]), testing::user_deleted(3)]);
    log.record([testing::members_removed(10, &[4]), testing::user_hidden(4)]);
    let change = patch(json!({"displayName": "All", "x": null}));
    log.record([testing::group_updated(10, change), testing::members_added(10, &[2])]);
    log.record([testing::members_removed(11, &[1]), testing::group_deleted(11)]);
    let none = testing::external_ids(&[("entra", None), (DOMAIN, Some("okta-2"))]);
    log.record([testing::user_updated(1, Change { external_ids: none, ..patch(json!({"emails": null})) })]);
    log
}

fn typed_filter(resource_type: ResourceType, text: &str) -> TypedFilter {
    let schemas = Schemas::standard();
    typed::check(&filter::parse::parse(text).unwrap(), schemas.of(resource_type)).unwrap()
}

fn page_of_users(filter: Option<TypedFilter>, start_index: u64, count: usize) -> ListQuery {
    ListQuery { start_index, count, ..list_of(User, filter) }
}

#[track_caller]
fn listed(reader: &CurrentReader, query: &ListQuery) -> (u64, Vec<ResourceId>) {
    let page = reader.list(query, Some(DOMAIN)).unwrap();
    (page.total, page.resources.into_iter().map(|resource| resource.id).collect())
}

#[test]
fn a_created_user_is_read_as_it_was_recorded() {
    let (_place, _writer, reader) = views(&Log::of([alice()]));
    let stored = reader.resource(User, id(1), Some("entra")).unwrap().unwrap();
    assert_eq!(stored, StoredResource {
        created_revision: Revision(1),
        id: id(1),
        resource_type: User,
        document: "{\"active\":true,\"displayName\":\"Alice\",\"emails\":[{\"type\":\"work\",\"value\":\"Alice@Example.com\"},\
                   {\"value\":\"a@home.example\"}],\"userName\":\"Alice@Example.com\"}".to_owned(),
        external_id: Some("entra-1".to_owned()),
        revision: Revision(1),
        created_at: Log::instant(1),
        modified_at: Log::instant(1),
        status: Status::Active,
    });
    assert_eq!(reader.resource(User, id(1), None).unwrap().unwrap().external_id, None);
    assert_eq!(reader.resource(User, id(1), Some("other")).unwrap().unwrap().external_id, None);
    assert_eq!(reader.resource(Group, id(1), None).unwrap(), None);
    assert_eq!(reader.resource(User, id(2), None).unwrap(), None);
}

#[test]
fn the_state_that_apply_returns_is_the_state_that_is_stored() {
    let place = Place::new();
    let mut writer = CurrentWriter::open(&place.file("current.db"), STREAM).unwrap();
    for recorded in &eventful().events {
        writer.begin().unwrap();
        let returned = writer.apply(recorded).unwrap();
        let (Subject::User(id) | Subject::Group(id)) = recorded.header.subject else {
            panic!("not in this log")
        };
        assert_eq!(writer.resource(id).unwrap(), returned);
        writer.commit().unwrap();
        assert_eq!(writer.resource(id).unwrap(), returned);
    }
}

#[test]
fn a_resource_is_found_by_what_it_is_called_now() {
    let (_place, writer, _reader) = views(&eventful());
    assert_eq!(writer.users_named("robert").unwrap(), [id(2)]);
    assert_eq!(writer.users_named("bob").unwrap(), []);
    assert_eq!(writer.users_named("alice@example.com").unwrap(), [id(1)]);
    assert_eq!(writer.users_named("dave").unwrap(), [id(4)], "hidden, and decide wants to know");
    assert_eq!(writer.holders_of_external_id(User, DOMAIN, "okta-2").unwrap(), [id(1)]);
    assert_eq!(writer.holders_of_external_id(User, DOMAIN, "okta-1").unwrap(), []);
    assert_eq!(writer.holders_of_external_id(User, "entra", "entra-1").unwrap(), []);
    assert_eq!(writer.holders_of_external_id(Group, DOMAIN, "okta-2").unwrap(), []);
}

#[test]
fn hidden_and_deleted_resources_are_not_visible_but_named() {
    let (_place, writer, reader) = views(&eventful());
    assert_eq!(reader.resource(User, id(4), None).unwrap(), None);
    assert_eq!(writer.visible_type(id(4)).unwrap(), None);
    assert!(writer.resource(id(4)).unwrap().is_some_and(|hidden| hidden.hidden && !hidden.active));
    assert_eq!(writer.resource(id(3)).unwrap(), None);
    assert_eq!(writer.visible_type(id(1)).unwrap(), Some(User));
    assert_eq!(writer.visible_type(id(10)).unwrap(), Some(Group));
    for (number, named) in [(1, true), (3, true), (4, true), (11, true), (12, false)] {
        assert_eq!(writer.was_named(id(number)).unwrap(), named, "{number}");
    }
    assert_eq!(listed(&reader, &page_of_users(None, 1, 9)), (2, vec![id(1), id(2)]));
}

#[test]
fn members_come_in_order_of_their_creation_page_by_page() {
    let log = Log::of([
        user(5, "e"),
        user(4, "d"),
        user(3, "c"),
        testing::group_created(10, "G"),
        testing::members_added(10, &[3, 4, 5]),
    ]);
    let (_place, writer, reader) = views(&log);
    let all = [id(5), id(4), id(3)];
    let read = |after, limit| {
        reader.members(id(10), after, limit).unwrap().into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(read(None, 9), all);
    assert_eq!(read(None, 2), all[..2]);
    assert_eq!(read(Some(id(4)), 2), all[2..]);
    assert_eq!(read(Some(id(99)), 2), []);
    let members = writer.members(id(10), Some(id(5)), 1).unwrap();
    assert_eq!(members, [(id(4), User)]);
    assert!(writer.is_member(id(10), id(3)).unwrap());
    assert!(!writer.is_member(id(10), id(10)).unwrap());
}

#[test]
fn a_page_of_members_goes_on_after_one_who_was_deleted_meanwhile() {
    let mut log = Log::of([
        user(5, "e"),
        user(4, "d"),
        user(3, "c"),
        testing::group_created(10, "G"),
        testing::members_added(10, &[3, 4, 5]),
    ]);
    log.record([testing::members_removed(10, &[4]), testing::user_deleted(4)]);
    let (_place, _writer, reader) = views(&log);
    let rest = reader.members(id(10), Some(id(4)), 9).unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!((rest[0].id, rest[0].display.as_str()), (id(3), "c"));
}

#[test]
fn members_who_have_not_signed_in_are_left_out() {
    let invited =
        Change { invited: true, ..patch(json!({"userName": "i", "displayName": "Ida", "active": true})) };
    let mut log = Log::of([
        testing::user_created(1, invited),
        testing::group_created(10, "G"),
        testing::members_added(10, &[1]),
    ]);
    let (_place, mut writer, reader) = views(&log);
    assert_eq!(reader.members(id(10), None, 9).unwrap(), []);
    assert_eq!(reader.groups_of(id(1)).unwrap().len(), 1);
    let note = provisioning::event::Note::default();
    log.record([(Subject::User(id(1)), Some([Some(true), Some(true)]), Event::UserActivated(note))]);
    write(&mut writer, &log.events[3..], 1);
    let row = MemberRow { id: id(1), resource_type: User, display: "Ida".to_owned() };
    assert_eq!(reader.members(id(10), None, 9).unwrap(), [row]);
}

#[test]
fn groups_are_named_as_they_are_called_now() {
    let (_place, writer, reader) = views(&eventful());
    let all = [GroupRef { id: id(10), display: "All".to_owned() }];
    assert_eq!(reader.groups_of(id(1)).unwrap(), all);
    assert_eq!(writer.groups_of(id(2)).unwrap(), all);
    assert_eq!(Directory::groups_of(&writer, id(2)).unwrap(), [id(10)]);
    assert_eq!(reader.groups_of(id(4)).unwrap(), []);
    assert_eq!(reader.groups_of(id(99)).unwrap(), []);
}

#[test]
fn adding_a_member_twice_or_removing_a_stranger_changes_nothing() {
    let log = Log::of([
        user(1, "a"),
        user(2, "b"),
        testing::group_created(10, "G"),
        testing::members_added(10, &[1]),
        testing::members_added(10, &[1]),
        testing::members_removed(10, &[2]),
    ]);
    let (_place, _writer, reader) = views(&log);
    assert_eq!(reader.members(id(10), None, 9).unwrap().len(), 1);
    assert_eq!(reader.resource(Group, id(10), None).unwrap().unwrap().revision, Revision(6));
}

#[test]
fn an_erased_person_has_an_id_and_nothing_else() {
    let mut log = eventful();
    log.record([testing::members_added(10, &[3])]);
    let log =
        Log::of([alice(), testing::group_created(10, "G"), testing::members_added(10, &[1])]).with_erased(1);
    let (_place, writer, reader) = views(&log);
    let stored = reader.resource(User, id(1), Some(DOMAIN)).unwrap().unwrap();
    assert_eq!((stored.document.as_str(), stored.external_id), ("{}", None));
    assert!(writer.resource(id(1)).unwrap().unwrap().erased);
    assert_eq!(writer.users_named("alice@example.com").unwrap(), []);
    let row = MemberRow { id: id(1), resource_type: User, display: String::new() };
    assert_eq!(reader.members(id(10), None, 9).unwrap(), [row]);
    let filter = typed_filter(User, "not (userName eq \"alice@example.com\") and active eq true");
    assert_eq!(listed(&reader, &page_of_users(Some(filter), 1, 9)), (1, vec![id(1)]));
}

#[test]
fn a_rollback_leaves_nothing_behind() {
    let log = eventful();
    let (place, mut writer, _reader) = views(&log);
    let before = digest::tables(&place.file("current.db")).unwrap();
    let position = writer.position().unwrap();
    let tenancy = writer.tenancy().clone();

    let mut longer = log.clone();
    longer.record([
        user(20, "eve"),
        testing::members_added(10, &[20]),
        testing::user_deleted(1),
        setting("b"),
    ]);
    writer.begin().unwrap();
    for recorded in &longer.events[log.events.len()..] {
        writer.apply(recorded).unwrap();
    }
    assert_eq!(writer.position().unwrap().revision, longer.head());
    assert_ne!(writer.tenancy(), &tenancy);
    writer.roll_back();

    assert_eq!(writer.position().unwrap(), position);
    assert_eq!(writer.tenancy(), &tenancy);
    assert_eq!(writer.resource(id(20)).unwrap(), None);
    assert_eq!(digest::tables(&place.file("current.db")).unwrap(), before);

    write(&mut writer, &longer.events[log.events.len()..], 9);
    assert_eq!(writer.users_named("eve").unwrap(), [id(20)]);
    writer.roll_back();
    assert_eq!(writer.position().unwrap().revision, longer.head(), "outside a transaction it does nothing");
}

#[test]
fn a_trial_inside_a_transaction_leaves_nothing_behind_and_the_transaction_goes_on() {
    let log = eventful();
    let (mut tried, mut kept) = (log.clone(), log.clone());
    tried.record([user(70, "tried"), setting("tried")]);
    kept.record([user(71, "kept")]);
    let (place, mut writer, _reader) = views(&log);
    let (position, tenancy) = (writer.position().unwrap(), writer.tenancy().clone());
    writer.begin().unwrap();
    for _ in 0..2 {
        let savepoint = writer.savepoint().unwrap();
        for recorded in &tried.events[log.events.len()..] {
            writer.apply(recorded).unwrap();
        }
        assert_eq!(writer.users_named("tried").unwrap(), [id(70)]);
        writer.return_to(savepoint).unwrap();
        assert_eq!((writer.position().unwrap(), writer.tenancy()), (position, &tenancy));
        assert_eq!(writer.users_named("tried").unwrap(), []);
    }
    writer.apply(kept.events.last().unwrap()).unwrap();
    writer.set_root([u8::try_from(kept.head().0).unwrap(); 32]).unwrap();
    writer.commit().unwrap();
    let (untried, ..) = views(&kept);
    let tables = |place: &Place| digest::tables(&place.file("current.db")).unwrap();
    assert_eq!(tables(&place), tables(&untried));
}

fn setting(name: &str) -> Draft {
    let settings = testing::object(json!({"tenant": name, "base_path": "/acme/scim/v2"}));
    (Subject::Tenant, None, Event::TenantUpdated(SettingsChange { settings, profile: None }))
}

fn tenant_log() -> Log {
    let (client, token) = (ClientId(Uuid::from_u128(1)), TokenId(Uuid::from_u128(2)));
    let settings =
        testing::object(json!({"name": "default", "kind": "okta", "domain": DOMAIN, "enabled": true}));
    let issued = TokenIssued {
        client: Some(client),
        label: "mst_abc".to_owned(),
        role: Role::Client,
        expires_at: None,
        sha256: "00".to_owned(),
    };
    let (Subject::Tenant, none, Event::TenantUpdated(created)) = setting("acme") else { unreachable!() };
    let mut log = Log::of([(Subject::Tenant, none, Event::TenantCreated(created))]);
    log.record([
        (Subject::Client(client), None, Event::ClientCreated(SettingsChange { settings, profile: None })),
        (Subject::Token(token), None, Event::TokenIssued(issued)),
    ]);
    log.record([(Subject::Token(token), None, Event::TokenRevoked)]);
    log
}

#[test]
fn the_tenancy_is_the_same_for_the_writer_the_reader_and_after_reopening() {
    let log = tenant_log();
    let (place, writer, reader) = views(&log);
    let tenancy = writer.tenancy().clone();
    assert_eq!(tenancy.settings.tenant, "acme");
    assert_eq!((tenancy.clients.len(), tenancy.tokens.len()), (1, 1));
    assert!(tenancy.tokens.values().all(|token| token.revoked_at.is_some()));
    assert_eq!(reader.tenancy().unwrap(), tenancy);
    drop(writer);
    let writer = CurrentWriter::open(&place.file("current.db"), STREAM).unwrap();
    assert_eq!(writer.tenancy(), &tenancy);
}

#[test]
fn position_key_and_time_are_remembered() {
    let log = eventful();
    let (place, writer, reader) = views(&log);
    let position = Position { revision: log.head(), root: [u8::try_from(log.head().0).unwrap(); 32] };
    let greatest_key = log.events.iter().filter_map(|event| event.header.key).max().unwrap();
    let last = log.events.last().unwrap().header.recorded_at;
    assert_eq!(reader.position().unwrap(), position);
    drop(writer);
    let writer = CurrentWriter::open(&place.file("current.db"), STREAM).unwrap();
    assert_eq!(writer.position().unwrap(), position);
    assert_eq!(writer.greatest_key().unwrap(), greatest_key);
    assert_eq!(writer.last_recorded_at().unwrap(), Some(last));
}

#[test]
fn an_empty_view_is_at_revision_zero() {
    let (_place, writer, reader) = views(&Log::default());
    let position = Position { revision: Revision::ZERO, root: [0; 32] };
    assert_eq!((writer.position().unwrap(), reader.position().unwrap()), (position, position));
    assert_eq!((writer.greatest_key().unwrap(), writer.last_recorded_at().unwrap()), (0, None));
}

#[test]
fn a_rebuilt_view_equals_the_live_one_however_events_were_batched() {
    let mut log = eventful();
    for (subject, active, event) in tenant_log().events.into_iter().map(|recorded| {
        let provisioning::Opened::Event(event) = recorded.event else { unreachable!() };
        (recorded.header.subject, recorded.header.active, event)
    }) {
        log.record([(subject, active, event)]);
    }
    let (place, _writer, _reader) = views(&log);
    let live = digest::tables(&place.file("current.db")).unwrap();
    for (name, batch, takes) in [("one", 1, true), ("few", 3, false), ("all", log.events.len(), true)] {
        let mut rebuilt = CurrentWriter::open_for_rebuild(&place.file(name), STREAM).unwrap();
        write_with(&mut rebuilt, &log.events, batch, |writer, recorded| {
            if takes { writer.apply_taking(&mut recorded.clone()) } else { writer.apply(recorded) }
        });
        rebuilt.finish().unwrap();
        assert_eq!(digest::compare(&live, &digest::tables(&place.file(name)).unwrap()), Vec::<String>::new());
        assert!(
            !place.file(&format!("{name}-wal")).exists(),
            "neither the rebuild nor the digest leaves one"
        );
        let reader = CurrentReader::open(&place.file(name)).unwrap();
        assert_eq!(reader.groups_of(id(1)).unwrap().len(), 1);
        let mut writer = CurrentWriter::open(&place.file(name), STREAM).unwrap();
        let mut longer = log.clone();
        longer.record([user(30, "frank")]);
        write(&mut writer, &longer.events[log.events.len()..], 1);
        assert!(reader.resource(User, id(30), None).unwrap().is_some());
    }
}

#[track_caller]
fn check_broken(result: Result<Option<provisioning::Resource>, ViewError>, reason: &str) {
    match result {
        Err(ViewError::Broken { view: "current", reason: found }) => {
            assert!(found.contains(reason), "{found}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gap_a_repetition_and_a_foreign_stream_are_refused() {
    let log = eventful();
    let (_place, mut writer, _reader) = views(&log.first(3));
    writer.begin().unwrap();
    check_broken(writer.apply(&log.events[4]), "revision 4 is due");
    check_broken(writer.apply(&log.events[2]), "revision 4 is due");
    let mut foreign = log.events[3].clone();
    foreign.header.stream = StreamId(Uuid::from_u128(9));
    check_broken(writer.apply(&foreign), &StreamId(Uuid::from_u128(9)).to_string());
    writer.roll_back();
}

#[test]
fn a_member_that_the_log_never_named_breaks_the_view() {
    let log = Log::of([testing::group_created(10, "G"), testing::members_added(10, &[77])]);
    let place = Place::new();
    let mut writer = CurrentWriter::open(&place.file("current.db"), STREAM).unwrap();
    writer.begin().unwrap();
    writer.apply(&log.events[0]).unwrap();
    check_broken(writer.apply(&log.events[1]), &id(77).to_string());
}

#[test]
fn writers_and_readers_may_be_handed_to_another_thread() {
    fn check<T: Send>() {}
    check::<CurrentWriter>();
    check::<CurrentReader>();
    check::<crate::history::HistoryWriter>();
    check::<crate::history::HistoryReader>();
}
