//! What a tenant adds to the schemas: data from its settings, enforced wherever an attribute is read or written.

use serde_json::{Value, json};

use crate::harness::{Tenant, TestService, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const HR: &str = "urn:example:hr:1.0:User";

/// A bit of everything.
fn additions() -> Value {
    json!({
        "schemas": {
            "User": [
                {"id": USER, "attributes": [
                    {"name": "role", "canonicalValues": ["owner", "guest"]},
                    {"name": "badge", "uniqueness": "server"},
                    {"name": "seats", "type": "integer"},
                    {"name": "origin", "mutability": "immutable", "caseExact": true},
                    {"name": "secret", "mutability": "writeOnly", "returned": "never"},
                    {"name": "hint", "returned": "never"},
                    {"name": "notes", "returned": "request"},
                    {"name": "buddy", "type": "reference", "referenceTypes": ["User"]},
                ]},
                {"id": HR, "name": "HR", "attributes": [
                    {"name": "grade", "required": true},
                    {"name": "since", "type": "dateTime"},
                    {"name": "skills", "type": "complex", "multiValued": true,
                     "subAttributes": [{"name": "value"}, {"name": "level", "type": "decimal"}]},
                ]},
            ],
            "Group": [{"id": GROUP, "attributes": [{"name": "description"}]}],
        },
        "enforce_canonical_values": ["role"],
    })
}

async fn tenant(service: &TestService) -> Tenant {
    service.create_tenant_with("acme", json!({"settings": additions()})).await
}

fn user(name: &str, more: &Value) -> Value {
    let mut body = json!({"schemas": [USER, HR], "userName": name});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_serves_what_the_tenant_added_and_no_other_tenant_has_it() {
    let service = TestService::start().await;
    let acme = tenant(&service).await;
    let served = acme.get(&format!("/Schemas/{USER}")).await.expect(200);
    let role = |schema: &Value| {
        let attributes = schema["attributes"].as_array().unwrap();
        attributes.iter().find(|attribute| attribute["name"] == "role").cloned()
    };
    assert_eq!(
        role(&served).unwrap(),
        json!({
            "name": "role", "type": "string", "multiValued": false, "description": "", "required": false,
            "canonicalValues": ["owner", "guest"], "caseExact": false, "mutability": "readWrite",
            "returned": "default", "uniqueness": "none",
        })
    );
    assert_eq!(acme.get(&format!("/Schemas/{HR}")).await.expect(200)["name"], "HR");
    let extensions = acme.get("/ResourceTypes/User").await.expect(200)["schemaExtensions"].clone();
    assert!(extensions.as_array().unwrap().contains(&json!({"schema": HR, "required": false})));
    let beta = service.create_tenant("beta", "generic").await;
    assert_eq!(role(&beta.get(&format!("/Schemas/{USER}")).await.expect(200)), None);
    beta.get(&format!("/Schemas/{HR}")).await.refused(404, None, "discovery_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_attribute_is_checked_by_every_verb_that_writes() {
    let service = TestService::start().await;
    let acme = tenant(&service).await;
    let ann =
        acme.post("/Users", user("ann", &json!({"role": "Owner", HR: {"grade": "a"}}))).await.expect(201);
    let path = format!("/Users/{}", id_of(&ann));
    for (more, code) in [
        (json!({"role": "boss"}), "value_not_allowed"),
        (json!({"seats": 1.5}), "wrong_type"),
        (json!({"buddy": "https://example.com/Groups/1"}), "wrong_type"),
        (json!({HR: {"since": "yesterday"}}), "required_missing"),
        (json!({HR: {"grade": "a", "since": "yesterday"}}), "wrong_type"),
        (json!({HR: {"grade": "a", "skills": [{"value": "x", "level": "high"}]}}), "wrong_type"),
    ] {
        acme.post("/Users", user("bob", &more)).await.refused(400, Some("invalidValue"), code);
        acme.put(&path, user("ann", &more)).await.refused(400, Some("invalidValue"), code);
        if code != "required_missing" {
            let operations = json!([{"op": "add", "value": more}]);
            acme.patch(&path, operations).await.refused(400, Some("invalidValue"), code);
        }
    }
    let refused = acme.post("/Users", user("bob", &json!({"role": "boss"}))).await;
    let detail = refused.body["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail, "role must be one of owner, guest; the request has another value");
    let first = json!([{"op": "add", "path": "origin", "value": "Rome"}]);
    acme.patch(&path, first).await.expect(200);
    let second = json!([{"op": "replace", "path": "origin", "value": "rome"}]);
    acme.patch(&path, second).await.refused(400, Some("mutability"), "immutable_changed");
    let group =
        acme.post("/Groups", json!({"schemas": [GROUP], "displayName": "G", "description": "d"})).await;
    assert_eq!(group.expect(201)["description"], "d");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_attribute_is_answered_as_its_schema_says() {
    let service = TestService::start().await;
    let acme = tenant(&service).await;
    let more = json!({"secret": "s3", "hint": "h1nt", "notes": "n", "seats": 3, HR: {"grade": "a"}});
    let made = acme.post("/Users", user("ann", &more)).await.expect(201);
    let path = format!("/Users/{}", id_of(&made));
    for shown in [
        made,
        acme.get(&path).await.expect(200),
        acme.get("/Users").await.expect(200)["Resources"][0].clone(),
    ] {
        assert_eq!((&shown["seats"], &shown[HR]), (&json!(3), &json!({"grade": "a"})));
        assert!(shown["schemas"].as_array().unwrap().contains(&json!(HR)), "{shown}");
        for hidden in ["secret", "hint", "notes"] {
            assert_eq!(shown.get(hidden), None, "{shown}");
        }
    }
    let chosen = acme.get(&format!("{path}?attributes=notes,secret,hint,{HR}:grade")).await.expect(200);
    assert_eq!((&chosen["notes"], &chosen[HR]["grade"]), (&json!("n"), &json!("a")));
    assert_eq!((chosen.get("secret"), chosen.get("hint"), chosen.get("seats")), (None, None, None));
    let events = service.admin("GET", "/audit/v1/acme/events", None).await.expect(200);
    assert!(!events.to_string().contains("s3"), "what is write-only is kept nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_attribute_is_filtered_and_sorted_by() {
    let service = TestService::start().await;
    let acme = tenant(&service).await;
    for (name, more) in [
        (
            "ann",
            json!({"role": "owner", "seats": 10, "origin": "Rome", HR: {"grade": "b", "since": "2026-01-01T00:00:00Z"}}),
        ),
        (
            "bob",
            json!({"role": "GUEST", "seats": 9, HR: {"grade": "A", "skills": [{"value": "x", "level": 1.5}]}}),
        ),
        ("cy", json!({"origin": "rome", "badge": "B1"})),
    ] {
        acme.post("/Users", user(name, &more)).await.expect(201);
    }
    let names = |list: Value| -> Vec<String> {
        let users = list["Resources"].as_array().unwrap().clone();
        users.iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect()
    };
    for (filter, expected) in [
        ("role eq \"Guest\"", vec!["bob"]),
        ("role pr", vec!["ann", "bob"]),
        ("role sw \"o\"", vec!["ann"]),
        ("not (role eq \"guest\")", vec!["ann", "cy"]),
        ("badge eq \"b1\"", vec!["cy"]),
        ("seats gt 9", vec!["ann"]),
        ("origin eq \"rome\"", vec!["cy"]),
        ("origin eq \"Rome\" and seats le 10", vec!["ann"]),
        ("urn:example:hr:1.0:User:grade eq \"a\"", vec!["bob"]),
        ("urn:example:hr:1.0:User:since lt \"2026-01-01T01:00:00+01:00\"", vec![]),
        ("urn:example:hr:1.0:User:skills[value eq \"X\" and level ge 1.5]", vec!["bob"]),
        ("schemas eq \"urn:example:hr:1.0:User\"", vec!["ann", "bob"]),
    ] {
        let query = filter.replace('+', "%2B").replace(' ', "%20").replace('"', "%22");
        let found = acme.get(&format!("/Users?filter={query}")).await.expect(200);
        assert_eq!(names(found), expected, "{filter}");
    }
    acme.get("/Users?filter=hint%20pr").await.refused(403, Some("sensitive"), "filter_sensitive_attribute");
    acme.get("/Users?filter=seats%20co%20%221%22").await.refused(
        400,
        Some("invalidFilter"),
        "filter_operator_type",
    );
    for (path, expected) in
        [("seats", ["bob", "ann", "cy"]), ("urn:example:hr:1.0:User:grade", ["bob", "ann", "cy"])]
    {
        assert_eq!(names(acme.get(&format!("/Users?sortBy={path}")).await.expect(200)), expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_attribute_that_is_unique_is_refused_a_second_time() {
    let service = TestService::start().await;
    let acme = tenant(&service).await;
    acme.post("/Users", user("ann", &json!({"badge": "B1"}))).await.expect(201);
    let second = acme.post("/Users", user("bob", &json!({"badge": "b1"}))).await;
    second.refused(409, Some("uniqueness"), "value_taken");
    let bob = id_of(&acme.post("/Users", user("bob", &json!({"badge": "B2"}))).await.expect(201));
    let take = json!([{"op": "replace", "path": "badge", "value": "b1"}]);
    acme.patch(&format!("/Users/{bob}"), take).await.refused(409, Some("uniqueness"), "value_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn additions_hold_from_the_next_request_on_and_after_a_restart_and_a_rebuild() {
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let with_role = user("ann", &json!({"role": "owner"}));
    let ann = acme.post("/Users", with_role.clone()).await.expect(201);
    assert_eq!(ann.get("role"), None, "nobody knows it yet");
    let update = |settings: Value| Some(json!({ "settings": settings }));
    let core = |attribute: Value| json!({"schemas": {"User": [{"id": USER, "attributes": [attribute]}]}});
    let role = core(json!({"name": "role"}));
    service.admin("PATCH", "/admin/v1/tenants/acme", update(role)).await.expect(200);
    let path = format!("/Users/{}", id_of(&ann));
    assert_eq!(acme.put(&path, with_role).await.expect(200)["role"], "owner");
    for (settings, code) in [
        (json!({"schemas": null}), "schema_in_use"),
        (core(json!({"name": "role", "type": "boolean"})), "schema_in_use"),
        (core(json!({"name": "userName"})), "schema_name_taken"),
        (core(json!({"name": "role", "typ": "string"})), "schema_malformed"),
    ] {
        let refused = service.admin("PATCH", "/admin/v1/tenants/acme", update(settings)).await;
        assert_eq!((refused.status, &refused.body["error"]["code"]), (400, &json!(code)), "{}", refused.text);
    }
    service.restarted(|data| std::fs::remove_file(data.join("tenants/acme/current.db")).unwrap()).await;
    let acme = Tenant { base_url: format!("{}/acme/scim/v2", service.url), ..acme };
    assert_eq!(acme.get(&path).await.expect(200)["role"], "owner");
    let found = acme.get("/Users?filter=role%20eq%20%22OWNER%22").await.expect(200);
    assert_eq!(found["totalResults"], 1);
}
