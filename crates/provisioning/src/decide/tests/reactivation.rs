//! POST for a person who was here before, under the policy `reactivate`.

use super::*;

/// Alice (1) with externalId `a`, who was deactivated or, where the tenant hides, deleted.
fn house_after(leaving: &str) -> House {
    let mut house = House::with(json!({"post_deactivated": "reactivate", "delete": "deactivate"}));
    house.post_user(1, json!({"userName": "alice", "externalId": "a", "title": "T"})).unwrap();
    match leaving {
        "deactivated" => house.patch_user(1, json!([{"op": "replace", "path": "active", "value": false}])),
        _ => house.delete_user(1),
    }
    .unwrap();
    house
}

const BACK: &str = r#"user.reactivated | users/@1 | active | false>true | {"patch":{"active":true}}"#;

#[test]
fn who_was_deactivated_or_hidden_comes_back_under_the_same_id() {
    for leaving in ["deactivated", "hidden"] {
        let mut house = house_after(leaving);
        let decision = house.post_user(2, json!({"userName": "Alice", "externalId": "b"})).unwrap();
        assert_eq!(decision.outcome, Outcome::Created(resource_id(1)));
        then(
            Ok(decision),
            &[
                BACK,
                r#"user.updated | users/@1 | externalId title userName | true>true | {"patch":{"title":null,"userName":"Alice"},"external_ids":{"okta":"b"}}"#,
            ],
        );
        let user = house.resource(1).unwrap();
        assert!(user.active && !user.hidden);
        assert!(house.resource(2).is_none());
    }
}

#[test]
fn the_same_document_records_the_return_alone() {
    let mut house = house_after("hidden");
    then(house.post_user(2, json!({"userName": "alice", "externalId": "a", "title": "T"})), &[BACK]);
}

#[test]
fn a_person_is_known_by_external_id_under_another_name() {
    for leaving in ["deactivated", "hidden"] {
        let mut house = house_after(leaving);
        then(
            house.post_user(2, json!({"userName": "alicia", "externalId": "a", "title": "T"})),
            &[BACK, r#"user.updated | users/@1 | userName | true>true | {"patch":{"userName":"alicia"}}"#],
        );
    }
}

#[test]
fn an_external_id_of_another_domain_tells_nothing() {
    let mut house = house_after("hidden");
    house.provider.domain = Some("entra".to_owned());
    let decision = house.post_user(2, json!({"userName": "alicia", "externalId": "a"})).unwrap();
    assert_eq!(decision.outcome, Outcome::Created(resource_id(2)));
}

#[test]
fn who_comes_back_inactive_gets_no_access() {
    let body = json!({"userName": "alice", "externalId": "a", "active": false});
    let updated = r#"user.updated | users/@1 | title | false>false | {"patch":{"title":null}}"#;
    let mut house = house_after("deactivated");
    then(house.post_user(2, body.clone()), &[updated]);
    unchanged(house.post_user(2, body.clone()), 1);

    let mut house = house_after("hidden");
    then(
        house.post_user(2, body),
        &[
            BACK,
            r#"user.updated | users/@1 | title | true>true | {"patch":{"title":null}}"#,
            r#"user.deactivated | users/@1 | active | true>false | {"patch":{"active":false}}"#,
        ],
    );
    let user = house.resource(1).unwrap();
    assert!(!user.active && !user.hidden);
}

#[test]
fn an_active_holder_is_a_conflict() {
    let mut house = house_after("deactivated");
    house.post_user(2, json!({"userName": "bob", "externalId": "b"})).unwrap();
    refused(house.post_user(3, json!({"userName": "bob"})), "user_name_taken");
    refused(house.post_user(3, json!({"userName": "bob", "externalId": "a"})), "user_name_taken");
    refused(house.post_user(3, json!({"userName": "alice", "externalId": "b"})), "external_id_taken");
}

#[test]
fn two_deactivated_persons_are_a_conflict() {
    let mut house = house_after("deactivated");
    house.post_user(2, json!({"userName": "bob", "externalId": "b", "active": false})).unwrap();
    let detail = refused(
        house.post_user(3, json!({"userName": "alice", "externalId": "b"})),
        "reactivation_ambiguous",
    );
    assert!(detail.contains(&uuid(1).to_string()) && detail.contains(&uuid(2).to_string()), "{detail}");
}

#[test]
fn a_hidden_person_never_stands_in_the_way_of_a_visible_one() {
    let mut house = house_after("hidden");
    house.post_user(2, json!({"userName": "bob", "externalId": "b", "active": false})).unwrap();
    let decision = house.post_user(3, json!({"userName": "bob", "externalId": "a"})).unwrap();
    assert_eq!(decision.outcome, Outcome::Created(resource_id(2)));
}

#[test]
fn of_two_hidden_persons_the_external_id_tells_who_it_is() {
    let mut house = house_after("hidden");
    house.post_user(2, json!({"userName": "bob", "externalId": "b"})).unwrap();
    house.delete_user(2).unwrap();
    let decision = house.post_user(3, json!({"userName": "bob", "externalId": "a"})).unwrap();
    assert_eq!(decision.outcome, Outcome::Created(resource_id(1)));
}

#[test]
fn a_put_brings_nobody_back() {
    let mut house = house_after("hidden");
    refused(house.put_user(1, json!({"userName": "alice"})), "not found");
}
