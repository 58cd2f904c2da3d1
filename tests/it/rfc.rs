//! The schemas that RFC 7643 prints, held against those that are served. Its other examples, and those of RFC 7644,
//! are conversations in `tests/wire/rfc`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::TestService;

/// Figure 9 of RFC 7643 (section 8.7.1) without its descriptions.
const FIGURE: &str = include_str!("../rfc/7643-8.7.1-schemas.json");

/// Where what is served differs from the figure: attribute, characteristic, value in the figure and served.
const DIFFERENCES: [&str; 12] = [
    // Section 2.4 gives every multi-valued attribute a `primary`; the figure forgets this one.
    "User addresses.primary: not in the figure",
    // Section 2.3.7: references are case exact; section 2.3.6: binaries are, too.
    "User profileUrl caseExact: false, true",
    "User photos.value caseExact: false, true",
    "User groups.$ref caseExact: false, true",
    "User x509Certificates.value caseExact: false, true",
    "Group members.$ref caseExact: false, true",
    "EnterpriseUser manager.$ref caseExact: false, true",
    // Section 4.1.2: `groups` holds groups alone.
    "User groups.$ref referenceTypes: [\"User\",\"Group\"], [\"Group\"]",
    // Errata 5368, 8471 and 8472.
    "Group displayName required: false, true",
    "Group members.display: not in the figure",
    "EnterpriseUser manager.value caseExact: false, true",
    // It follows from `manager.value` (docs/scim-conformance.md, clause 4.3-1).
    "EnterpriseUser manager.$ref mutability: \"readWrite\", \"readOnly\"",
];

/// The characteristics of section 2.2, and what holds of an attribute that says nothing.
fn defaults() -> [(&'static str, Value); 9] {
    [
        ("type", json!("string")),
        ("multiValued", json!(false)),
        ("required", json!(false)),
        ("caseExact", json!(false)),
        ("mutability", json!("readWrite")),
        ("returned", json!("default")),
        ("uniqueness", json!("none")),
        ("canonicalValues", json!([])),
        ("referenceTypes", json!([])),
    ]
}

/// All attributes of schemas by schema and path.
fn attributes(schemas: &Value) -> BTreeMap<String, &Value> {
    fn gather<'a>(attributes: &'a Value, place: &str, found: &mut BTreeMap<String, &'a Value>) {
        for attribute in attributes.as_array().into_iter().flatten() {
            let name = attribute["name"].as_str().expect("an attribute has a name");
            let place = format!("{place}{name}");
            gather(&attribute["subAttributes"], &format!("{place}."), found);
            found.insert(place, attribute);
        }
    }
    let mut found = BTreeMap::new();
    for schema in schemas.as_array().expect("schemas are a list") {
        let name = match schema["id"].as_str().expect("a schema has an id") {
            "urn:ietf:params:scim:schemas:core:2.0:User" => "User ",
            "urn:ietf:params:scim:schemas:core:2.0:Group" => "Group ",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User" => "EnterpriseUser ",
            _ => continue,
        };
        gather(&schema["attributes"], name, &mut found);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schemas_are_those_of_rfc_7643_but_for_errata_and_named_choices() {
    let service = TestService::start().await;
    let served = service.create_tenant("acme", "generic").await.get("/Schemas").await.expect(200);
    let figure = serde_json::from_str(FIGURE).expect("the figure is JSON");
    let (served, figure) = (attributes(&served["Resources"]), attributes(&figure));
    assert!(figure.len() > 70, "the figure is there");

    let mut differences = Vec::new();
    for (place, printed) in &figure {
        let Some(attribute) = served.get(place) else {
            differences.push(format!("{place}: not served"));
            continue;
        };
        for (name, default) in defaults() {
            let [printed, served] = [printed, attribute].map(|side| match &side[name] {
                Value::Null => default.clone(),
                value => value.clone(),
            });
            if printed != served {
                differences.push(format!("{place} {name}: {printed}, {served}"));
            }
        }
    }
    let unknown = served.keys().filter(|place| !figure.contains_key(*place));
    differences.extend(unknown.map(|place| format!("{place}: not in the figure")));
    differences.sort();
    let mut expected = DIFFERENCES.to_vec();
    expected.sort_unstable();
    assert_eq!(differences, expected);
}
