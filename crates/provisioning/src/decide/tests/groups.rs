//! Groups: POST, PUT, PATCH, DELETE and their members.

use super::*;

/// Users 1, 2 and 3, and the group 10 with 1 and 2.
fn house_of_three() -> House {
    house_with(json!({}))
}

fn house_with(settings: Value) -> House {
    let mut house = House::with(settings);
    for n in 1..=3 {
        house.post_user(n, json!({ "userName": format!("user{n}") })).unwrap();
    }
    house.post_group(10, json!({"displayName": "G", "members": [1, 2]})).unwrap();
    house
}

#[test]
fn a_group_is_created_before_its_members_come() {
    let mut house = house_of_three();
    let decision =
        house.post_group(11, json!({"displayName": "H", "externalId": "x", "members": [3, 10, 3]})).unwrap();
    assert_eq!((&decision.outcome, decision.notes.is_empty()), (&Outcome::Created(resource_id(11)), true));
    then(
        Ok(decision),
        &[
            r#"group.created | groups/@11 | displayName externalId | {"patch":{"displayName":"H"},"external_ids":{"okta":"x"}}"#,
            r#"group.members_added | groups/@11 | members | {"members":[["@3","User"],["@10","Group"]]}"#,
        ],
    );
    refused(house.post_group(12, json!({"displayName": "G", "externalId": "x"})), "external_id_taken");
    house.post_group(12, json!({"displayName": "G"})).unwrap();
}

#[test]
fn unknown_members_are_refused_by_id() {
    let mut house = house_of_three();
    let detail =
        refused(house.post_group(11, json!({"displayName": "H", "members": [1, 90]})), "unknown_member");
    assert!(detail.contains(&uuid(90).to_string()) && !detail.contains(&uuid(1).to_string()), "{detail}");

    let members = ["somebody@example.com".to_owned(), uuid(0xab).to_string().to_uppercase()]
        .map(|value| MemberRef { value, member_type: None });
    let add = Document { members: Some(members.into()), ..document(json!({"displayName": "H"})) };
    let detail = refused(house.scim(ResourceType::Group, 11, Change::Create(add)), "unknown_member");
    assert!(!detail.contains("somebody"), "{detail}");
    assert!(
        detail.contains("member 1, whose value is no UUID") && detail.contains("another spelling"),
        "{detail}"
    );

    let many: Vec<_> = (60..80).collect();
    let detail = refused(house.put_group(10, json!({"displayName": "G", "members": many})), "unknown_member");
    assert!(
        detail.contains("20 that") && detail.contains("10 more") && !detail.contains(&uuid(70).to_string())
    );
}

#[test]
fn unknown_members_are_skipped_for_okta_and_where_the_tenant_says_so() {
    let body = json!({"displayName": "H", "members": [90, 1, 91]});
    let added = r#"group.members_added | groups/@11 | members | {"members":[["@1","User"]]}"#;
    let mut okta = house_of_three();
    okta.provider.kind = ClientKind::Okta;
    for mut house in [okta, house_with(json!({"unknown_members": "skip"}))] {
        let decision = house.post_group(11, body.clone()).unwrap();
        assert_eq!(decision.notes.names(), ["members.unknown_skipped"]);
        assert_eq!(told(&decision)[1..], [added]);
    }
    let mut strict = house_with(json!({"unknown_members": "reject"}));
    strict.provider.kind = ClientKind::Okta;
    refused(strict.post_group(11, body), "unknown_member");
}

#[test]
fn a_hidden_user_cannot_be_a_member() {
    let mut house = house_with(json!({"delete": "deactivate"}));
    house.delete_user(3).unwrap();
    let add = json!([{"op": "add", "path": "members", "value": [{ "value": uuid(3) }]}]);
    refused(house.patch_group(10, add), "unknown_member");
}

#[test]
fn a_member_has_the_type_that_it_has() {
    let mut house = house_of_three();
    let members = vec![MemberRef { value: uuid(3).to_string(), member_type: Some(ResourceType::Group) }];
    let body = Document { members: Some(members), ..document(json!({"displayName": "H"})) };
    let decision = house.scim(ResourceType::Group, 11, Change::Create(body)).unwrap();
    assert_eq!(decision.notes.names(), ["members.type_corrected"]);
    assert_eq!(
        told(&decision)[1],
        r#"group.members_added | groups/@11 | members | {"members":[["@3","User"]]}"#
    );
}

#[test]
fn a_group_cannot_be_a_member_of_itself_but_groups_may_form_a_circle() {
    let mut house = house_of_three();
    refused(house.put_group(10, json!({"displayName": "G", "members": [10]})), "member_is_group_itself");
    house.post_group(11, json!({"displayName": "H", "members": [10]})).unwrap();
    house.put_group(10, json!({"displayName": "G", "members": [11]})).unwrap();
}

