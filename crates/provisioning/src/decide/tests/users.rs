//! Users: POST, PUT, PATCH, DELETE and the first sign-in.

use super::*;
use crate::event::Context;

fn alice() -> Value {
    json!({"userName": "alice"})
}

fn house_of_alice() -> House {
    let mut house = House::new();
    house.post_user(1, alice()).unwrap();
    house
}

#[test]
fn a_new_user_is_active_unless_it_says_otherwise() {
    let mut house = House::new();
    let decision = house
        .post_user(1, json!({"userName": "alice", "externalId": "x", "name": {"givenName": "A"}}))
        .unwrap();
    assert_eq!(decision.outcome, Outcome::Created(resource_id(1)));
    then(
        Ok(decision),
        &[
            r#"user.created | users/@1 | active externalId name.givenName userName | none>true | {"patch":{"active":true,"name":{"givenName":"A"},"userName":"alice"},"external_ids":{"okta":"x"}}"#,
        ],
    );
    then(
        house.post_user(2, json!({"userName": "bob", "active": false})),
        &[
            r#"user.created | users/@2 | active userName | none>false | {"patch":{"active":false,"userName":"bob"}}"#,
        ],
    );
    assert!(!house.resource(2).unwrap().active);
}

#[test]
fn users_of_a_tenant_that_invites_start_as_invited_until_they_sign_in() {
    let mut house = House::with(json!({"initial": "invited"}));
    then(
        house.post_user(1, alice()),
        &[
            r#"user.created | users/@1 | active userName | none>true | {"patch":{"active":true,"userName":"alice"},"invited":true}"#,
        ],
    );
    let sign_in = Command::ActivateUser(resource_id(1));
    then(house.when(&sign_in), &["user.activated | users/@1 | true>true | {}"]);
    unchanged(house.when(&sign_in), 1);
    refused(house.when(&Command::ActivateUser(resource_id(2))), "not found");
}

#[test]
fn an_operator_has_no_external_ids() {
    let mut house = House::new();
    house.provider.domain = None;
    then(
        house.post_user(1, json!({"userName": "alice", "externalId": "x"})),
        &[
            r#"user.created | users/@1 | active userName | none>true | {"patch":{"active":true,"userName":"alice"}}"#,
        ],
    );
    unchanged(house.put_user(1, json!({"userName": "alice", "externalId": "y"})), 1);
}

#[test]
fn the_context_is_in_every_sealed_payload_and_in_no_plain_one() {
    let mut house = house_of_alice();
    house.post_group(5, json!({"displayName": "G", "members": [1]})).unwrap();
    let context = Context { source_ip: Some("192.0.2.1".to_owned()), user_agent: None };
    house.origin.context = Some(context);
    then(
        house.put_user(1, json!({"userName": "al", "active": false})),
        &[
            r#"user.updated | users/@1 | userName | true>true | {"patch":{"userName":"al"},"context":{"source_ip":"192.0.2.1"}}"#,
            r#"user.deactivated | users/@1 | active | true>false | {"patch":{"active":false},"context":{"source_ip":"192.0.2.1"}}"#,
        ],
    );
    then(
        house.delete_user(1),
        &[
            r#"group.members_removed | groups/@5 | members | {"members":[["@1","User"]]} | caused by 1"#,
            r#"user.deleted | users/@1 | false>none | {"context":{"source_ip":"192.0.2.1"}}"#,
        ],
    );
    house.origin.context = Some(Context::default());
    then(
        house.post_user(2, alice()),
        &[
            r#"user.created | users/@2 | active userName | none>true | {"patch":{"active":true,"userName":"alice"}}"#,
        ],
    );
}

