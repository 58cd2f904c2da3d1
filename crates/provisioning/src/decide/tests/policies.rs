//! What a tenant's settings forbid or leave out.

use super::*;

fn tenant(settings: Value) -> House {
    let mut house = House::with(settings);
    house.schemas = house.model.tenancy.settings.schemas();
    house
}

/// Makes a group as an operator does.
fn by_operator(house: &mut House, n: u128, name: &str) -> Result<Decision, Rejection> {
    let client = std::mem::replace(&mut house.provider, Provider { domain: None, kind: ClientKind::Generic });
    let decision = house.post_group(n, json!({ "displayName": name }));
    house.provider = client;
    decision
}

#[test]
fn groups_that_are_only_linked_are_made_and_named_by_operators() {
    let mut house = tenant(json!({"groups": "link-only"}));
    house.post_user(1, json!({"userName": "alice"})).unwrap();
    let detail = refused(house.post_group(10, json!({"displayName": "G"})), "group_create_refused");
    assert!(detail.contains("Link Group"), "{detail}");
    by_operator(&mut house, 10, "Engineering").unwrap();
    for again in ["Engineering", "ENGINEERING"] {
        let detail = refused(by_operator(&mut house, 11, again), "group_name_taken");
        assert!(detail.contains(&uuid(10).to_string()), "the first one is named: {detail}");
    }
    refused(house.delete_group(10), "group_delete_refused");
    refused(house.delete_group(11), "not found");
    let rename = |name: &str| json!([{"op": "replace", "value": {"displayName": name}}]);
    refused(house.patch_group(10, rename("Sales")), "group_rename_refused");
    refused(house.put_group(10, json!({"displayName": "Sales", "members": [1]})), "group_rename_refused");
    for same in ["Engineering", "ENGINEERING", " engineering "] {
        unchanged(house.patch_group(10, rename(same)), 10);
    }
}

#[test]
fn a_linked_groups_members_and_external_id_are_the_clients() {
    let mut house = tenant(json!({"groups": "link-only"}));
    house.post_user(1, json!({"userName": "alice"})).unwrap();
    by_operator(&mut house, 10, "Engineering").unwrap();
    let operations = json!([
        {"op": "replace", "value": {"displayName": "engineering", "externalId": "e"}},
        {"op": "add", "path": "members", "value": [{"value": uuid(1)}]},
    ]);
    then(
        house.patch_group(10, operations),
        &[
            r#"group.updated | groups/@10 | externalId | {"external_ids":{"okta":"e"}}"#,
            r#"group.members_added | groups/@10 | members | {"members":[["@1","User"]]}"#,
        ],
    );
    then(
        house.put_group(10, json!({"displayName": "Engineering", "externalId": "e", "members": []})),
        &[r#"group.members_removed | groups/@10 | members | {"members":[["@1","User"]]}"#],
    );
}

#[test]
fn where_there_are_no_groups_every_write_to_one_is_refused() {
    let mut house = tenant(json!({"groups": "off"}));
    house.post_user(1, json!({"userName": "alice"})).unwrap();
    refused(house.post_group(10, json!({"displayName": "G"})), "groups_off");
    refused(house.put_group(10, json!({"displayName": "G"})), "groups_off");
    refused(house.patch_group(10, json!([{"op": "remove", "path": "members"}])), "groups_off");
    refused(house.delete_group(10), "groups_off");
    refused(by_operator(&mut house, 10, "G"), "groups_off");
}

#[test]
fn groups_are_not_denied_while_there_are_some() {
    let mut house = House::new();
    let off = Command::UpdateTenant { settings: object(json!({"groups": "off"})), profile: None };
    house.post_group(10, json!({"displayName": "G"})).unwrap();
    refused(house.when(&off), "groups_in_use");
    house.delete_group(10).unwrap();
    house.when(&off).unwrap();
}

#[test]
fn groups_are_not_linked_by_a_name_that_two_have() {
    let mut house = House::new();
    let link = Command::UpdateTenant { settings: object(json!({"groups": "link-only"})), profile: None };
    for (n, name) in [(10, "Sales"), (11, "Engineering"), (12, "ENGINEERING")] {
        house.post_group(n, json!({ "displayName": name })).unwrap();
    }
    let detail = refused(house.when(&link), "group_names_shared");
    assert!(detail.contains(&format!("{}, {}", uuid(11), uuid(12))), "{detail}");
    assert!(!detail.to_lowercase().contains("engineering"), "a name may tell of a person: {detail}");
    house.patch_group(12, json!([{"op": "replace", "path": "displayName", "value": "Guides"}])).unwrap();
    house.when(&link).unwrap();
    assert!(house.when(&link).unwrap().events.is_empty(), "and nothing is looked at again");
}

#[test]
fn a_user_name_is_an_address_where_the_tenant_wants_one() {
    let mut house = House::new();
    house.post_user(1, json!({"userName": "alice", "active": true})).unwrap();
    let change = object(json!({"user_name": "email"}));
    house.when(&Command::UpdateTenant { settings: change, profile: None }).unwrap();
    let detail = refused(house.post_user(2, json!({"userName": "bob"})), "user_name_not_address");
    assert!(detail.contains("userPrincipalName") && !detail.contains("bob"), "{detail}");
    let rename = |name: &str| json!([{"op": "replace", "path": "userName", "value": name}]);
    refused(house.patch_user(1, rename("al")), "user_name_not_address");
    // Whoever has such a name from before can still be changed, and deactivated.
    house.put_user(1, json!({"userName": "alice", "active": false})).unwrap();
    house.patch_user(1, rename("alice@example.com")).unwrap();
    house.post_user(2, json!({"userName": "bob@example.com"})).unwrap();
}

#[test]
fn what_is_not_kept_is_noted_and_changes_nothing() {
    let mut house = tenant(json!({"attributes": ["userName", "active", "name.givenName"]}));
    house.post_user(1, json!({"userName": "alice"})).unwrap();
    let change = json!([{"op": "add", "path": "title", "value": "Dr"}]);
    let decision = house.patch_user(1, change).unwrap();
    assert_eq!((&decision.events[..], decision.notes.names()), (&[][..], vec!["attributes.not_kept"]));
    let change =
        json!([{"op": "add", "value": {"title": "Dr", "name": {"givenName": "A", "familyName": "B"}}}]);
    let decision = house.patch_user(1, change).unwrap();
    assert_eq!(decision.notes.names(), ["attributes.not_kept"]);
    then(
        Ok(decision),
        &[r#"user.updated | users/@1 | name.givenName | true>true | {"patch":{"name":{"givenName":"A"}}}"#],
    );
}

#[test]
fn an_id_that_was_used_is_told_apart_where_a_put_creates() {
    let mut house = House::with(json!({"put_unknown": "create"}));
    house.put_user(1, json!({"userName": "alice"})).unwrap();
    house.delete_user(1).unwrap();
    let detail = refused(house.put_user(1, json!({"userName": "alice"})), "not found");
    assert!(detail.starts_with("User not found") && detail.contains("never used"), "{detail}");
}
