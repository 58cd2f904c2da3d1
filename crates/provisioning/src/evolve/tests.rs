//! What each event means, and that no sequence of events is too strange.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::{Event, Members, Note};
use crate::testing::{canonical_document, header, object, resource_id};
use crate::timestamp::Timestamp;

const USER: Subject = Subject::User(ResourceId(uuid::Uuid::from_u128(1)));
const GROUP: Subject = Subject::Group(ResourceId(uuid::Uuid::from_u128(2)));

fn change(patch: Value) -> Change {
    Change { patch: object(patch), ..Change::default() }
}

fn recorded(subject: Subject, revision: u64, active: Option<[Option<bool>; 2]>, event: Event) -> Recorded {
    let header = Header { active, key: Some(7), ..header(event.event_type(), subject, revision) };
    Recorded { header, event: Opened::Event(event) }
}

fn created() -> Recorded {
    let mut change = change(json!({"userName": "a", "active": true, "name": {"givenName": "A"}}));
    change.external_ids =
        [("d1".to_owned(), Some("x".to_owned())), ("d2".to_owned(), Some("y".to_owned()))].into();
    change.invited = true;
    recorded(USER, 3, Some([None, Some(true)]), Event::UserCreated(change))
}

fn user(events: impl IntoIterator<Item = Recorded>) -> Resource {
    std::iter::once(created()).chain(events).fold(None, |state, event| evolve(state, &event)).unwrap()
}

#[test]
fn a_creation_makes_the_resource() {
    let user = user([]);
    assert_eq!(user.resource_type, ResourceType::User);
    assert_eq!(
        Value::Object(user.attributes),
        json!({"userName": "a", "active": true, "name": {"givenName": "A"}})
    );
    assert_eq!(user.external_ids["d1"], "x");
    assert_eq!((user.active, user.invited, user.hidden, user.erased), (true, true, false, false));
    assert_eq!((user.created_revision.0, user.revision.0, user.key), (3, 3, Some(7)));
    assert_eq!(
        (user.created_at, user.modified_at),
        (Timestamp(1_750_000_003_000_000), Timestamp(1_750_000_003_000_000))
    );
}

#[test]
fn an_update_applies_its_patch_and_moves_the_revision() {
    let mut update = change(json!({"name": null, "title": "T"}));
    update.external_ids = [("d1".to_owned(), None)].into();
    let user = user([recorded(USER, 9, Some([Some(true); 2]), Event::UserUpdated(update))]);
    assert_eq!(Value::Object(user.attributes), json!({"userName": "a", "active": true, "title": "T"}));
    assert_eq!(user.external_ids.keys().collect::<Vec<_>>(), ["d2"]);
    assert_eq!((user.created_revision.0, user.revision.0), (3, 9));
    assert_eq!((user.created_at.0, user.modified_at.0), (1_750_000_003_000_000, 1_750_000_009_000_000));
}

#[test]
fn active_follows_the_header() {
    let off = recorded(
        USER,
        4,
        Some([Some(true), Some(false)]),
        Event::UserDeactivated(change(json!({"active": false}))),
    );
    let on = recorded(
        USER,
        5,
        Some([Some(false), Some(true)]),
        Event::UserReactivated(change(json!({"active": true}))),
    );
    let inactive = user([off.clone()]);
    assert_eq!((inactive.active, &inactive.attributes["active"]), (false, &json!(false)));
    let active = user([off, on]);
    assert_eq!((active.active, &active.attributes["active"]), (true, &json!(true)));
}

#[test]
fn a_hidden_user_is_inactive_until_a_reactivation() {
    let hide = recorded(USER, 4, Some([Some(true), Some(false)]), Event::UserHidden(Note::default()));
    let back = recorded(
        USER,
        5,
        Some([Some(false), Some(true)]),
        Event::UserReactivated(change(json!({"active": true}))),
    );
    let hidden = user([hide.clone()]);
    assert_eq!((hidden.hidden, hidden.active, &hidden.attributes["active"]), (true, false, &json!(false)));
    let back = user([hide, back]);
    assert_eq!((back.hidden, back.active, &back.attributes["active"]), (false, true, &json!(true)));
}

#[test]
fn a_first_sign_in_ends_the_invitation() {
    let sign_in = recorded(USER, 4, Some([Some(true); 2]), Event::UserActivated(Note::default()));
    assert!(!user([sign_in]).invited);
}