#[test]
fn a_second_user_cannot_take_a_name_that_differs_only_in_case() {
    let mut house = house_of_alice();
    house.post_user(2, json!({"userName": "bob"})).unwrap();
    for decided in [
        house.post_user(3, json!({"userName": "ALICE"})),
        house.put_user(2, json!({"userName": "Alice"})),
        house.patch_user(2, json!([{"op": "replace", "path": "userName", "value": "aLice"}])),
    ] {
        let detail = refused(decided, "user_name_taken");
        assert!(
            detail.contains(&uuid(1).to_string()) && !detail.to_lowercase().contains("alice"),
            "{detail}"
        );
    }
    then(
        house.put_user(1, json!({"userName": "Alice"})),
        &[r#"user.updated | users/@1 | userName | true>true | {"patch":{"userName":"Alice"}}"#],
    );
}

#[test]
fn the_holder_of_a_name_may_be_deactivated_but_not_deleted_or_hidden() {
    let mut house = house_of_alice();
    house.put_user(1, json!({"userName": "alice", "active": false})).unwrap();
    assert!(refused(house.post_user(2, alice()), "user_name_taken").contains("deactivated"));
    house.delete_user(1).unwrap();
    house.post_user(2, alice()).unwrap();

    let mut house = House::with(json!({"delete": "deactivate"}));
    house.post_user(1, json!({"userName": "alice", "externalId": "x"})).unwrap();
    house.delete_user(1).unwrap();
    let decision = house.post_user(2, json!({"userName": "alice", "externalId": "x"})).unwrap();
    assert_eq!(decision.outcome, Outcome::Created(resource_id(2)));
}

#[test]
fn an_external_id_is_unique_in_its_domain() {
    let mut house = House::new();
    house.post_user(1, json!({"userName": "alice", "externalId": "x"})).unwrap();
    house.post_user(2, json!({"userName": "bob"})).unwrap();
    let carol = json!({"userName": "carol", "externalId": "x"});
    for decided in [
        house.post_user(3, carol.clone()),
        house.put_user(2, json!({"userName": "bob", "externalId": "x"})),
        house.patch_user(2, json!([{"op": "add", "path": "externalId", "value": "x"}])),
    ] {
        assert!(refused(decided, "external_id_taken").contains(&uuid(1).to_string()));
    }
    house.post_group(4, json!({"displayName": "G", "externalId": "x"})).unwrap();
    house.provider.domain = Some("entra".to_owned());
    house.post_user(3, carol).unwrap();
}

#[test]
fn a_put_records_only_what_differs_and_active_apart() {
    let mut house = House::new();
    house
        .post_user(
            1,
            json!({"userName": "alice", "title": "T", "name": {"givenName": "A", "familyName": "B"}}),
        )
        .unwrap();
    then(
        house.put_user(
            1,
            json!({"userName": "alice", "active": false, "name": {"givenName": "A", "familyName": "C"}}),
        ),
        &[
            r#"user.updated | users/@1 | name.familyName title | true>true | {"patch":{"name":{"familyName":"C"},"title":null}}"#,
            r#"user.deactivated | users/@1 | active | true>false | {"patch":{"active":false}}"#,
        ],
    );
    then(
        house.put_user(1, json!({"userName": "alice", "active": true})),
        &[
            r#"user.updated | users/@1 | name.familyName name.givenName | false>false | {"patch":{"name":null}}"#,
            r#"user.reactivated | users/@1 | active | false>true | {"patch":{"active":true}}"#,
        ],
    );
}

#[test]
fn a_leaver_does_not_come_back_by_omission() {
    let mut house = house_of_alice();
    house.put_user(1, json!({"userName": "alice", "active": false})).unwrap();
    unchanged(house.put_user(1, alice()), 1);
}

#[test]
fn deactivating_an_inactive_user_records_nothing() {
    let mut house = house_of_alice();
    let off = json!([{"op": "replace", "value": {"active": false}}]);
    then(
        house.patch_user(1, off.clone()),
        &[r#"user.deactivated | users/@1 | active | true>false | {"patch":{"active":false}}"#],
    );
    unchanged(house.patch_user(1, off), 1);
}

#[test]
fn a_patch_that_takes_active_away_leaves_it_as_it_is() {
    let mut house = house_of_alice();
    let remove = json!([{"op": "remove", "path": "active"}]);
    unchanged(house.patch_user(1, remove.clone()), 1);
    house.patch_user(1, json!([{"op": "replace", "path": "active", "value": false}])).unwrap();
    unchanged(house.patch_user(1, remove), 1);
    unchanged(house.patch_user(1, json!([{"op": "replace", "value": {"active": null}}])), 1);
}

#[test]
fn a_put_clears_the_external_id_of_its_own_domain_only() {
    let mut house = House::new();
    house.post_user(1, json!({"userName": "alice", "externalId": "x"})).unwrap();
    house.provider.domain = Some("entra".to_owned());
    then(
        house.put_user(1, json!({"userName": "alice", "externalId": "y"})),
        &[r#"user.updated | users/@1 | externalId | true>true | {"external_ids":{"entra":"y"}}"#],
    );
    then(
        house.put_user(1, alice()),
        &[r#"user.updated | users/@1 | externalId | true>true | {"external_ids":{"entra":null}}"#],
    );
    assert_eq!(house.resource(1).unwrap().external_ids, [(DOMAIN.to_owned(), "x".to_owned())].into());
}

#[test]
fn what_a_put_leaves_out_is_kept_where_the_tenant_says_so() {
    let mut house = House::with(json!({"put_omitted": "keep"}));
    house.post_user(1, json!({"userName": "alice", "title": "T", "externalId": "x"})).unwrap();
    unchanged(house.put_user(1, alice()), 1);
}

#[test]
fn a_put_to_an_unknown_id_creates_only_where_the_tenant_says_so() {
    assert!(refused(House::new().put_user(1, alice()), "not found").starts_with("User not found"));

    let mut house = House::with(json!({"put_unknown": "create"}));
    let decision = house.put_user(1, json!({"userName": "alice", "active": false})).unwrap();
    assert_eq!(decision.outcome, Outcome::Created(resource_id(1)));
    refused(house.put_user(2, alice()), "user_name_taken");
    house.delete_user(1).unwrap();
    refused(house.put_user(1, alice()), "not found");
    refused(house.put_group(3, json!({"displayName": "G"})), "not found");
    house.precondition = Precondition::Exists;
    refused(house.put_user(2, alice()), "precondition");
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut house = House::with(json!({"delete": "deactivate"}));
    house.post_user(1, alice()).unwrap();
    house.delete_user(1).unwrap();
    house.post_group(2, json!({"displayName": "G"})).unwrap();
    house.precondition = Precondition::OneOf(vec!["0".to_owned()]);
    for n in [1, 2, 3] {
        assert!(refused(house.put_user(n, alice()), "not found").contains(&uuid(n).to_string()));
        refused(house.patch_user(n, json!([{"op": "remove", "path": "title"}])), "not found");
        refused(house.delete_user(n), "not found");
    }
    refused(house.when(&Command::ActivateUser(resource_id(1))), "not found");
    refused(house.when(&Command::ActivateUser(resource_id(2))), "not found");
}

#[test]
fn a_precondition_compares_the_revision() {
    let mut house = House::with(json!({"delete": "refuse"}));
    house.post_user(1, alice()).unwrap();
    let revision = house.resource(1).unwrap().revision;
    house.precondition = Precondition::OneOf(vec!["1".to_owned()]);
    let detail = refused(house.delete_user(1), "precondition");
    assert!(detail.contains(&format!("W/\"{revision}\"")), "{detail}");
    refused(house.put_user(1, json!({"userName": "al"})), "precondition");
    for precondition in
        [Precondition::Exists, Precondition::OneOf(vec!["1".to_owned(), revision.to_string()])]
    {
        house.precondition = precondition;
        unchanged(house.put_user(1, alice()), 1);
    }
}

#[test]
fn a_deletion_first_ends_every_membership() {
    for (policy, last) in [
        ("delete", "user.deleted | users/@1 | true>none | {}"),
        ("deactivate", "user.hidden | users/@1 | true>false | {}"),
    ] {
        let mut house = House::with(json!({ "delete": policy }));
        house.post_user(1, alice()).unwrap();
        house.post_user(2, json!({"userName": "bob"})).unwrap();
        house.post_group(5, json!({"displayName": "G", "members": [1, 2]})).unwrap();
        house.post_group(6, json!({"displayName": "H", "members": [1]})).unwrap();
        let decision = house.delete_user(1).unwrap();
        assert_eq!(decision.outcome, Outcome::Done);
        then(
            Ok(decision),
            &[
                r#"group.members_removed | groups/@5 | members | {"members":[["@1","User"]]} | caused by 2"#,
                r#"group.members_removed | groups/@6 | members | {"members":[["@1","User"]]} | caused by 2"#,
                last,
            ],
        );
        assert!(house.resource(1).is_none_or(|user| user.hidden && !user.active));
    }
}

#[test]
fn a_tenant_may_refuse_to_delete_users() {
    let mut house = House::with(json!({"delete": "refuse"}));
    house.post_user(1, alice()).unwrap();
    assert!(refused(house.delete_user(1), "delete_refused").contains("deactivate instead"));
    house.post_group(2, json!({"displayName": "G"})).unwrap();
    house.delete_group(2).unwrap();
}