#[test]
fn a_put_says_who_left_and_who_came() {
    let mut house = house_of_three();
    then(
        house.put_group(10, json!({"displayName": "H", "members": [3, 2]})),
        &[
            r#"group.updated | groups/@10 | displayName | {"patch":{"displayName":"H"}}"#,
            r#"group.members_removed | groups/@10 | members | {"members":[["@1","User"]]}"#,
            r#"group.members_added | groups/@10 | members | {"members":[["@3","User"]]}"#,
        ],
    );
    unchanged(house.put_group(10, json!({"displayName": "H", "members": [2, 3]})), 10);
}

#[test]
fn a_put_without_members_clears_them_unless_the_tenant_keeps_what_is_omitted() {
    then(
        house_of_three().put_group(10, json!({"displayName": "G"})),
        &[r#"group.members_removed | groups/@10 | members | {"members":[["@1","User"],["@2","User"]]}"#],
    );
    let mut house = house_with(json!({"put_omitted": "keep"}));
    unchanged(house.put_group(10, json!({"displayName": "G"})), 10);
    then(
        house.put_group(10, json!({"displayName": "G", "members": []})),
        &[r#"group.members_removed | groups/@10 | members | {"members":[["@1","User"],["@2","User"]]}"#],
    );
}

#[test]
fn a_patch_records_the_net_effect_on_members() {
    let mut house = house_of_three();
    let members = |ids: &[u128]| ids.iter().map(|n| json!({ "value": uuid(*n) })).collect::<Vec<_>>();
    then(
        house.patch_group(
            10,
            json!([
                {"op": "replace", "value": {"displayName": "H"}},
                {"op": "add", "path": "members", "value": members(&[1, 3])},
                {"op": "remove", "path": format!("members[value eq \"{}\"]", uuid(2))},
                {"op": "remove", "path": format!("members[value eq \"{}\"]", uuid(1))},
                {"op": "add", "path": "members", "value": members(&[1])},
            ]),
        ),
        &[
            r#"group.updated | groups/@10 | displayName | {"patch":{"displayName":"H"}}"#,
            r#"group.members_removed | groups/@10 | members | {"members":[["@2","User"]]}"#,
            r#"group.members_added | groups/@10 | members | {"members":[["@3","User"]]}"#,
        ],
    );
    then(
        house.patch_group(10, json!([{"op": "replace", "path": "members", "value": members(&[2, 3])}])),
        &[
            r#"group.members_removed | groups/@10 | members | {"members":[["@1","User"]]}"#,
            r#"group.members_added | groups/@10 | members | {"members":[["@2","User"]]}"#,
        ],
    );
    then(
        house.patch_group(10, json!([{"op": "remove", "path": "members"}])),
        &[r#"group.members_removed | groups/@10 | members | {"members":[["@2","User"],["@3","User"]]}"#],
    );
}

#[test]
fn adding_a_member_again_or_removing_a_stranger_records_nothing() {
    let mut house = house_of_three();
    let add = json!([{"op": "add", "path": "members", "value": [{ "value": uuid(1) }]}]);
    unchanged(house.patch_group(10, add), 10);
    for stranger in [3, 10, 90] {
        let path = format!("members[value eq \"{}\"]", uuid(stranger));
        unchanged(house.patch_group(10, json!([{ "op": "remove", "path": path }])), 10);
    }
    unchanged(house.patch_group(10, json!([{"op": "replace", "path": "displayName", "value": "G"}])), 10);
}

#[test]
fn large_changes_are_cut_into_events_of_a_thousand() {
    let mut house = House::new();
    for n in 100..2_600 {
        house.have_user(n);
    }
    let everybody: Vec<_> = (100..2_600).collect();
    let sizes = |decision: &Decision| -> Vec<usize> {
        decision.events.iter().map(|draft| members_of(draft).len()).filter(|size| *size > 0).collect()
    };
    let created = house.post_group(1, json!({"displayName": "G", "members": everybody})).unwrap();
    assert_eq!(sizes(&created), [1_000, 1_000, 500]);
    unchanged(house.put_group(1, json!({"displayName": "G", "members": everybody})), 1);
    house.post_group(2, json!({"displayName": "H", "members": [1]})).unwrap();
    let deleted = house.delete_group(1).unwrap();
    assert_eq!(sizes(&deleted), [1_000, 1_000, 500, 1]);
    assert!(deleted.events[..4].iter().all(|draft| draft.cause == Some(4)));
    assert!(house.model.members[&resource_id(1)].is_empty());
}

#[test]
fn a_deleted_group_loses_its_members_and_leaves_other_groups() {
    let mut house = house_of_three();
    house.post_group(11, json!({"displayName": "H", "members": [10, 3]})).unwrap();
    house.put_group(10, json!({"displayName": "G", "members": [1, 11]})).unwrap();
    then(
        house.delete_group(10),
        &[
            r#"group.members_removed | groups/@10 | members | {"members":[["@1","User"],["@11","Group"]]} | caused by 2"#,
            r#"group.members_removed | groups/@11 | members | {"members":[["@10","Group"]]} | caused by 2"#,
            "group.deleted | groups/@10 | {}",
        ],
    );
    refused(house.delete_group(10), "not found");
}
