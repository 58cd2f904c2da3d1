//! What a PATCH does to a document.

#![expect(clippy::needless_pass_by_value, reason = "literals read best as they stand")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::Dialect;
use crate::schemas::{ENTERPRISE_USER, Schemas};
use crate::{ScimType, patch};

mod properties;

/// A user with a bit of everything.
fn alice() -> Value {
    json!({
        "userName": "alice",
        "title": "Engineer",
        "active": true,
        "name": {"givenName": "Alice", "familyName": "Liddell"},
        "emails": [
            {"value": "alice@work.example", "type": "work", "primary": true},
            {"value": "alice@home.example", "type": "home"},
        ],
        ENTERPRISE_USER: {"department": "R&D", "manager": {"value": "m1"}},
    })
}

/// The User schema with what it lacks for some rules: a simple list, immutable and required attributes.
fn schema() -> ResourceSchema {
    let mut schema = (*Schemas::standard().user).clone();
    let added = json!([
        {"name": "tags", "multiValued": true},
        {"name": "badge", "mutability": "immutable"},
        {"name": "keys", "multiValued": true, "mutability": "immutable"},
        {"name": "desk", "type": "complex", "subAttributes": [
            {"name": "room", "required": true}, {"name": "seat", "mutability": "immutable"}
        ]},
    ]);
    let added: Vec<Attribute> = serde_json::from_value(added).unwrap();
    schema.core.attributes.extend(added);
    schema
}

fn target(attributes: &Value) -> Target {
    Target { attributes: attributes.as_object().unwrap().clone(), external_id: Some("e1".to_owned()) }
}

fn patched(before: &Value, operations: &Value) -> Result<Target, ScimError> {
    let schema = schema();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    let request = patch::parse::parse(body, &schema)?;
    let applied = apply(&request, &schema, target(before))?;
    assert_eq!(applied.before, target(before), "what it was is handed back");
    Ok(applied.after)
}

/// Applies one operation to alice; `changes` are her attributes that it changes, `null` for removed ones.
#[track_caller]
fn check(operation: Value, changes: Value) {
    check_from(alice(), json!([operation]), changes);
}

#[track_caller]
fn check_from(before: Value, operations: Value, changes: Value) {
    let after = patched(&before, &operations).unwrap();
    let mut expected = target(&before);
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            expected.attributes.remove(name);
        } else {
            expected.attributes.insert(name.clone(), value.clone());
        }
    }
    assert_eq!(Value::Object(after.attributes), Value::Object(expected.attributes));
    assert_eq!(after.external_id, expected.external_id);
}

#[track_caller]
fn check_refused(operation: Value, scim_type: ScimType, code: &str) {
    check_refused_from(alice(), json!([operation]), scim_type, code);
}

#[track_caller]
fn check_refused_from(before: Value, operations: Value, scim_type: ScimType, code: &str) {
    let error = patched(&before, &operations).unwrap_err();
    assert_eq!((error.scim_type, error.code), (scim_type, code), "{}", error.detail);
    assert!(!error.detail.contains("secret"), "{}", error.detail);
}

#[test]
fn add_sets_a_singular_attribute() {
    check(json!({"op": "add", "path": "nickname", "value": "Al"}), json!({"nickName": "Al"}));
    check(json!({"op": "add", "path": "title", "value": "Boss"}), json!({"title": "Boss"}));
    check(
        json!({"op": "add", "path": "NAME.middlename", "value": "P"}),
        json!({"name": {"givenName": "Alice", "familyName": "Liddell", "middleName": "P"}}),
    );
    check_from(
        json!({"userName": "a"}),
        json!([{"op": "add", "path": "name.givenName", "value": "A"}]),
        json!({"name": {"givenName": "A"}}),
    );
}

#[test]
fn add_and_replace_merge_a_complex_attribute() {
    for op in ["add", "replace"] {
        check(
            json!({"op": op, "path": "name", "value": {"GIVENNAME": "Al", "formatted": "x", "nonsense": 1}}),
            json!({"name": {"givenName": "Al", "familyName": "Liddell", "formatted": "x"}}),
        );
        check(
            json!({"op": op, "path": "name", "value": {"givenName": null}}),
            json!({"name": {"familyName": "Liddell"}}),
        );
        check(json!({"op": op, "path": "name", "value": {}}), json!({}));
    }
}

