//! What is asked of several resource types at once or in a body, `/Me`, and the header fields that say where and
//! in which media type an answer is.

use serde_json::{Value, json};

use crate::harness::{Tenant, TestService, id_of};

const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// A tenant with two people and two groups; their ids by their first letters.
async fn house(service: &TestService) -> (Tenant, [String; 4]) {
    let acme = service.create_tenant("acme", "generic").await;
    let alice = acme.user("alice@example.com").await;
    let guides = acme.group("Guides", &[&alice]).await;
    let bob = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Bob@example.com",
        "displayName": "Bob", "externalId": "b-1",
    });
    let bob = id_of(&acme.post("/Users", bob).await.expect(201));
    let chefs = acme.group("Chefs", &[]).await;
    (acme, [alice, guides, bob, chefs])
}

async fn search(acme: &Tenant, path: &str, mut request: Value) -> Value {
    request["schemas"] = json!([SEARCH_REQUEST]);
    acme.post(path, request).await.expect(200)
}

/// The first letters of whom a list has, in its order.
fn letters(list: &Value, ids: &[String; 4]) -> String {
    let resources = list["Resources"].as_array().expect("a list has resources");
    assert_eq!(list["itemsPerPage"], resources.len());
    let letter = |resource: &Value| {
        let place = ids.iter().position(|id| resource["id"] == id.as_str()).expect("somebody of the house");
        char::from(b"agbc"[place])
    };
    resources.iter().map(letter).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_answered_as_the_same_list_is() {
    let service = TestService::start().await;
    let (acme, _) = house(&service).await;
    for (path, query, request) in [
        ("/Users", "", json!({})),
        ("/Groups", "", json!({"unknown": 1})),
        ("/Users", "?filter=userName%20sw%20%22b%22", json!({"filter": "userName sw \"b\""})),
        (
            "/Users",
            "?sortBy=userName&sortOrder=descending",
            json!({"SORTBY": "userName", "sortOrder": "Descending"}),
        ),
        ("/Users", "?startIndex=2&count=1", json!({"startIndex": 2, "count": 1})),
        ("/Users", "?count=0", json!({"count": -3})),
        ("/Users", "?attributes=userName,groups.value", json!({"attributes": ["userName", "groups.value"]})),
        ("/Groups", "?excludedAttributes=members", json!({"excludedAttributes": ["members"]})),
        (
            "/",
            "?filter=displayName%20pr&sortBy=displayName",
            json!({"filter": "displayName pr", "sortBy": "displayName"}),
        ),
    ] {
        let list = acme.get(&format!("{path}{query}")).await.expect(200);
        let path = format!("{}/.search", path.trim_end_matches('/'));
        assert_eq!(search(&acme, &path, request).await, list, "{path} {query}");
    }
    let ignored = json!({"schemas": [SEARCH_REQUEST], "count": 1});
    let answer = acme.post("/Users/.search?count=0&filter=nonsense", ignored).await.expect(200);
    assert_eq!(answer["itemsPerPage"], 1, "what stands in the URL of a search does not count");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_cannot_be_read_is_refused() {
    let service = TestService::start().await;
    let (acme, _) = house(&service).await;
    let with = |more: Value| {
        let mut request = json!({"schemas": [SEARCH_REQUEST]});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    for (request, scim_type, code) in [
        (json!({"filter": "title pr"}), "invalidSyntax", "search_schema_missing"),
        (json!([]), "invalidSyntax", "search_schema_missing"),
        (with(json!({"filter": 1})), "invalidValue", "search_value_type"),
        (with(json!({"attributes": [1]})), "invalidValue", "search_value_type"),
        (with(json!({"filter": "shoeSize pr"})), "invalidFilter", "filter_unknown_attribute"),
        (with(json!({"sortBy": "meta"})), "invalidPath", "sort_by_complex"),
        (with(json!({"count": 1.5})), "invalidValue", "count_invalid"),
        (
            with(json!({"attributes": ["id"], "excludedAttributes": ["name"]})),
            "invalidValue",
            "attributes_and_excluded",
        ),
    ] {
        for path in ["/.search", "/Users/.search", "/Groups/.search"] {
            acme.post(path, request.clone()).await.refused(400, Some(scim_type), code);
        }
    }
    let sensitive = with(json!({"filter": "password pr"}));
    acme.post("/.search", sensitive).await.refused(403, Some("sensitive"), "filter_sensitive_attribute");
    let untyped =
        acme.send_with("POST", "/.search", &[("Content-Type", "text/plain")], Some(b"{}".to_vec())).await;
    untyped.refused(415, None, "media_type_unsupported");
    let empty = acme.send("POST", "/Users/.search", None).await;
    empty.refused(400, Some("invalidSyntax"), "body_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_url_lists_resources_of_every_type() {
    let service = TestService::start().await;
    let (acme, ids) = house(&service).await;
    for (filter, found) in [
        ("", "agbc"),
        ("userName pr", "ab"),
        ("not (userName pr)", "gc"),
        ("userName ne \"alice@example.com\"", "gbc"),
        ("members.value pr or userName eq \"BOB@example.com\"", "gb"),
        ("displayName sw \"b\" or displayName sw \"c\"", "bc"),
        ("meta.resourceType eq \"Group\" and displayName pr", "gc"),
        ("externalId eq \"b-1\"", "b"),
        ("active eq \"True\"", "ab"),
        ("userName eq alice@example.com", "a"),
        ("urn:ietf:params:scim:schemas:core:2.0:Group:displayName eq \"chefs\"", "c"),
    ] {
        let filter = match filter {
            "" => json!({}),
            filter => json!({"filter": filter}),
        };
        let list = search(&acme, "/.search", filter.clone()).await;
        assert_eq!(
            (letters(&list, &ids).as_str(), &list["totalResults"]),
            (found, &json!(found.len())),
            "{filter}"
        );
    }
    for (query, found) in [
        ("", "agbc"),
        ("/", "agbc"),
        ("?startIndex=2&count=2", "gb"),
        ("?sortBy=displayName", "bcga"),
        ("?sortBy=displayName&sortOrder=descending", "agcb"),
        ("?sortBy=userName&sortOrder=descending", "gcba"),
        ("?sortBy=members.value", "gabc"),
        ("?sortBy=id&startIndex=2", "gbc"),
    ] {
        let list = acme.get(query).await.expect(200);
        assert_eq!(letters(&list, &ids), found, "{query}");
        assert_eq!(list["totalResults"], 4, "{query}");
    }
    let whole = acme.get("").await.expect(200);
    for (resource, path) in
        whole["Resources"].as_array().unwrap().iter().zip(["Users", "Groups", "Users", "Groups"])
    {
        assert_eq!(acme.get(&format!("/{path}/{}", id_of(resource))).await.expect(200), *resource);
    }
    let chosen = acme.get("?attributes=userName,members").await.expect(200);
    assert_eq!(chosen["Resources"][0]["userName"], "alice@example.com");
    assert_eq!(chosen["Resources"][1]["members"][0]["value"], ids[0].as_str());
    assert_eq!(chosen["Resources"][1].get("displayName"), None);
    acme.get("?filter=shoeSize%20pr").await.refused(400, Some("invalidFilter"), "filter_unknown_attribute");
}

#[tokio::test(flavor = "multi_thread")]
async fn me_is_not_offered_and_says_what_to_do_instead() {
    let service = TestService::start().await;
    let (acme, _) = house(&service).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "FOO"] {
        let answer = acme.send(method, "/Me", Some(json!({}))).await;
        answer.refused(501, None, "me_not_offered");
        assert!(answer.body["detail"].as_str().unwrap().contains("/Users/{id}"), "{}", answer.text);
    }
    let options = acme.send("OPTIONS", "/me", None).await;
    assert_eq!((options.status, options.header("allow")), (204, Some("OPTIONS")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_where_its_resource_is() {
    let service = TestService::start().await;
    let (acme, [alice, guides, ..]) = house(&service).await;
    let user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "carol"});
    let made = acme.post("/Users", user.clone()).await;
    assert_eq!((made.status, made.header("location")), (201, made.body["meta"]["location"].as_str()));
    let path = format!("/Users/{alice}");
    let operations = json!([{"op": "replace", "path": "title", "value": "Guide"}]);
    let answers = [
        made,
        acme.get(&path).await,
        acme.put(&path, json!({"schemas": user["schemas"], "userName": "alice"})).await,
        acme.patch(&path, operations).await,
        acme.patch(
            &format!("/Groups/{guides}?attributes=displayName,meta"),
            json!([{"op": "add", "path": "displayName", "value": "G"}]),
        )
        .await,
        acme.get(&format!("/Groups/{guides}")).await,
        acme.get("/ServiceProviderConfig").await,
        acme.get("/ResourceTypes/User").await,
        acme.get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group").await,
    ];
    for answer in answers {
        let location = answer.body["meta"]["location"].as_str();
        assert!(location.is_some() && answer.header("content-location") == location, "{}", answer.text);
    }
    let tag = acme.get(&path).await.header("etag").unwrap().to_owned();
    let known =
        acme.send_with("GET", &format!("{path}?attributes=userName"), &[("If-None-Match", &tag)], None).await;
    assert_eq!(
        (known.status, known.header("content-location")),
        (304, Some(format!("{}{path}", acme.base_url).as_str()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_errors_are_scim_json_unless_the_client_rather_has_plain_json() {
    let service = TestService::start().await;
    let (acme, [alice, ..]) = house(&service).await;
    for path in ["/Users", &format!("/Users/{alice}"), "/Schemas", "/", "/Users/none", "/Nothing", "/Me"] {
        for (accept, expected) in [
            (None, "application/scim+json"),
            (Some("application/scim+json"), "application/scim+json"),
            (Some("*/*"), "application/scim+json"),
            (Some("text/html"), "application/scim+json"),
            (Some("application/json"), "application/json"),
        ] {
            let accept: Vec<_> = accept.map(|accept| ("Accept", accept)).into_iter().collect();
            let answer = acme.send_with("GET", path, &accept, None).await;
            assert_eq!(answer.header("content-type"), Some(expected), "{path} {accept:?}");
        }
    }
}
