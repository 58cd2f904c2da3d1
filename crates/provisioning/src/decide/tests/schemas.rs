//! Attributes that a tenant added: when they may be, and what only one resource may have.

use super::*;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const HR: &str = "urn:example:hr:1.0:User";

fn update(settings: &Value) -> Command {
    Command::UpdateTenant { settings: object(settings.clone()), profile: None }
}

fn added(attributes: &Value) -> Value {
    json!({"schemas": {"User": [{"id": USER, "attributes": attributes}]}})
}

/// A tenant in which a badge and the number in an extension are unique.
fn house() -> House {
    let mut house = House::new();
    let schemas = json!({"schemas": {"User": [
        {"id": USER, "attributes": [{"name": "badge", "uniqueness": "server"}]},
        {"id": HR, "name": "HR", "attributes": [
            {"name": "number", "uniqueness": "global", "caseExact": true},
        ]},
    ]}});
    house.when(&update(&schemas)).unwrap();
    house.schemas = house.model.tenancy.settings.schemas();
    house
}

fn post(house: &mut House, n: u128, badge: &str, number: &str) -> Result<Decision, Rejection> {
    let body =
        json!({"schemas": [USER, HR], "userName": format!("u{n}"), "badge": badge, HR: {"number": number}});
    let (document, notes) = scim::resource::read(body, &house.schemas.user).unwrap();
    assert!(notes.is_empty());
    house.scim(ResourceType::User, n, Change::Create(document))
}

#[test]
fn an_added_attribute_that_is_unique_belongs_to_one_visible_resource() {
    let mut house = house();
    post(&mut house, 1, "B1", "N1").unwrap();
    refused(post(&mut house, 2, "b1", "N2"), "value_taken");
    refused(post(&mut house, 2, "B2", "N1"), "value_taken");
    post(&mut house, 2, "B2", "n1").expect("case counts there");
    let take = json!([{"op": "replace", "path": "badge", "value": "b1"}]);
    refused(house.patch_user(2, take.clone()), "value_taken");
    house.patch_user(1, take).expect("it is its own, whatever its case");
    house.patch_user(1, json!([{"op": "remove", "path": "badge"}])).unwrap();
    house
        .patch_user(2, json!([{"op": "replace", "path": "badge", "value": "B1"}]))
        .expect("it is free again");
}

#[test]
fn nobody_stands_in_the_way_of_schemas_while_there_is_no_resource() {
    let mut house = house();
    house.when(&update(&json!({"schemas": null}))).unwrap();
    house.when(&update(&added(&json!([{"name": "badge", "type": "integer", "required": true}])))).unwrap();
}

#[test]
fn schemas_of_stored_resources_grow_and_never_shrink() {
    let mut house = house();
    house.have_user(1);
    refused(house.when(&update(&json!({"schemas": null}))), "schema_in_use");
    refused(house.when(&update(&added(&json!([{"name": "badge", "type": "integer"}])))), "schema_in_use");
    let group = json!({"schemas": {"Group": [{
        "id": "urn:ietf:params:scim:schemas:core:2.0:Group",
        "attributes": [{"name": "description", "required": true}],
    }]}});
    house.when(&update(&group)).expect("there is no group yet");
    let recorded = &house.model.tenancy.settings.schemas.as_ref().unwrap();
    assert_eq!((recorded.user.len(), recorded.group.len()), (2, 1), "a merge patch: the other type stays");
}

#[test]
fn a_leaver_is_deactivated_whatever_the_schemas_demand_by_now() {
    let mut house = house();
    post(&mut house, 1, "B1", "N1").unwrap();
    let stricter = json!({"schemas": {"User": [
        {"id": USER, "attributes": [{"name": "badge", "uniqueness": "server", "canonicalValues": ["X"]}]},
        {"id": HR, "name": "HR", "attributes": [
            {"name": "number", "uniqueness": "global", "caseExact": true},
        ]},
    ]}, "enforce_canonical_values": ["badge"]});
    house.when(&update(&stricter)).unwrap();
    house.schemas = house.model.tenancy.settings.schemas();
    house.patch_user(1, json!([{"op": "replace", "path": "active", "value": false}])).unwrap();
    let other = json!([{"op": "replace", "path": "badge", "value": "Y"}]);
    refused(house.patch_user(1, other), "value_not_allowed");
}
