//! Who is kept, and who must not be.

use provisioning::{Revision, Status, Timestamp};
use scim::ResourceType;
use uuid::Uuid;

use super::*;
use crate::directory::testing::recorded;

const DOMAIN: &str = "okta";

fn id(number: u128) -> ResourceId {
    ResourceId(Uuid::from_u128(number))
}

fn user(number: u128, document: &str) -> KnownUser {
    let stored = StoredResource {
        created_revision: Revision(1),
        id: id(number),
        resource_type: ResourceType::User,
        document: document.to_owned(),
        external_id: None,
        revision: Revision(1),
        created_at: Timestamp(0),
        modified_at: Timestamp(0),
        status: Status::Active,
    };
    KnownUser { stored, groups: Vec::new() }
}

fn about(subject: Subject) -> Recorded {
    recorded(1, subject)
}

fn known() -> Known {
    Known::of(&Arc::default())
}

fn keep(known: &Known, number: u128, document: &str) {
    known.keep(&user(number, document), DOMAIN, known.moves());
}

fn held(all: &KnownUsers) -> (usize, usize) {
    let shards = all.shards.iter().map(|shard| shard.lock().unwrap());
    shards.fold((0, 0), |(users, bytes), shard| (users + shard.users.len(), bytes + shard.bytes))
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
fn whoever_is_forgotten_takes_no_room_also_where_a_group_was_touched() {
    let all = Arc::default();
    let known = Known::of(&all);
    keep(&known, 1, "{}");
    keep(&known, 2, "{}");
    known.moved(Some(&[about(Subject::User(id(1))), about(Subject::Group(id(4)))]));
    assert_eq!(held(&all).0, 1);
    known.moved(Some(&[about(Subject::User(id(2)))]));
    assert_eq!(held(&all), (0, 0));
}

/// A document of somebody with that name.
fn called(user_name: &str) -> String {
    serde_json::json!({ "displayName": "Zoë", "userName": user_name }).to_string()
}

/// Which of the users has the name, as far as it is known.
fn found(known: &Known, folded: &str) -> Option<ResourceId> {
    known.named(folded, DOMAIN).map(|user| {
        assert_eq!(known.get(user.stored.id, DOMAIN).as_ref(), Some(&user));
        user.stored.id
    })
}

fn names(all: &KnownUsers) -> usize {
    all.names.len()
}

#[test]
fn a_user_is_found_by_its_name_whatever_its_case_and_by_no_other() {
    let known = known();
    for (number, name) in
        [(1, "Ada@example.com"), (2, "STRASSE"), (3, "Zoë"), (4, "b\"c"), (5, ""), (6, "a\\d")]
    {
        keep(&known, number, &called(name));
    }
    keep(&known, 7, "{}");
    keep(&known, 8, r#"{"displayName":"userName","nested":{"userName":"inner"}}"#);
    keep(&known, 9, r#"{"urn:x:User":{"userName":"inner"},"userName":"outer"}"#);
    for (folded, number) in [("ada@example.com", 1), ("strasse", 2), ("zoë", 3), ("outer", 9)] {
        assert_eq!(found(&known, folded), Some(id(number)), "{folded}");
    }
    // What is escaped in the document is not looked for there, nor is what is no folded name.
    for none in ["Ada@example.com", "ada@example.co", "ada@example.com ", "b\"c", "a\\d", "", "{}", "inner"] {
        assert_eq!(found(&known, none), None, "{none}");
    }
    assert!(known.named("zoë", "entra").is_none());
    assert!(Known::of(&known.all).named("zoë", DOMAIN).is_none());
}

#[test]
fn a_name_leads_to_whoever_has_it_and_to_nobody_who_had_it() {
    let known = known();
    keep(&known, 1, &called("alice"));
    keep(&known, 2, &called("bob"));
    // Read again with another name, which nothing here has told.
    keep(&known, 1, &called("alicia"));
    assert_eq!((found(&known, "alice"), found(&known, "alicia")), (None, Some(id(1))));
    // Somebody takes a name over: whoever had it is forgotten behind whoever has it, and the other way round.
    for order in [[1, 2], [2, 1]] {
        keep(&known, 1, &called("alice"));
        keep(&known, 2, &called("alice"));
        assert_eq!(found(&known, "alice"), Some(id(2)), "{order:?}");
        known.moved(Some(&[about(Subject::User(id(1)))]));
        assert_eq!(found(&known, "alice"), Some(id(2)), "{order:?}");
        known.moved(Some(&order.map(|number| about(Subject::User(id(number))))));
        assert_eq!((found(&known, "alice"), names(&known.all)), (None, 0), "{order:?}");
    }
    keep(&known, 1, &called("alice"));
    known.moved(Some(&[about(Subject::Group(id(3)))]));
    assert_eq!(found(&known, "alice"), None, "its groups may be others");
    keep(&known, 1, &called("alice"));
    known.moved(None);
    assert_eq!(found(&known, "alice"), None);
}

#[test]
fn what_was_read_before_a_move_is_not_kept() {
    let known = known();
    let began = known.moves();
    known.moved(Some(&[about(Subject::User(id(1)))]));
    known.keep(&user(1, "{}"), DOMAIN, began);
    assert!(known.get(id(1), DOMAIN).is_none());
    keep(&known, 1, "{}");
    assert!(known.get(id(1), DOMAIN).is_some());
}

#[test]
fn a_client_is_not_shown_what_was_read_for_another_domain_or_tenant_or_before_a_tenant_was_closed() {
    let all = Arc::default();
    let (here, there) = (Known::of(&all), Known::of(&all));
    keep(&here, 1, "{}");
    assert!(here.get(id(1), "entra").is_none());
    assert!(here.get(id(1), "okta2").is_none());
    assert!(here.get(id(1), "okt").is_none());
    assert!(there.get(id(1), DOMAIN).is_none());
    there.moved(Some(&[about(Subject::User(id(1)))]));
    assert!(here.get(id(1), DOMAIN).is_some());
    drop(here);
    assert!(Known::of(&all).get(id(1), DOMAIN).is_none());
}

#[test]
fn a_user_comes_back_as_it_was_kept() {
    let group = |number: u128, display: &str| GroupRef { id: id(number), display: display.to_owned() };
    let mut full = user(7, &document(7));
    full.stored.external_id = Some("Zoë|7".to_owned());
    full.stored.created_revision = Revision(3);
    full.stored.revision = Revision(u64::MAX);
    full.stored.created_at = Timestamp(-4);
    full.stored.modified_at = Timestamp(5);
    full.stored.status = Status::Invited;
    full.groups = vec![group(1, "Everybody"), group(2, ""), group(3, "Zürich")];
    let mut empty_external_id = user(8, &document(8));
    empty_external_id.stored.external_id = Some(String::new());
    let known = known();
    for user in [full, empty_external_id, user(9, &document(9)), user(10, "{}"), user(11, &value(11, 5_000))]
    {
        known.keep(&user, DOMAIN, known.moves());
        assert_eq!(known.get(user.stored.id, DOMAIN), Some(user));
    }
}

/// Text that nothing makes shorter.
fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed;
    let mut letter = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        char::from(b' ' + u8::try_from(state >> 58).unwrap())
    };
    std::iter::repeat_with(&mut letter).filter(|letter| !"\"\\".contains(*letter)).take(bytes).collect()
}

/// A document of that much noise.
fn value(seed: u64, bytes: usize) -> String {
    format!(r#"{{"userName":"{}"}}"#, noise(seed, bytes))
}

/// A user as identity providers send them, of 860 bytes.
fn document(number: u64) -> String {
    let [given, family, department] = [1, 2, 3].map(|nth| noise(number * 4 + nth, 10).replace(' ', "a"));
    format!(r#"{{"userName":"{given}.{family}@example.com","name":{{"formatted":"{given} {family}","#)
        + &format!(r#""familyName":"{family}","givenName":"{given}"}},"displayName":"{given} {family}","#)
        + &format!(
            r#""title":"{department} Specialist","userType":"Employee","preferredLanguage":"en-GB","locale":"en-GB","#
        )
        + &format!(
            r#""timezone":"Europe/London","active":true,"emails":[{{"value":"{given}.{family}@example.com","#
        )
        + &format!(
            r#""type":"work","primary":true}}],"phoneNumbers":[{{"value":"tel:+44-20-7946-{number:07}","type":"work"}}],"#
        )
        + &format!(
            r#""addresses":[{{"type":"work","streetAddress":"{number} Long Acre","locality":"London","#
        )
        + &format!(r#""region":"Greater London","postalCode":"WC2E {number}","country":"GB"}}],"#)
        + &format!(
            r#""urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{{"employeeNumber":"{number:07}","#
        )
        + &format!(
            r#""costCenter":"{number:04}","organization":"Example Holdings","division":"Europe","department":"{department}"}}}}"#
        )
}

#[test]
fn a_hundred_thousand_ordinary_users_have_room() {
    const PART: usize = 50;
    let all = Arc::default();
    let known = Known::of(&all);
    for number in 0..100_000 / PART as u64 {
        let mut user = user(number.into(), &document(number));
        user.stored.external_id = Some(format!("00u{number:017}"));
        user.groups = vec![GroupRef { id: id(u128::from(number) << 64), display: "Everybody".to_owned() }];
        known.keep(&user, DOMAIN, known.moves());
    }
    let (users, bytes) = held(&all);
    assert_eq!(users, 100_000 / PART);
    assert!(bytes * PART < BYTES_MAX, "{bytes} bytes for {users} users");
}

#[test]
fn no_more_is_kept_than_the_bound_and_whoever_was_asked_for_last_stays() {
    let all = Arc::new(KnownUsers::within(SHARDS * 5_000));
    let known = Known::of(&all);
    // All in one shard.
    let number = |nth: u64| u128::from(nth) << 8;
    for nth in 0..100 {
        keep(&known, number(nth), &value(nth, 1_000));
        assert!(known.get(id(number(0)), DOMAIN).is_some(), "asked for again and again, {nth}");
        let texts: usize = all.shards[0].lock().unwrap().users.iter().map(|(_, user)| user.bytes()).sum();
        let (users, bytes) = held(&all);
        assert!(texts >= users * 1_000 && bytes > texts && bytes <= 5_000, "{users} {texts} {bytes}");
    }
    let kept = (0..100).filter(|nth| known.get(id(number(*nth)), DOMAIN).is_some()).count();
    assert!((2..=4).contains(&kept), "{kept}");
    assert_eq!(names(&all), kept, "whoever goes is not found by name either");
    keep(&known, number(200), &"x".repeat(64 * 1024));
    assert!(known.get(id(number(200)), DOMAIN).is_none(), "it is too large");
    for nth in 0..100 {
        known.moved(Some(&[about(Subject::User(id(number(nth))))]));
    }
    assert_eq!((held(&all), names(&all)), ((0, 0), 0));
}
