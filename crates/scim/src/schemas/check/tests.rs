//! Additions: what they make of the schemas, and which are refused.

use serde_json::{Value, json};

use super::*;
use crate::schemas::{ENTERPRISE_USER, GROUP, USER};

const HR: &str = "urn:example:hr:1.0:User";

fn core(attributes: &Value) -> Value {
    json!({"User": [{"id": USER, "attributes": attributes}]})
}

fn read(value: &Value) -> Result<Additions, SchemaError> {
    let additions = Additions::read(value)?;
    additions.check()?;
    Ok(additions)
}

#[track_caller]
fn refused(value: &Value, code: &str, names: &str) {
    let error = read(value).expect_err("it is refused");
    assert_eq!(error.code, code, "{error}");
    assert!(error.detail.contains(names), "{error}");
}

#[test]
fn attributes_are_added_to_the_core_to_an_extension_and_in_a_new_one() {
    let additions = read(&json!({
        "User": [
            {"id": USER, "attributes": [{"name": "role", "canonicalValues": ["owner", "guest"]}]},
            {"id": ENTERPRISE_USER, "attributes": [{"name": "badge", "type": "integer"}]},
            {"id": HR, "name": "HR", "attributes": [{"name": "grade"}]},
        ],
        "Group": [{"id": GROUP, "attributes": [{"name": "description"}]}],
    }))
    .unwrap();
    let enforced = vec!["ROLE".to_owned(), "emails.type".to_owned()];
    assert_eq!(additions.check_enforced(&enforced), Ok(()));
    let Schemas { user, group, .. } = Schemas::extended(&additions, &enforced);
    assert!(user.core.attribute("role").unwrap().canonical_values_enforced);
    let emails = user.core.attribute("emails").unwrap();
    assert!(emails.sub_attribute("type").unwrap().canonical_values_enforced);
    assert!(!emails.sub_attribute("value").unwrap().canonical_values_enforced);
    let urns: Vec<_> = user.extensions.iter().map(|extension| extension.id.as_str()).collect();
    assert_eq!(urns, [ENTERPRISE_USER, HR]);
    assert!(
        user.extensions[0].attribute("badge").is_some() && user.extensions[0].attribute("manager").is_some()
    );
    assert!(group.core.attribute("description").is_some());
    assert_eq!(Schemas::extended(&Additions::default(), &[]), Schemas::standard());
}

#[test]
fn what_was_read_is_written_with_every_characteristic_and_read_again() {
    let additions = read(&core(&json!([{"name": "photo", "type": "binary"}]))).unwrap();
    assert!(additions.user[0].attributes[0].case_exact, "a binary is case exact");
    let written = serde_json::to_value(&additions).unwrap();
    assert_eq!(written["User"][0]["attributes"][0]["mutability"], "readWrite");
    assert_eq!(Additions::read(&written).unwrap(), additions);
    assert_eq!(serde_json::from_value::<Additions>(written).unwrap(), additions);
}

#[test]
fn a_copy_of_a_served_schema_can_be_added() {
    let served = json!({"User": [{
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "meta": {"resourceType": "Schema"},
        "id": HR, "name": "HR", "description": "", "attributes": [{"name": "grade"}],
    }]});
    assert!(read(&served).is_ok());
}

#[test]
fn malformed_additions_are_refused_by_their_place() {
    for (value, names) in [
        (json!([]), "schemas"),
        (json!({"Users": []}), "User nor Group"),
        (json!({"User": {}}), "schemas.User"),
        (json!({"User": [1]}), "schemas.User[0]"),
        (json!({"User": [{"attributes": []}]}), "missing field `id`"),
        (json!({"User": [{"id": USER, "attribute": []}]}), "attribute;"),
        (
            core(&json!([{"name": "x", "mutable": true}])),
            "schemas.User[0].attributes[0] (x): has the member mutable",
        ),
        (core(&json!([{"name": "x", "type": "text"}])), "unknown variant `text`"),
        (core(&json!([{"type": "string"}])), "missing field `name`"),
        (
            core(&json!([{"name": "x", "type": "complex", "subAttributes": [{"name": "y", "required": 1}]}])),
            "(x).subAttributes[0] (y)",
        ),
    ] {
        refused(&value, "schema_malformed", names);
    }
}

#[test]
fn names_that_are_taken_are_refused_whatever_their_case() {
    for name in ["username", "ID", "meta", "externalID", "Schemas", "groups"] {
        refused(&core(&json!([{ "name": name }])), "schema_name_taken", name);
    }
    refused(&core(&json!([{"name": "role"}, {"name": "Role"}])), "schema_name_taken", "Role");
    let parts = json!([{"name": "x", "type": "complex", "subAttributes": [{"name": "a"}, {"name": "A"}]}]);
    refused(&core(&parts), "schema_name_taken", "x.A");
    refused(
        &json!({"User": [{"id": ENTERPRISE_USER, "attributes": [{"name": "Department"}]}]}),
        "schema_name_taken",
        "Department",
    );
    let twice = json!({"id": HR, "name": "HR", "attributes": [{"name": "a"}]});
    refused(&json!({"User": [twice, twice]}), "schema_invalid", "twice");
}

