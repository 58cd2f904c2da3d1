//! Who is kept, and who must not be.

use provisioning::recorded::{Actor, Txn, Via};
use provisioning::{EventId, EventType, Header, Opened, Revision, Status, Timestamp, TxnId};
use scim::ResourceType;
use uuid::Uuid;

use super::*;

const DOMAIN: &str = "okta";

fn id(number: u128) -> ResourceId {
    ResourceId(Uuid::from_u128(number))
}

fn user(number: u128, document: &str) -> StoredResource {
    StoredResource {
        created_revision: Revision(1),
        id: id(number),
        resource_type: ResourceType::User,
        document: document.to_owned(),
        external_id: None,
        revision: Revision(1),
        created_at: Timestamp(0),
        modified_at: Timestamp(0),
        status: Status::Active,
    }
}

fn about(subject: Subject) -> Recorded {
    let header = Header {
        v: Header::FORMAT,
        stream: StreamId(Uuid::nil()),
        revision: Revision(1),
        id: EventId(Uuid::nil()),
        event_type: EventType::UserUpdated,
        format: 1,
        subject,
        attributes: Vec::new(),
        active: None,
        received_at: None,
        recorded_at: Timestamp(0),
        actor: Actor::SYSTEM,
        via: Via::System,
        request: None,
        txn: Txn { id: TxnId(Uuid::nil()), n: 1, of: 1 },
        cause: None,
        key: None,
        payload: None,
    };
    Recorded { header, event: Opened::Erased }
}

fn known() -> Known {
    Known::of(&Arc::default(), StreamId(Uuid::nil()))
}

fn keep(known: &Known, number: u128, document: &str) {
    known.keep(user(number, document), Vec::new(), DOMAIN, known.moves());
}

/// Keeps users 1 and 2, lets the view move, and tells which of them are kept still.
#[track_caller]
fn check(events: Option<&[Recorded]>, kept: &[u128]) {
    let known = known();
    keep(&known, 1, "{}");
    keep(&known, 2, "{}");
    known.moved(events);
    let found: Vec<u128> = [1, 2].into_iter().filter(|user| known.get(id(*user), DOMAIN).is_some()).collect();
    assert_eq!(found, kept, "{events:?}");
}

#[test]
fn whoever_an_event_is_about_is_forgotten_and_everybody_where_it_is_about_a_group() {
    check(Some(&[]), &[1, 2]);
    check(Some(&[about(Subject::User(id(2)))]), &[1]);
    check(Some(&[about(Subject::User(id(3))), about(Subject::Tenant)]), &[1, 2]);
    check(Some(&[about(Subject::User(id(3))), about(Subject::Group(id(4)))]), &[]);
    check(None, &[]);
}

#[test]
fn what_was_read_before_a_move_is_answered_once_and_not_kept() {
    let known = known();
    let began = known.moves();
    known.moved(Some(&[about(Subject::User(id(1)))]));
    assert_eq!(known.keep(user(1, "{}"), Vec::new(), DOMAIN, began).stored, user(1, "{}"));
    assert!(known.get(id(1), DOMAIN).is_none());
    keep(&known, 1, "{}");
    assert!(known.get(id(1), DOMAIN).is_some());
}

#[test]
fn a_client_is_not_shown_what_was_read_for_another_domain_or_tenant() {
    let all = Arc::default();
    let (here, there) = (Known::of(&all, StreamId(id(1).0)), Known::of(&all, StreamId(id(2).0)));
    keep(&here, 1, "{}");
    assert!(here.get(id(1), "entra").is_none());
    assert!(there.get(id(1), DOMAIN).is_none());
    there.moved(Some(&[about(Subject::User(id(1)))]));
    assert!(here.get(id(1), DOMAIN).is_some());
}

#[test]
fn no_more_is_kept_than_the_bound_and_whoever_was_asked_for_last_stays() {
    let document = "x".repeat(1_000);
    let all = Arc::new(KnownUsers::within(SHARDS * 5_000));
    let known = Known::of(&all, StreamId(Uuid::nil()));
    // All in one shard.
    let number = |nth: u128| nth << 8;
    for nth in 0..100 {
        keep(&known, number(nth), &document);
        assert!(known.get(id(number(0)), DOMAIN).is_some(), "asked for again and again, {nth}");
    }
    let kept = (0..100).filter(|nth| known.get(id(number(*nth)), DOMAIN).is_some()).count();
    assert!((2..=4).contains(&kept), "{kept}");
    let held: usize = all.shards.iter().map(|shard| shard.lock().unwrap().bytes).sum();
    assert!(held <= 5_000, "{held}");
    keep(&known, number(200), &"x".repeat(USER_BYTES_MAX));
    assert!(known.get(id(number(200)), DOMAIN).is_none());
    for nth in 0..100 {
        known.moved(Some(&[about(Subject::User(id(number(nth))))]));
    }
    assert_eq!(all.shards.iter().map(|shard| shard.lock().unwrap().bytes).sum::<usize>(), 0);
}
