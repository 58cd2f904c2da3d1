//! The stored bytes of a header, and how subjects are spelled.

use super::*;
use crate::testing::{header, resource_id, uuid};

fn full() -> Header {
    Header {
        attributes: vec!["emails".to_owned(), "name.familyName".to_owned()],
        active: Some([None, Some(true)]),
        received_at: Timestamp::parse("2026-06-30T23:59:58.999999Z"),
        actor: Actor { kind: ActorKind::Client, id: Some("c".to_owned()), token: Some("t".to_owned()) },
        via: Via::ScimPost,
        request: Some(RequestId(uuid(2))),
        txn: Txn { id: TxnId(uuid(3)), n: 1, of: 2 },
        cause: Some(Cause { stream: StreamId(uuid(4)), id: EventId(uuid(5)) }),
        key: Some(7),
        payload: Some("sha256:00".to_owned()),
        ..header(EventType::UserCreated, Subject::User(resource_id(1)), 9)
    }
}

#[test]
fn fields_are_stored_in_their_fixed_order_without_white_space() {
    let stored = concat!(
        r#"{"v":1,"stream":"01900000-0000-7000-8000-00000000ffff","revision":9,"#,
        r#""id":"01900000-0000-7000-8000-000000010009","type":"user.created","format":1,"#,
        r#""subject":"users/01900000-0000-7000-8000-000000000001","attributes":["emails","name.familyName"],"#,
        r#""active":[null,true],"received_at":"2026-06-30T23:59:58.999999Z","#,
        r#""recorded_at":"2025-06-15T15:06:49.000000Z","actor":{"kind":"client","id":"c","token":"t"},"#,
        r#""via":"scim.post","request":"01900000-0000-7000-8000-000000000002","#,
        r#""txn":{"id":"01900000-0000-7000-8000-000000000003","n":1,"of":2},"#,
        r#""cause":{"stream":"01900000-0000-7000-8000-000000000004","id":"01900000-0000-7000-8000-000000000005"},"#,
        r#""key":7,"payload":"sha256:00"}"#,
    );
    assert_eq!(String::from_utf8(full().to_bytes()).unwrap(), stored);
    assert_eq!(Header::from_bytes(stored.as_bytes()).unwrap(), full());
}

#[test]
fn absent_facts_are_null() {
    let header = header(EventType::TokenRevoked, Subject::Tenant, 1);
    let stored = String::from_utf8(header.to_bytes()).unwrap();
    for field in ["active", "received_at", "request", "cause", "key", "payload"] {
        assert!(stored.contains(&format!("\"{field}\":null")), "{field} in {stored}");
    }
    assert!(
        stored.contains(r#""attributes":[]"#)
            && stored.contains(r#"{"kind":"system","id":null,"token":null}"#)
    );
    assert_eq!(Header::from_bytes(stored.as_bytes()).unwrap(), header);
}

#[test]
fn fields_that_are_not_known_are_passed_over() {
    let stored = String::from_utf8(full().to_bytes()).unwrap();
    let later = stored.replacen("{\"v\":1", "{\"later\":[1,{}],\"v\":1", 1);
    assert_eq!(Header::from_bytes(later.as_bytes()).unwrap(), full());
}

#[test]
fn a_type_of_the_future_is_not_read() {
    let stored = String::from_utf8(full().to_bytes()).unwrap();
    assert!(Header::from_bytes(stored.replacen("user.created", "user.promoted", 1).as_bytes()).is_err());
}

#[test]
fn subjects_are_read_as_they_are_printed() {
    let id = uuid(1);
    for subject in [
        Subject::User(ResourceId(id)),
        Subject::Group(ResourceId(id)),
        Subject::Client(ClientId(id)),
        Subject::Token(TokenId(id)),
        Subject::Tenant,
        Subject::RegisteredTenant(StreamId(id)),
        Subject::Operator(OperatorId(id)),
    ] {
        assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
    }
    for text in ["", "users", "users/", "users/x", "people/01900000-0000-7000-8000-000000000001", "tenant/"] {
        assert_eq!(Subject::parse(text), None, "{text}");
    }
}
