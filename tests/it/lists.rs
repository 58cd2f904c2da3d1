//! Lists over HTTP: filters, order, pages, and the methods of every endpoint.

use serde_json::{Value, json};

use crate::harness::{Tenant, TestService, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Percent-encodes what stands in a query.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A tenant with five people in one house; the ids of the people in order.
async fn house(service: &TestService) -> (Tenant, Vec<String>) {
    let acme = service.create_tenant("acme", "generic").await;
    let people = [
        json!({
            "userName": "alice@example.com", "title": "Guide", "externalId": "x1", "nickName": "Ali",
            "name": {"familyName": "Jensen", "givenName": "Alice"},
            "emails": [{"value": "alice@example.com", "type": "work", "primary": true}, {"value": "ali@home.example", "type": "home"}],
            ENTERPRISE: {"department": "Tours", "employeeNumber": "7"},
        }),
        json!({
            "userName": "Bob@example.com", "title": "guide", "active": false, "externalId": "X1",
            "name": {"familyName": "Smith", "givenName": "Bob"},
            "emails": [{"value": "bob@home.example", "type": "home"}],
        }),
        json!({"userName": "carol@example.org", "name": {"familyName": "jensen"}, ENTERPRISE: {"department": "Sales"}}),
        json!({"userName": "Straße \"quoted\" \\ back", "displayName": "Zoë"}),
        json!({"userName": "erin+tag@example.org", "title": "", "roles": [{"value": "admin", "primary": true}]}),
    ];
    let mut ids = Vec::new();
    for mut person in people {
        person["schemas"] = json!([USER, ENTERPRISE]);
        ids.push(id_of(&acme.post("/Users", person).await.expect(201)));
    }
    acme.group("Guides", &[&ids[0], &ids[2]]).await;
    (acme, ids)
}

/// The places (from 1) in the house of those whom a list has, in its order, as digits.
fn places(list: &Value, ids: &[String]) -> String {
    let place = |resource: &Value| {
        let found = ids.iter().position(|id| resource["id"] == id.as_str()).expect("somebody of the house");
        (found + 1).to_string()
    };
    list["Resources"].as_array().expect("a list has resources").iter().map(place).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_finds_whom_it_names() {
    let service = TestService::start().await;
    let (acme, ids) = house(&service).await;
    let group = acme.get("/Groups").await.expect(200)["Resources"][0]["id"].as_str().unwrap().to_owned();
    let created = acme.get(&format!("/Users/{}", ids[2])).await.expect(200)["meta"]["created"].clone();
    let created = created.as_str().unwrap();
    let department = format!("{ENTERPRISE}:department");
    for (filter, found) in [
        ("userName eq \"alice@example.com\"", "1"),
        ("USERNAME EQ \"ALICE@EXAMPLE.COM\"", "1"),
        (&format!("{USER}:userName eq \"bob@example.com\""), "2"),
        ("userName eq \"STRASSE \\\"quoted\\\" \\\\ back\"", "4"),
        ("userName eq \"erin+tag@example.org\"", "5"),
        ("userName eq \"nobody\"", ""),
        ("userName ne \"alice@example.com\"", "2345"),
        ("userName co \"EXAMPLE\"", "1235"),
        ("userName sw \"b\"", "2"),
        ("userName ew \".org\"", "35"),
        ("userName gt \"b\" and userName lt \"d\"", "23"),
        ("userName ge \"bob@example.com\" and userName le \"carol@example.org\"", "23"),
        ("title pr", "12"),
        ("not (title pr)", "345"),
        ("title eq null", "345"),
        ("title ne null", "12"),
        ("title eq \"GUIDE\"", "12"),
        ("active eq false", "2"),
        ("active eq true and title pr", "1"),
        ("active eq \"False\"", "2"),
        ("name.familyName eq \"JENSEN\"", "13"),
        ("name pr", "123"),
        ("emails pr", "12"),
        ("emails eq \"bob@home.example\"", "2"),
        ("emails.value co \"home\"", "12"),
        ("emails[type eq \"work\" and value co \"home\"]", ""),
        ("emails[type eq \"home\" and value co \"home\"]", "12"),
        ("emails[type eq \"work\"].value eq \"ALICE@example.com\"", "1"),
        ("emails.type ne \"home\"", "1345"),
        ("not (emails.type eq \"home\")", "345"),
        ("roles[primary eq true]", "5"),
        (&format!("{department} eq \"tours\""), "1"),
        ("department eq \"Sales\"", "3"),
        (&format!("{ENTERPRISE}:employeeNumber eq \"7\""), "1"),
        ("externalId eq \"x1\"", "1"),
        ("externalId eq \"X1\"", "2"),
        ("externalId pr", "12"),
        (&format!("id eq \"{}\"", ids[3]), "4"),
        (&format!("id eq \"{}\" or id eq \"{}\"", ids[4], ids[0]), "15"),
        (&format!("groups.value eq \"{group}\""), "13"),
        ("groups.display eq \"guides\"", "13"),
        ("groups pr", "13"),
        ("meta.resourceType eq \"User\"", "12345"),
        ("meta.created gt \"2011-05-13T04:42:34Z\"", "12345"),
        (&format!("meta.created ge \"{created}\""), "345"),
        (&format!("meta.lastModified lt \"{created}\""), "12"),
        (&format!("schemas eq \"{ENTERPRISE}\""), "13"),
        ("title pr or userName sw \"c\" and active eq false", "12"),
        ("(title pr or userName sw \"c\") and active eq true", "13"),
        ("not (title pr) and not (userName sw \"c\")", "45"),
        ("userName eq alice@example.com", "1"),
        ("displayName eq \"zoë\"", "4"),
    ] {
        let list = acme.get(&format!("/Users?filter={}", encoded(filter))).await.expect(200);
        assert_eq!(places(&list, &ids), found, "{filter}");
        assert_eq!(list["totalResults"], found.len(), "{filter}");
        assert_eq!(list["itemsPerPage"], found.len(), "{filter}");
    }
    let plus = acme.get("/Users?Filter=userName+eq+%22erin%2Btag@example.org%22").await.expect(200);
    assert_eq!(places(&plus, &ids), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_by_name_shows_whoever_has_it_now_as_a_get_does() {
    let service = TestService::start().await;
    let (acme, ids) = house(&service).await;
    let look_up = async |name: &str, more: &str| {
        let filter = encoded(&format!("userName eq \"{name}\""));
        acme.get(&format!("/Users?filter={filter}{more}")).await.expect(200)
    };
    let shown = async || acme.get(&format!("/Users/{}", ids[0])).await.expect(200);
    for _ in ["read as it is asked for", "as it was read last"] {
        let list = look_up("alice@example.com", "").await;
        assert_eq!((&list["totalResults"], &list["Resources"]), (&json!(1), &json!([shown().await])));
    }
    for (more, start, found) in [
        ("&startIndex=0&count=1", 1, "1"),
        ("&startIndex=2", 2, ""),
        ("&count=0", 1, ""),
        ("&attributes=userName", 1, "1"),
        ("&excludedAttributes=groups", 1, "1"),
    ] {
        let list = look_up("ALICE@example.com", more).await;
        assert_eq!(places(&list, &ids), found, "{more}");
        assert_eq!((&list["totalResults"], &list["startIndex"]), (&json!(1), &json!(start)), "{more}");
        assert!(list["Resources"][0]["groups"].is_null() || !more.contains("ttributes"), "{more}");
    }
    let rename = |name: &str| json!([{"op": "replace", "path": "userName", "value": name}]);
    acme.patch(&format!("/Users/{}", ids[0]), rename("alba@example.com")).await.expect(200);
    acme.patch(&format!("/Users/{}", ids[1]), rename("alice@example.com")).await.expect(200);
    acme.group("Drivers", &[&ids[0]]).await;
    for (name, found) in [("alice@example.com", "2"), ("alba@example.com", "1"), ("bob@example.com", "")] {
        assert_eq!(places(&look_up(name, "").await, &ids), found, "{name}");
    }
    let alba = &look_up("alba@example.com", "").await["Resources"][0];
    assert_eq!(*alba, shown().await);
    assert_eq!(alba["groups"].as_array().unwrap().len(), 2);
    acme.delete(&format!("/Users/{}", ids[0])).await.expect(204);
    assert_eq!(places(&look_up("alba@example.com", "").await, &ids), "");
    let taken_over = acme.user("Alba@example.com").await;
    for _ in ["read as it is asked for", "as it was read last"] {
        let list = look_up("alba@example.com", "").await;
        assert_eq!(list["Resources"], json!([acme.get(&format!("/Users/{taken_over}")).await.expect(200)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_hold_is_refused_with_what_would_be_right() {
    let service = TestService::start().await;
    let (acme, _) = house(&service).await;
    let deep = format!("{}userName pr{}", "(".repeat(65), ")".repeat(65));
    let long = format!("userName eq \"{}\"", "x".repeat(10 * 1024));
    for (filter, status, scim_type, code) in [
        ("", 400, "invalidFilter", "filter_empty"),
        ("shoeSize eq 44", 400, "invalidFilter", "filter_unknown_attribute"),
        ("userName is \"x\"", 400, "invalidFilter", "filter_invalid"),
        ("userName eq", 400, "invalidFilter", "filter_invalid"),
        ("userName eq \"x", 400, "invalidFilter", "filter_invalid"),
        ("(userName pr", 400, "invalidFilter", "filter_invalid"),
        ("userName pr and", 400, "invalidFilter", "filter_invalid"),
        ("not userName pr", 400, "invalidFilter", "filter_invalid"),
        ("emails[type eq \"x\"", 400, "invalidFilter", "filter_invalid"),
        ("emails[groups[value pr]]", 400, "invalidFilter", "filter_invalid"),
        ("active gt true", 400, "invalidFilter", "filter_operator_type"),
        ("active eq 1", 400, "invalidFilter", "filter_value_type"),
        ("meta.created gt \"yesterday\"", 400, "invalidFilter", "filter_value_type"),
        ("name eq \"x\"", 400, "invalidFilter", "filter_complex_attribute"),
        ("password eq \"x\"", 403, "sensitive", "filter_sensitive_attribute"),
        ("password pr", 403, "sensitive", "filter_sensitive_attribute"),
        (&deep, 400, "invalidFilter", "filter_too_deep"),
        (&long, 400, "invalidFilter", "filter_too_long"),
    ] {
        let refused = acme.get(&format!("/Users?filter={}", encoded(filter))).await;
        refused.refused(status, Some(scim_type), code);
        assert!(!refused.text.contains("yesterday"), "a refusal never repeats a value: {}", refused.text);
    }
    for (parameters, scim_type, code) in [
        ("sortBy=shoeSize", "invalidPath", "sort_by_unknown"),
        ("sortBy=name", "invalidPath", "sort_by_complex"),
        ("sortBy=password", "invalidPath", "sort_by_unknown"),
        ("sortBy=userName&sortOrder=down", "invalidValue", "sort_order_invalid"),
        ("startIndex=one", "invalidValue", "start_index_invalid"),
        ("count=many", "invalidValue", "count_invalid"),
    ] {
        acme.get(&format!("/Users?{parameters}")).await.refused(400, Some(scim_type), code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_sorted_with_resources_without_a_value_largest() {
    let service = TestService::start().await;
    let (acme, ids) = house(&service).await;
    for (parameters, order) in [
        ("", "12345"),
        ("sortBy=userName", "12354"),
        ("sortBy=USERNAME&sortOrder=Descending", "45321"),
        ("sortBy=userName&sortorder=ascending", "12354"),
        ("sortBy=title", "51234"),
        ("sortBy=title&sortOrder=descending", "34125"),
        ("sortBy=name.familyName", "13245"),
        ("sortBy=name.familyName&sortOrder=descending", "45213"),
        ("sortBy=emails", "12345"),
        ("sortBy=emails.value&sortOrder=descending", "34521"),
        ("sortBy=externalId", "21345"),
        ("sortBy=active", "21345"),
        ("sortBy=meta.created&sortOrder=descending", "54321"),
        (&format!("sortBy={ENTERPRISE}:department"), "31245"),
        ("sortOrder=descending", "12345"),
        ("sortBy=userName&filter=title%20pr&sortOrder=descending", "21"),
    ] {
        let list = acme.get(&format!("/Users?{parameters}")).await.expect(200);
        assert_eq!(places(&list, &ids), order, "{parameters}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_counted_in_whole_numbers_and_keep_their_order() {
    let service = TestService::start().await;
    let (acme, ids) = house(&service).await;
    for (parameters, start, found) in [
        ("startIndex=1&count=2", 1, "12"),
        ("startIndex=3&count=2", 3, "34"),
        ("startIndex=5&count=2", 5, "5"),
        ("startIndex=6&count=2", 6, ""),
        ("startIndex=999999999999", 999_999_999_999_u64, ""),
        ("startIndex=0", 1, "12345"),
        ("startIndex=-1&count=1", 1, "1"),
        ("count=0", 1, ""),
        ("count=-5", 1, ""),
        ("count=9999", 1, "12345"),
        ("STARTINDEX=2&Count=3", 2, "234"),
        ("startIndex=2&count=2&sortBy=userName&sortOrder=descending", 2, "53"),
        ("count=2&attributes=userName&unknown=1", 1, "12"),
    ] {
        let list = acme.get(&format!("/Users?{parameters}")).await.expect(200);
        let expected = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 5, "startIndex": start, "itemsPerPage": found.len(), "Resources": list["Resources"],
        });
        assert_eq!(list, expected, "{parameters}");
        assert_eq!(places(&list, &ids), found, "{parameters}");
    }
    let whole = acme.get("/Users").await.expect(200);
    for (place, resource) in whole["Resources"].as_array().unwrap().iter().enumerate() {
        assert_eq!(acme.get(&format!("/Users/{}", ids[place])).await.expect(200), *resource);
    }
    acme.delete(&format!("/Users/{}", ids[1])).await.expect(204);
    acme.patch(&format!("/Users/{}", ids[0]), json!([{"op": "add", "path": "title", "value": "x"}]))
        .await
        .expect(200);
    let list = acme.get("/Users?count=2").await.expect(200);
    assert_eq!(
        (places(&list, &ids).as_str(), &list["totalResults"]),
        ("13", &json!(4)),
        "a change moves nobody"
    );
    let groups = acme.get("/Groups?filter=displayName%20eq%20%22nobody%22").await.expect(200);
    assert_eq!((&groups["totalResults"], &groups["Resources"]), (&json!(0), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_says_what_it_allows() {
    let service = TestService::start().await;
    let (acme, ids) = house(&service).await;
    let (one, id) = (format!("/Users/{}", ids[0]), "/Groups/0198c0de-0000-7000-8000-00000000000a".to_owned());
    let lists = "GET, HEAD, POST, OPTIONS";
    let single = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    let discovery = "GET, HEAD, OPTIONS";
    let search = "POST, OPTIONS";
    for (path, allowed, refused) in [
        ("/Users", lists, vec!["PUT", "PATCH", "DELETE", "FOO", "TRACE"]),
        ("/Groups", lists, vec!["PUT", "PATCH", "DELETE", "FOO"]),
        (one.as_str(), single, vec!["POST", "FOO", "users"]),
        (&id, single, vec!["POST", "FOO"]),
        ("/ServiceProviderConfig", discovery, vec!["POST", "PUT", "PATCH", "DELETE", "FOO"]),
        ("/ResourceTypes", discovery, vec!["POST", "DELETE"]),
        ("/ResourceTypes/User", discovery, vec!["POST", "DELETE"]),
        ("/Schemas", discovery, vec!["POST", "FOO"]),
        ("", discovery, vec!["POST", "PUT", "PATCH", "DELETE", "FOO"]),
        ("/", discovery, vec!["POST", "DELETE"]),
        ("/.search", search, vec!["GET", "PUT", "PATCH", "DELETE", "FOO"]),
        ("/Users/.search", search, vec!["GET", "PUT", "PATCH", "DELETE"]),
        ("/Groups/.search", search, vec!["GET", "PUT", "PATCH", "DELETE"]),
    ] {
        let options = acme.send("OPTIONS", path, None).await;
        assert_eq!((options.status, options.header("allow")), (204, Some(allowed)), "{path}");
        for method in refused {
            let answer = acme.send(method, path, Some(json!({}))).await;
            answer.refused(405, None, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        }
    }
    for path in
        ["/Users?count=1", one.as_str(), "/ServiceProviderConfig", "/Schemas", "/ResourceTypes/Group", "/"]
    {
        let (head, get) = (acme.send("HEAD", path, None).await, acme.get(path).await);
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        for header in ["content-type", "etag", "content-location"] {
            assert_eq!(head.header(header), get.header(header), "{path}");
        }
    }
    assert_eq!(acme.send("HEAD", &id, None).await.status, 404);
    for path in ["/Bulk/x", "/Me/x", "/Users/a/b", "/.search/a", "/Devices"] {
        acme.get(path).await.refused(404, None, "route_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_is_served_whole_and_one_by_one() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let config = acme.get("/ServiceProviderConfig").await.expect(200);
    for (feature, supported) in [
        ("patch", true),
        ("bulk", true),
        ("filter", true),
        ("sort", true),
        ("etag", true),
        ("changePassword", false),
    ] {
        assert_eq!(config[feature]["supported"], supported, "{feature}");
    }
    assert_eq!(config["meta"]["location"], json!(format!("{}/ServiceProviderConfig", acme.base_url)));
    for (path, names) in [
        ("/ResourceTypes", vec!["User", "Group"]),
        ("/Schemas", vec![USER, ENTERPRISE, "urn:ietf:params:scim:schemas:core:2.0:Group"]),
    ] {
        let list = acme.get(path).await.expect(200);
        assert_eq!(list["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]));
        assert_eq!(
            (&list["totalResults"], &list["itemsPerPage"]),
            (&json!(names.len()), &json!(names.len()))
        );
        for (resource, name) in list["Resources"].as_array().unwrap().iter().zip(names) {
            assert_eq!(resource["id"], name);
            assert_eq!(acme.get(&format!("{path}/{name}")).await.expect(200), *resource);
            assert_eq!(acme.get(&format!("{path}/{}", name.to_lowercase())).await.expect(200), *resource);
        }
        acme.get(&format!("{path}/nothing")).await.refused(404, None, "discovery_not_found");
        acme.get(&format!("{path}?filter=id%20pr")).await.refused(403, None, "discovery_filter");
        assert_eq!(acme.get(&format!("{path}?startIndex=9&count=1&sortBy=x")).await.expect(200), list);
    }
}