#[test]
fn add_appends_to_a_list_what_is_not_there() {
    let [work, home] = [alice()["emails"][0].clone(), alice()["emails"][1].clone()];
    let other = json!({"value": "a@x", "type": "other"});
    check(json!({"op": "add", "path": "emails", "value": [other]}), json!({"emails": [work, home, other]}));
    check(json!({"op": "add", "path": "emails", "value": other}), json!({"emails": [work, home, other]}));
    check(
        json!({"op": "add", "path": "emails", "value": [other, other]}),
        json!({"emails": [work, home, other]}),
    );
    for same in [
        json!([{"value": "alice@home.example", "type": "home"}]),
        json!([{"VALUE": "ALICE@home.example", "Type": "Home"}]),
        json!([{"value": "alice@work.example", "type": "work"}, {"value": "alice@home.example", "type": "home"}]),
        json!([]),
        json!([null, {}, {"nonsense": 1}]),
        json!(null),
    ] {
        check(json!({"op": "add", "path": "emails", "value": same}), json!({}));
    }
}

#[test]
fn adding_a_value_that_is_there_supplements_it() {
    check(
        json!({"op": "add", "path": "emails", "value": [{"value": "Alice@home.example", "type": "home", "display": "H"}]}),
        json!({"emails": [
            {"value": "alice@work.example", "type": "work", "primary": true},
            {"value": "alice@home.example", "type": "home", "display": "H"},
        ]}),
    );
}