#[test]
fn what_the_rfc_does_not_allow_is_refused_by_attribute() {
    let nested = json!([{"name": "x", "type": "complex", "subAttributes": [
        {"name": "y", "type": "complex", "subAttributes": [{"name": "z"}]}]}]);
    refused(&core(&nested), "schema_invalid", "x.y is complex");
    for (attribute, names) in [
        (json!({"name": "x", "type": "complex"}), "subAttributes"),
        (json!({"name": "x", "subAttributes": [{"name": "y"}]}), "subAttributes"),
        (json!({"name": "1x"}), "1x needs another name"),
        (json!({"name": "a.b"}), "a.b"),
        (json!({"name": "$ref"}), "$ref"),
        (json!({"name": "x", "type": "reference"}), "referenceTypes"),
        (json!({"name": "x", "referenceTypes": ["User"]}), "referenceTypes"),
        (json!({"name": "x", "type": "reference", "referenceTypes": ["Device"]}), "Device"),
        (json!({"name": "x", "type": "boolean", "canonicalValues": ["yes"]}), "canonicalValues"),
        (json!({"name": "x", "canonicalValues": [" "]}), "blank"),
    ] {
        let names = if names == "Device" { "none of external" } else { names };
        refused(&core(&json!([attribute])), "schema_invalid", names);
    }
    refused(&core(&json!([])), "schema_invalid", "adds no attributes");
}

#[test]
fn what_cannot_be_kept_cheaply_is_refused_with_the_reason() {
    for (attribute, names) in [
        (json!({"name": "x", "multiValued": true, "uniqueness": "server"}), "only singular"),
        (json!({"name": "x", "type": "integer", "uniqueness": "global"}), "only singular"),
        (json!({"name": "x", "mutability": "writeOnly", "required": true}), "is not kept"),
        (
            json!({"name": "x", "type": "complex", "subAttributes": [{"name": "y", "multiValued": true}]}),
            "x.y",
        ),
        (
            json!({"name": "x", "type": "complex", "subAttributes": [{"name": "y", "uniqueness": "server"}]}),
            "x.y",
        ),
        (
            json!({"name": "x", "type": "complex", "subAttributes": [{"name": "y", "mutability": "writeOnly"}]}),
            "x.y",
        ),
    ] {
        refused(&core(&json!([attribute])), "schema_unsupported", names);
    }
}

#[test]
fn an_extension_needs_a_urn_of_its_own_and_a_name() {
    let extension =
        |id: &str, name: &str| json!({"User": [{"id": id, "name": name, "attributes": [{"name": "a"}]}]});
    for id in [
        "hr",
        "http://example.com/hr",
        "urn:a b",
        "urn:a\"b",
        "urn:a(b)",
        GROUP,
        "urn:ietf:params:scim:api:messages:2.0:Error",
        "urn:scim:schemas:extension:x:1.0",
        &format!("{USER}:hr"),
        &format!("urn:{}", "x".repeat(256)),
    ] {
        refused(&extension(id, "X"), "schema_invalid", id);
    }
    refused(&extension(HR, " "), "schema_invalid", "needs a name");
    let both = json!({
        "User": [{"id": HR, "name": "HR", "attributes": [{"name": "a"}]}],
        "Group": [{"id": HR, "name": "HR", "attributes": [{"name": "b"}]}],
    });
    refused(&both, "schema_invalid", "the same for both");
    let continued = json!({"User": [
        {"id": HR, "name": "HR", "attributes": [{"name": "a"}]},
        {"id": format!("{HR}:a"), "name": "HR", "attributes": [{"name": "b"}]},
    ]});
    refused(&continued, "schema_invalid", "ambiguous");
}

#[test]
fn added_attributes_have_a_limit() {
    let many = |count: usize| core(&(0..count).map(|number| json!({"name": format!("a{number}")})).collect());
    assert!(read(&many(256)).is_ok());
    refused(&many(257), "schema_invalid", "256");
}

#[test]
fn only_attributes_with_canonical_values_can_enforce_them() {
    let additions = read(&core(&json!([{"name": "role"}]))).unwrap();
    for path in ["role", "emails", "nothing", "", "userName"] {
        let error = additions.check_enforced(&[path.to_owned()]).unwrap_err();
        assert_eq!(error.code, "schema_invalid", "{path}");
    }
}

#[test]
fn beside_stored_resources_only_what_is_safe_for_them_changes() {
    let base = json!({"name": "role", "uniqueness": "server", "canonicalValues": ["a"]});
    let before = read(&core(&json!([base]))).unwrap();
    let change = |attributes: &Value| {
        read(&core(attributes)).unwrap().check_beside_resources(&before, ResourceType::User)
    };
    for safe in [
        json!([base, {"name": "more"}]),
        json!([{"name": "role", "canonicalValues": ["b"], "returned": "request", "mutability": "immutable"}]),
        json!([{"name": "role", "uniqueness": "server", "description": "A role."}]),
    ] {
        assert_eq!(change(&safe), Ok(()), "{safe}");
    }
    for (attributes, names) in [
        (json!([{"name": "other"}]), "removed or renamed"),
        (json!([{"name": "role", "type": "integer"}]), "type"),
        (json!([{"name": "role", "multiValued": true}]), "multiValued"),
        (json!([{"name": "role", "mutability": "writeOnly"}]), "writeOnly"),
        (json!([{"name": "role", "required": true}]), "required"),
        (json!([{"name": "role", "uniqueness": "server", "caseExact": true}]), "caseExact"),
        (json!([base, {"name": "more", "required": true}]), "required"),
    ] {
        let error = change(&attributes).unwrap_err();
        assert_eq!(error.code, "schema_in_use", "{attributes}");
        assert!(error.detail.contains(names), "{error}");
    }
    let nothing = Additions::default();
    assert_eq!(
        nothing.check_beside_resources(&before, ResourceType::User).unwrap_err().code,
        "schema_in_use"
    );
    assert_eq!(nothing.check_beside_resources(&before, ResourceType::Group), Ok(()));
    let extension =
        json!({"User": [{"id": HR, "name": "HR", "attributes": [{"name": "a", "required": true}]}]});
    let extension = read(&extension).unwrap();
    assert_eq!(extension.check_beside_resources(&nothing, ResourceType::User), Ok(()), "nobody has it yet");
}