#[test]
fn a_deletion_leaves_nothing() {
    let delete = recorded(USER, 4, Some([Some(true), None]), Event::UserDeleted(Note::default()));
    assert_eq!(evolve(Some(user([])), &delete), None);
}

#[test]
fn members_move_only_the_revision_of_their_group() {
    let document = json!({"displayName": "G"});
    let before = evolve(None, &recorded(GROUP, 1, None, Event::GroupCreated(change(document)))).unwrap();
    let members = Members { members: vec![(resource_id(1), ResourceType::User)] };
    let after =
        evolve(Some(before.clone()), &recorded(GROUP, 2, None, Event::GroupMembersAdded(members))).unwrap();
    assert_eq!((after.revision.0, after.modified_at.0), (2, 1_750_000_002_000_000));
    assert_eq!(Resource { revision: before.revision, modified_at: before.modified_at, ..after }, before);
}

#[test]
fn of_an_erased_user_only_public_facts_are_left() {
    let erased = |recorded: Recorded| Recorded { event: Opened::Erased, ..recorded };
    let off = recorded(USER, 4, Some([Some(true), Some(false)]), Event::UserDeactivated(Change::default()));
    let state = [created(), off].map(erased).iter().fold(None, evolve).unwrap();
    assert_eq!(state.id, resource_id_of(USER));
    assert_eq!((state.erased, state.active, state.revision.0), (true, false, 4));
    assert!(state.attributes.is_empty() && state.external_ids.is_empty());
}

#[test]
fn an_erasure_in_the_middle_leaves_nothing_of_what_came_before() {
    let mut update = recorded(USER, 4, Some([Some(true); 2]), Event::UserUpdated(Change::default()));
    update.event = Opened::Erased;
    let title = recorded(USER, 5, Some([Some(true); 2]), Event::UserUpdated(change(json!({"title": "T"}))));
    let state = user([update, title]);
    assert!(state.erased && state.attributes.is_empty() && state.external_ids.is_empty());
}

fn resource_id_of(subject: Subject) -> ResourceId {
    identity(subject).unwrap().0
}

proptest! {
    #[test]
    fn any_sequence_of_events_folds(
        events in prop::collection::vec(any_recorded(), 0..12),
    ) {
        let mut state = None;
        for event in &events {
            let mut taken_from = event.clone();
            let taken = evolve_taking(state.clone(), &mut taken_from);
            state = evolve(state, event);
            prop_assert_eq!(&taken, &state);
            prop_assert_eq!(&taken_from.header, &event.header);
            if let Some(resource) = &state {
                let user = resource.resource_type == ResourceType::User;
                let mirrored = resource.attributes.get("active") == Some(&Value::Bool(resource.active));
                prop_assert!(!user || resource.erased || mirrored);
                prop_assert!(!resource.erased || resource.attributes.is_empty());
            }
        }
    }
}

/// Any type with any payload on any subject, whether that makes sense or not.
fn any_recorded() -> impl Strategy<Value = Recorded> {
    let side = prop::option::of(any::<bool>());
    let active = prop::option::of((side.clone(), side).prop_map(|(before, after)| [before, after]));
    let subject = prop_oneof![3 => Just(USER), 1 => Just(GROUP), 1 => Just(Subject::Tenant)];
    (prop::sample::select(EventType::ALL), any_event(), any::<u8>(), subject, active).prop_map(
        |(event_type, event, kind, subject, active)| {
            let event_type = if kind < 200 { event.event_type() } else { event_type };
            let event = if kind % 8 == 0 { Opened::Erased } else { Opened::Event(event) };
            Recorded { header: Header { active, ..header(event_type, subject, u64::from(kind) + 1) }, event }
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let change =
        (canonical_document(), any::<bool>(), prop::option::of("[xy]")).prop_map(|(patch, invited, id)| {
            Change { patch, invited, external_ids: [("d".to_owned(), id)].into(), ..Change::default() }
        });
    (0..9, change).prop_map(|(kind, change)| match kind {
        0 => Event::UserCreated(change),
        1 => Event::UserUpdated(change),
        2 => Event::UserDeactivated(change),
        3 => Event::UserReactivated(change),
        4 => Event::GroupUpdated(change),
        5 => Event::UserHidden(Note::default()),
        6 => Event::UserDeleted(Note::default()),
        7 => Event::GroupMembersRemoved(Members { members: vec![] }),
        _ => Event::TokenRevoked,
    })
}