#[test]
fn a_new_primary_value_takes_the_place_of_the_old_one() {
    let home_is_primary = json!({"emails": [
        {"value": "alice@work.example", "type": "work", "primary": false},
        {"value": "alice@home.example", "type": "home", "primary": true},
    ]});
    for operation in [
        json!({"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}),
        json!({"op": "add", "path": "emails[type eq \"home\"]", "value": {"primary": true}}),
        json!({"op": "add", "path": "emails",
            "value": [{"value": "alice@home.example", "type": "home", "primary": true}]}),
    ] {
        check(operation, home_is_primary.clone());
    }
    check(json!({"op": "replace", "path": "emails[type eq \"work\"].primary", "value": true}), json!({}));
    for several in [
        json!({"op": "replace", "path": "emails.primary", "value": true}),
        json!({"op": "add", "path": "emails",
            "value": [{"value": "1", "primary": true}, {"value": "2", "primary": true}]}),
    ] {
        check_refused(several, ScimType::InvalidValue, "primary_repeated");
    }
}

#[test]
fn replace_takes_the_whole_list() {
    let new = json!([{"value": "new@x"}]);
    check(json!({"op": "replace", "path": "emails", "value": new}), json!({"emails": new}));
    check(
        json!({"op": "replace", "path": "emails", "value": [{"value": "n"}, {"value": "N"}]}),
        json!({"emails": [{"value": "n"}]}),
    );
    for nothing in [json!([]), json!(null), json!([{}])] {
        check(json!({"op": "replace", "path": "emails", "value": nothing}), json!({"emails": null}));
    }
}

#[test]
fn replace_with_a_filter_changes_all_matches() {
    check(
        json!({"op": "replace", "path": "emails[value co \"alice\"].type", "value": "x"}),
        json!({"emails": [
            {"value": "alice@work.example", "type": "x", "primary": true},
            {"value": "alice@home.example", "type": "x"},
        ]}),
    );
    check(
        json!({"op": "replace", "path": "emails[type eq \"WORK\"]", "value": {"value": "new", "display": "N"}}),
        json!({"emails": [
            {"value": "new", "type": "work", "primary": true, "display": "N"},
            {"value": "alice@home.example", "type": "home"},
        ]}),
    );
}

#[test]
fn replace_with_a_filter_that_matches_nothing_is_refused_as_no_target() {
    for path in [
        "emails[type ne \"work\" and type ne \"home\"].value",
        "emails[type eq \"secret\"]",
        "phoneNumbers[type eq \"secret\"]",
    ] {
        let operation = json!({"op": "replace", "path": path, "value": {"value": "x"}});
        check_refused(operation, ScimType::NoTarget, "patch_no_target");
    }
}

#[test]
fn a_value_that_a_filter_had_to_find_is_made_and_noted_with_its_operation() {
    let operations = json!([
        {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "w@x"},
        {"op": "replace", "path": "emails[type eq \"other\"].value", "value": "o@x"},
        {"op": "add", "path": "ims[type eq \"xmpp\"].value", "value": "x"},
        {"op": "add", "path": "ims[type eq \"xmpp\"].value", "value": "y"},
    ]);
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    let schema = schema();
    let request = patch::parse::parse(body, &schema).unwrap();
    let notes = apply(&request, &schema, target(&alice())).unwrap().notes;
    let places: Vec<_> = notes.iter().map(|note| (note.dialect, note.place.as_str())).collect();
    let expected = [
        (Dialect::EntraFilteredReplace, "operation 2: emails"),
        (Dialect::EntraFilteredAdd, "operation 3: ims"),
    ];
    assert_eq!(places, expected);
}

#[test]
fn add_with_a_filter_that_matches_nothing_creates_the_value() {
    let [work, home] = [alice()["emails"][0].clone(), alice()["emails"][1].clone()];
    check(
        json!({"op": "add", "path": "emails[type eq \"Other\"].value", "value": "o@x"}),
        json!({"emails": [work, home, {"type": "Other", "value": "o@x"}]}),
    );
    check(
        json!({"op": "add", "path": "phoneNumbers[type eq \"mobile\" and primary eq true]", "value": {"value": "1"}}),
        json!({"phoneNumbers": [{"type": "mobile", "primary": true, "value": "1"}]}),
    );
    let contrary = json!({"op": "add", "path": "tags[value eq \"x\"]", "value": "y"});
    check_from(alice(), json!([contrary, contrary]), json!({"tags": ["y"]}));
    for unclear in ["emails[type ne \"work\" and type ne \"home\"].value", "emails[not (value pr)].value"] {
        let operation = json!({"op": "add", "path": unclear, "value": "secret"});
        check_refused(operation, ScimType::NoTarget, "patch_no_target");
    }
}

#[test]
fn replace_of_what_is_not_there_adds_it() {
    check(json!({"op": "replace", "path": "locale", "value": "en"}), json!({"locale": "en"}));
    check(json!({"op": "replace", "path": "ims.value", "value": "x"}), json!({"ims": [{"value": "x"}]}));
    check(
        json!({"op": "replace", "path": "roles", "value": [{"value": "x"}]}),
        json!({"roles": [{"value": "x"}]}),
    );
}

#[test]
fn remove_takes_the_target_away() {
    check(json!({"op": "remove", "path": "title"}), json!({"title": null}));
    check(json!({"op": "remove", "path": "name.givenName"}), json!({"name": {"familyName": "Liddell"}}));
    check(json!({"op": "remove", "path": "name"}), json!({"name": null}));
    check(json!({"op": "remove", "path": "emails"}), json!({"emails": null}));
    let home = alice()["emails"][1].clone();
    check(json!({"op": "remove", "path": "emails[type eq \"work\"]"}), json!({"emails": [home]}));
    check(json!({"op": "remove", "path": "emails[value co \"alice\"]"}), json!({"emails": null}));
    check(
        json!({"op": "remove", "path": "emails[type eq \"work\"].primary"}),
        json!({"emails": [{"value": "alice@work.example", "type": "work"}, home]}),
    );
    check(
        json!({"op": "remove", "path": "emails.type"}),
        json!({"emails": [
            {"value": "alice@work.example", "primary": true}, {"value": "alice@home.example"}
        ]}),
    );
    check_from(
        alice(),
        json!([{"op": "remove", "path": "name.givenName"}, {"op": "remove", "path": "name.familyName"}]),
        json!({"name": null}),
    );
}

#[test]
fn removing_what_is_not_there_succeeds_and_changes_nothing() {
    for path in [
        "locale",
        "name.formatted",
        "roles",
        "emails[type eq \"x\"]",
        "emails[type eq \"x\"].value",
        "ims.type",
    ] {
        check(json!({"op": "remove", "path": path}), json!({}));
    }
}

#[test]
fn null_takes_away_like_remove() {
    for op in ["add", "replace"] {
        check(json!({"op": op, "path": "title", "value": null}), json!({"title": null}));
        check(json!({"op": op, "path": "title", "value": []}), json!({"title": null}));
        check(
            json!({"op": op, "value": {"title": null, "name": null}}),
            json!({"title": null, "name": null}),
        );
    }
}

#[test]
fn what_is_required_cannot_be_removed() {
    for operation in [
        json!({"op": "remove", "path": "userName"}),
        json!({"op": "replace", "path": "userName", "value": null}),
        json!({"op": "replace", "value": {"userName": null}}),
    ] {
        check_refused(operation, ScimType::Mutability, "attribute_required");
    }
    check_refused_from(
        json!({"userName": "a", "desk": {"room": "1"}}),
        json!([{"op": "remove", "path": "desk.room"}]),
        ScimType::Mutability,
        "attribute_required",
    );
    check_refused(
        json!({"op": "replace", "path": "userName", "value": ""}),
        ScimType::InvalidValue,
        "required_missing",
    );
}

#[test]
fn what_is_immutable_gets_one_value_only() {
    let before = json!({"userName": "a", "badge": "1", "keys": ["k"], "desk": {"room": "1", "seat": "2"}});
    check(json!({"op": "add", "path": "badge", "value": "1"}), json!({"badge": "1"}));
    for same in [
        json!({"op": "replace", "path": "badge", "value": "1"}),
        json!({"op": "add", "path": "keys", "value": ["k"]}),
        json!({"op": "replace", "path": "desk", "value": {"seat": "2"}}),
    ] {
        check_from(before.clone(), json!([same]), json!({}));
    }
    for change in [
        json!({"op": "replace", "path": "badge", "value": "secret"}),
        json!({"op": "remove", "path": "badge"}),
        json!({"op": "add", "path": "keys", "value": ["secret"]}),
        json!({"op": "replace", "path": "desk.seat", "value": "secret"}),
        json!({"op": "remove", "path": "desk.seat"}),
        json!({"op": "replace", "value": {"desk": {"seat": "secret"}}}),
    ] {
        check_refused_from(before.clone(), json!([change]), ScimType::Mutability, "immutable_changed");
    }
    // Nor by a way around.
    let around =
        json!([{"op": "remove", "path": "desk"}, {"op": "add", "path": "desk", "value": {"seat": "secret"}}]);
    check_refused_from(before, around, ScimType::Mutability, "immutable_changed");
}

#[test]
fn values_that_become_equal_in_every_part_are_one() {
    let before =
        json!({"userName": "a", "emails": [{"value": "s", "type": "w"}, {"value": "r", "type": "w"}]});
    check_from(
        before,
        json!([{"op": "replace", "path": "emails[value eq \"r\"].value", "value": "s"}]),
        json!({"emails": [{"value": "s", "type": "w"}]}),
    );
}

#[test]
fn without_a_path_each_attribute_is_changed_and_what_is_no_clients_business_is_skipped() {
    check(
        json!({"op": "replace", "value": {
            "id": "other", "schemas": ["x"], "meta": {"created": "x"}, "groups": [{"value": "x"}], "nonsense": 1,
            "ACTIVE": false,
            "emails": [{"value": "n"}],
            ENTERPRISE_USER.to_uppercase(): {"costCenter": "7", "nonsense": 1},
            "manager": {"value": "m2", "displayName": "ignored"},
        }}),
        json!({
            "active": false,
            "emails": [{"value": "n"}],
            ENTERPRISE_USER: {"department": "R&D", "costCenter": "7", "manager": {"value": "m2"}},
        }),
    );
    let work = &alice()["emails"][0];
    check(
        json!({"op": "add", "value": {"emails": {"value": "n"}, "nickName": "Al"}}),
        json!({"nickName": "Al", "emails": [work, alice()["emails"][1], {"value": "n"}]}),
    );
}

#[test]
fn an_extension_is_changed_by_its_urn() {
    let urn = ENTERPRISE_USER;
    check(
        json!({"op": "add", "path": format!("{urn}:employeeNumber"), "value": "1"}),
        json!({urn: {"department": "R&D", "manager": {"value": "m1"}, "employeeNumber": "1"}}),
    );
    check(
        json!({"op": "replace", "path": urn, "value": {"department": "Ops"}}),
        json!({urn: {"department": "Ops", "manager": {"value": "m1"}}}),
    );
    check(json!({"op": "remove", "path": urn}), json!({urn: null}));
    check(json!({"op": "replace", "value": {urn: null}}), json!({urn: null}));
    check_from(
        alice(),
        json!([
            {"op": "remove", "path": format!("{urn}:department")},
            {"op": "remove", "path": "manager.value"},
        ]),
        json!({urn: null}),
    );
    check_refused(
        json!({"op": "add", "path": urn, "value": "secret"}),
        ScimType::InvalidValue,
        "patch_value_not_object",
    );
}

#[test]
fn a_simple_list_is_changed_like_any_other() {
    let before = json!({"userName": "a", "tags": ["x", "y"]});
    for (operation, after) in [
        (json!({"op": "add", "path": "tags", "value": ["z", "X"]}), json!(["x", "y", "z"])),
        (json!({"op": "add", "path": "tags", "value": "z"}), json!(["x", "y", "z"])),
        (json!({"op": "replace", "path": "tags", "value": ["z", null, "Z"]}), json!(["z"])),
        (json!({"op": "remove", "path": "tags[value eq \"X\"]"}), json!(["y"])),
        (json!({"op": "replace", "path": "tags[value eq \"x\"]", "value": "z"}), json!(["z", "y"])),
        (json!({"op": "add", "path": "tags[value eq \"z\"]", "value": "z"}), json!(["x", "y", "z"])),
    ] {
        check_from(before.clone(), json!([operation]), json!({"tags": after}));
    }
}

#[test]
fn values_must_have_their_attributes_type() {
    for operation in [
        json!({"op": "replace", "path": "active", "value": "secret"}),
        json!({"op": "replace", "path": "title", "value": {"secret": 1}}),
        json!({"op": "replace", "path": "name", "value": "secret"}),
        json!({"op": "replace", "path": "name.givenName", "value": 1}),
        json!({"op": "add", "path": "emails", "value": ["secret"]}),
        json!({"op": "add", "path": "emails", "value": "secret"}),
        json!({"op": "replace", "path": "emails[type eq \"work\"]", "value": "secret"}),
        json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": ["secret"]}),
        json!({"op": "add", "path": "tags", "value": [{"secret": 1}]}),
        json!({"op": "replace", "path": "password", "value": 1}),
        json!({"op": "replace", "path": "externalId", "value": 1}),
        json!({"op": "add", "value": {"title": 1}}),
    ] {
        check_refused(operation, ScimType::InvalidValue, "wrong_type");
    }
    let later_operations_do_not_hide_it = json!([
        {"op": "replace", "path": "name", "value": "secret"},
        {"op": "replace", "path": "name", "value": {"givenName": "A", "secret": "x"}},
    ]);
    check_refused_from(alice(), later_operations_do_not_hide_it, ScimType::InvalidValue, "wrong_type");
}

#[test]
fn a_password_is_checked_and_forgotten() {
    check(
        json!({"op": "replace", "value": {"password": "secret", "active": false}}),
        json!({"active": false}),
    );
    check(json!({"op": "add", "path": "password", "value": "secret"}), json!({}));
    check(json!({"op": "remove", "path": "password"}), json!({}));
}

#[test]
fn the_external_id_stands_beside_the_document() {
    for (operation, expected) in [
        (json!({"op": "replace", "path": "externalId", "value": "E2"}), Some("E2")),
        (json!({"op": "add", "value": {"EXTERNALID": "E2"}}), Some("E2")),
        (json!({"op": "remove", "path": "externalId"}), None),
        (json!({"op": "replace", "value": {"externalId": null}}), None),
        (json!({"op": "replace", "path": "externalId", "value": ""}), None),
    ] {
        let after = patched(&alice(), &json!([operation])).unwrap();
        assert_eq!(after.external_id.as_deref(), expected);
        assert_eq!(Value::Object(after.attributes), alice());
    }
}

#[test]
fn operations_see_what_those_before_them_did() {
    check_from(
        json!({"userName": "a"}),
        json!([
            {"op": "add", "path": "emails", "value": [{"value": "1", "type": "work"}]},
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "2"},
            {"op": "add", "path": "emails", "value": [{"value": "3"}]},
            {"op": "remove", "path": "emails[value eq \"2\"]"},
        ]),
        json!({"emails": [{"value": "3"}]}),
    );
}

#[test]
fn a_request_that_compares_too_much_is_refused() {
    let emails: Vec<Value> = (0..20_000).map(|n| json!({"value": n.to_string()})).collect();
    let filter = vec!["value eq \"x\""; 101].join(" or ");
    check_refused_from(
        json!({"userName": "a", "emails": emails}),
        json!([{"op": "remove", "path": format!("emails[{filter}]")}]),
        ScimType::TooMany,
        "patch_too_costly",
    );
}
