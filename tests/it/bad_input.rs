//! What no client should send: each is a clear refusal that says what to mend, and changes nothing.
//!
//! After every single request the events and a full list are what they were. What a well-behaved HTTP client
//! would not send is written to the socket byte by byte.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Answer, PATIENCE, Tenant, TestService, send};

mod transport;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A tenant with somebody in it, and what must not change.
struct House {
    service: TestService,
    acme: Tenant,
    alice: String,
    list: Value,
    revision: u64,
}

impl House {
    async fn start() -> Self {
        let service = TestService::start().await;
        let acme = service.create_tenant("acme", "generic").await;
        let alice = acme.user("alice@example.com").await;
        acme.group("Guides", &[&alice]).await;
        let list = acme.get("/Users").await.expect(200);
        let revision = service.revision("acme").await;
        Self { service, acme, alice, list, revision }
    }

    /// Asserts that the answer is a refusal in SCIM form and that nothing has changed.
    async fn refused(&self, what: &str, answer: Answer, status: u16, scim_type: Option<&str>, code: &str) {
        let code_told = answer.header("muster-error-code");
        assert_eq!(
            (answer.status, answer.body["scimType"].as_str(), code_told),
            (status, scim_type, Some(code)),
            "{what}: {}",
            answer.text
        );
        assert_eq!(answer.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]), "{what}");
        assert_eq!(answer.body["status"], json!(status.to_string()), "{what}");
        assert_eq!(answer.header("content-type"), Some("application/scim+json"), "{what}");
        assert!(
            answer.body["detail"].as_str().is_some_and(|detail| detail.len() > 20),
            "{what}: {}",
            answer.text
        );
        self.unchanged(what).await;
    }

    async fn unchanged(&self, what: &str) {
        assert_eq!(self.acme.get("/Users").await.expect(200), self.list, "{what}");
        assert_eq!(self.service.revision("acme").await, self.revision, "{what}");
    }

    /// Sends bytes to the path of an endpoint, with the tenant's token and these headers.
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.acme.send_with(method, path, headers, Some(body.into())).await
    }

    /// A request's head up to its last header, for what is written to the socket.
    fn head(&self, request_line: &str) -> String {
        let authority = self.service.url.trim_start_matches("http://");
        let token = &self.acme.token;
        let line = request_line.replace("BASE", "/acme/scim/v2");
        format!("{line} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n")
    }

    /// Writes bytes to the socket, says that no more will come, and reads the answer.
    async fn write(&self, bytes: &[u8]) -> Answer {
        let authority = self.service.url.trim_start_matches("http://");
        let exchange = async {
            let mut stream = TcpStream::connect(authority).await.expect("the service listens");
            // The service may answer and close before it has read everything.
            let written = stream.write_all(bytes).await;
            if written.is_ok() {
                stream.shutdown().await.expect("half of the connection can be closed");
            }
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer).await;
            assert!(read.is_ok() || !answer.is_empty(), "no answer: {read:?}");
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("there is an answer in time");
        parsed(&answer)
    }
}

/// An answer as it stands on the wire.
fn parsed(bytes: &[u8]) -> Answer {
    let text = String::from_utf8(bytes.to_vec()).expect("answers are UTF-8");
    let (head, text) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status: status.parse().expect("a status"),
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
        body: serde_json::from_str(text).unwrap_or(Value::Null),
        text: text.to_owned(),
    }
}

fn user(more: &str) -> String {
    format!(r#"{{"schemas":["{USER}"],"userName":"bob@example.com"{more}}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_is_refused_by_line_and_column() {
    let house = House::start().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let bodies: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", b"".into(), "body_missing"),
        ("half an object", b"{\"schemas\": [".into(), "json_malformed"),
        ("a word", b"userName=bob".into(), "json_malformed"),
        ("blanks", b"   ".into(), "json_malformed"),
        ("two objects", b"{} {}".into(), "json_malformed"),
        ("a comma too many", user(",").into(), "json_malformed"),
        ("a comment", b"{/* */}".into(), "json_malformed"),
        ("NaN", user(",\"x\": NaN").into(), "json_malformed"),
        ("a number beyond all numbers", user(",\"x\": 1e999").into(), "json_malformed"),
        ("half a surrogate pair", user(r#","title":"\ud800""#).into(), "json_malformed"),
        ("a raw control character", user(",\"title\":\"\u{1}\"").into(), "json_malformed"),
        ("bytes that are no UTF-8", b"{\"userName\": \"\xff\xfe\"}".into(), "json_not_utf8"),
        ("UTF-16", b"\xff\xfe{\0}\0".into(), "json_not_utf8"),
        ("arrays 10,000 deep", deep("[", "]").into(), "json_too_deep"),
        ("objects 10,000 deep", deep("{\"a\":", "}").replace(":}", ":1}").into(), "json_too_deep"),
        (
            "an unknown attribute 10,000 deep",
            user(&format!(",\"x\":{}", deep("[", "]"))).into(),
            "json_too_deep",
        ),
        ("10,000 brackets that never close", "[".repeat(10_000).into(), "json_too_deep"),
        ("a name twice", user(r#","title":"a","title":"b""#).into(), "json_duplicate_name"),
        ("a name twice in other case", user(r#","USERNAME":"b""#).into(), "json_duplicate_name"),
        (
            "a name twice below",
            user(r#","name":{"givenName":"a","GivenName":"b"}"#).into(),
            "json_duplicate_name",
        ),
        ("an array", b"[]".into(), "body_not_an_object"),
        ("a text", b"\"bob\"".into(), "body_not_an_object"),
        ("null", b"null".into(), "body_not_an_object"),
    ];
    for (what, body, code) in bodies {
        let put = format!("/Users/{}", house.alice);
        for (method, path) in [("POST", "/Users"), ("PUT", put.as_str()), ("POST", "/Groups")] {
            let answer = house.send(method, path, &[], body.clone()).await;
            house
                .refused(&format!("{what} by {method} {path}"), answer, 400, Some("invalidSyntax"), code)
                .await;
        }
        if code != "body_not_an_object" {
            let answer = house.send("PATCH", &put, &[], body).await;
            house.refused(&format!("{what} by PATCH"), answer, 400, Some("invalidSyntax"), code).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_wrong_values_is_refused_by_name() {
    let house = House::start().await;
    for (more, named, code) in [
        (r#","active":"maybe""#, "active", "wrong_type"),
        (r#","active":1"#, "active", "wrong_type"),
        (r#","title":7"#, "title", "wrong_type"),
        (r#","title":{"value":"x"}"#, "title", "wrong_type"),
        (r#","title":["x"]"#, "title", "wrong_type"),
        (r#","name":"Bob""#, "name", "wrong_type"),
        (r#","name":{"givenName":true}"#, "name.givenName", "wrong_type"),
        (r#","emails":"bob@example.com""#, "emails", "wrong_type"),
        (r#","emails":["bob@example.com"]"#, "emails (element 1)", "wrong_type"),
        (r#","emails":[{"value":"a"},{"value":7}]"#, "emails.value (element 2)", "wrong_type"),
        (
            r#","emails":[{"value":"a","primary":true},{"value":"b","primary":true}]"#,
            "emails",
            "primary_repeated",
        ),
        (r#","x509Certificates":[{"value":"$$$"}]"#, "x509Certificates", "wrong_type"),
        (
            r#","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":"x""#,
            "extension:enterprise",
            "wrong_type",
        ),
        (
            r#","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":{}}}"#,
            "manager",
            "wrong_type",
        ),
    ] {
        let answer = house.send("POST", "/Users", &[], user(more)).await;
        assert!(
            answer.body["detail"].as_str().is_some_and(|detail| detail.contains(named)),
            "{more}: {}",
            answer.text
        );
        house.refused(more, answer, 400, Some("invalidValue"), code).await;
    }
    for (body, scim_type, code) in [
        (json!({"schemas": [USER]}), "invalidValue", "required_missing"),
        (json!({"schemas": [USER], "userName": null}), "invalidValue", "required_missing"),
        (json!({"schemas": [USER], "userName": " "}), "invalidValue", "required_missing"),
        (json!({"schemas": [USER], "userName": 7}), "invalidValue", "wrong_type"),
        (json!({"userName": "bob"}), "invalidSyntax", "schemas_missing"),
        (json!({"schemas": [], "userName": "bob"}), "invalidSyntax", "schemas_missing"),
        (json!({"schemas": USER, "userName": "bob"}), "invalidSyntax", "schemas_malformed"),
        (json!({"schemas": [7], "userName": "bob"}), "invalidSyntax", "schemas_malformed"),
        (json!({"schemas": [GROUP], "userName": "bob"}), "invalidSyntax", "schemas_without_core"),
    ] {
        let answer = house.send("POST", "/Users", &[], body.to_string()).await;
        house.refused(&body.to_string(), answer, 400, Some(scim_type), code).await;
    }
    for (value, named) in [
        ("emp-4711", "\"emp-4711\""),
        ("carol@example.com", "member 2"),
        ("Carol Example", "member 2"),
        (&"7".repeat(65), "member 2"),
    ] {
        let members = json!([{"value": house.alice}, {"value": value}]);
        let body = json!({"schemas": [GROUP], "displayName": "x", "members": members});
        let answer = house.send("POST", "/Groups", &[], body.to_string()).await;
        assert!(answer.body["detail"].as_str().unwrap().contains(named), "{}", answer.text);
        assert_eq!(answer.text.contains(value), named.contains(value), "{}", answer.text);
        house.refused(value, answer, 400, Some("invalidValue"), "unknown_member").await;
    }
    for (members, code) in [
        (json!("x"), "members_malformed"),
        (json!(["x"]), "members_malformed"),
        (json!([{"display": "x"}]), "members_malformed"),
        (json!([{"value": 7}]), "members_malformed"),
        (json!([{"value": house.alice, "type": "Printer"}]), "members_malformed"),
    ] {
        let body = json!({"schemas": [GROUP], "displayName": "x", "members": members});
        let answer = house.send("POST", "/Groups", &[], body.to_string()).await;
        house.refused(&body.to_string(), answer, 400, Some("invalidValue"), code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_limits_is_refused_and_the_limit_is_named() {
    let house = House::start().await;
    let alice = format!("/Users/{}", house.alice);
    let big = user(&format!(",\"title\":\"{}\"", "x".repeat(1024 * 1024)));
    for (method, path) in [("POST", "/Users"), ("PUT", &alice), ("PATCH", &alice)] {
        let answer = house.send(method, path, &[], big.clone()).await;
        assert!(answer.body["detail"].as_str().unwrap().contains("1048576"), "{}", answer.text);
        house.refused(method, answer, 413, None, "body_too_large").await;
    }
    // Far more than any socket buffers: the refusal has to arrive although the body was not read.
    for size in [17, 40] {
        let answer = house.send("POST", "/Groups", &[], vec![b' '; size * 1024 * 1024]).await;
        house.refused("a body beyond all limits", answer, 413, None, "body_too_large").await;
    }
    let operation = json!({"op": "replace", "path": "title", "value": "x"});
    let operations = json!({"schemas": [PATCH_OP], "Operations": vec![operation; 1_001]});
    let answer = house.send("PATCH", &alice, &[], operations.to_string()).await;
    house.refused("1,001 operations", answer, 400, Some("tooMany"), "patch_too_many_operations").await;
    let members: Vec<Value> = (0..100_001).map(|n| json!({"value": n.to_string()})).collect();
    let body = json!({"schemas": [GROUP], "displayName": "x", "members": members});
    let answer = house.send("POST", "/Groups", &[], body.to_string()).await;
    house.refused("100,001 members", answer, 400, Some("invalidValue"), "too_many_members").await;
    let terms = vec!["value eq \"x\""; 20_000].join(" or ");
    let add = json!({"op": "add", "path": "emails", "value": (0..200).map(|n| json!({"value": n.to_string()})).collect::<Value>()});
    let remove = json!({"op": "remove", "path": format!("emails[{terms}]")});
    let body = json!({"schemas": [PATCH_OP], "Operations": [add, remove]});
    let answer = house.send("PATCH", &alice, &[], body.to_string()).await;
    house.refused("millions of comparisons", answer, 400, Some("tooMany"), "patch_too_costly").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_of_ten_thousand_terms_is_refused_however_it_is_sent() {
    let house = House::start().await;
    for (terms, term, status, scim_type, code) in [
        // As long as a filter may be, and in SQL as deep as one gets.
        (500, "id eq \"\"", 200, None, ""),
        (900, "id eq \"\"", 400, Some("invalidFilter"), "filter_too_long"),
        (1_000, "userName eq \"someone@example.com\"", 400, Some("invalidFilter"), "filter_too_long"),
        // Longer than a URL can be, and than a head.
        (5_000, "id pr", 400, Some("invalidFilter"), "filter_too_long"),
        (10_000, "id pr", 400, Some("invalidFilter"), "filter_too_long"),
        (10_000, "userName eq \"someone@example.com\"", 400, Some("invalidFilter"), "filter_too_long"),
    ] {
        let filter = vec![term; terms].join(" or ").replace(' ', "%20").replace('"', "%22");
        let request = format!("{}\r\n", house.head(&format!("GET BASE/Users?filter={filter}")));
        let answer = house.write(request.as_bytes()).await;
        if status == 200 {
            assert_eq!(answer.expect(200)["totalResults"], 0);
        } else {
            house.refused(&format!("{terms} times {term}"), answer, status, scim_type, code).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_an_id_or_a_path_of_ours_is_not_found() {
    let house = House::start().await;
    let long = "x".repeat(50_000);
    for id in [
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e%2f%2e%2e%2flog.db",
        "%00",
        "a%00b",
        "%0d%0aSet-Cookie:%20x",
        "*",
        "'%20OR%201=1--",
        "null",
        "-1",
        "0198c0de-0000-7000-8000-00000000000A",
        "{0198c0de-0000-7000-8000-00000000000a}",
        "%C3%A4",
        "%zz",
        "%",
        long.as_str(),
        &house.alice.to_uppercase(),
    ] {
        for method in ["GET", "DELETE"] {
            let answer = house.acme.send(method, &format!("/Users/{id}"), None).await;
            house.refused(&format!("{method} {id}"), answer, 404, None, "resource_not_found").await;
        }
        let answer = house.send("PUT", &format!("/Groups/{id}"), &[], "{").await;
        assert_eq!(answer.status, 404, "an id comes before a body: {}", answer.text);
    }
    for path in ["/Users/../Users", "/Users/a/b", "/Nothing", "/Users%2F", "/.."] {
        let answer = house.write(format!("{}\r\n", house.head(&format!("GET BASE{path}"))).as_bytes()).await;
        house.refused(path, answer, 404, None, "route_not_found").await;
    }
    for (path, code) in [
        ("/Users/%ff", "path_encoding"),
        ("/%c3%28", "path_encoding"),
        ("/Users?filter=%ff", "query_encoding"),
    ] {
        let answer = house.acme.get(path).await;
        house.refused(path, answer, 400, Some("invalidSyntax"), code).await;
    }
    let elsewhere = vec![("Authorization".to_owned(), format!("Bearer {}", house.acme.token))];
    for path in
        ["/", "/nothing", "/acme", "/acme/scim/v22/Users", "/ACME/scim/v2/Users", "//acme/scim/v2/Users"]
    {
        let answer = send("GET", &format!("{}{path}", house.service.url), elsewhere.clone(), None).await;
        house.refused(path, answer, 404, None, "tenant_not_found").await;
    }
    let terms = house.acme.get("/Users?count=-1&startIndex=-7").await.expect(200);
    assert_eq!((&terms["totalResults"], &terms["itemsPerPage"]), (&json!(1), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_invisible_characters_are_refused_and_other_texts_keep_theirs() {
    let house = House::start().await;
    let alice = format!("/Users/{}", house.alice);
    for (name, code) in [
        ("nul\u{0}inside", "control_character"),
        ("\u{0}", "control_character"),
        ("two\nlines", "control_character"),
        ("alice@example.com\t", "control_character"),
        (" alice@example.com", "outer_blank"),
        ("alice@example.com ", "outer_blank"),
    ] {
        for attribute in ["userName", "displayName", "externalId"] {
            if code == "outer_blank" && attribute != "userName" {
                continue;
            }
            let mut body = json!({"schemas": [USER], "userName": "bob@example.com"});
            body[attribute] = name.into();
            let set = json!({"op": "replace", "path": attribute, "value": name});
            let patch = json!({"schemas": [PATCH_OP], "Operations": [set]});
            for (method, path, body) in
                [("POST", "/Users", &body), ("PUT", &alice, &body), ("PATCH", &alice, &patch)]
            {
                let answer = house.send(method, path, &[], body.to_string()).await;
                assert!(answer.body["detail"].as_str().unwrap().contains(attribute), "{}", answer.text);
                house
                    .refused(
                        &format!("{method} {attribute} {name:?}"),
                        answer,
                        400,
                        Some("invalidValue"),
                        code,
                    )
                    .await;
            }
        }
    }
    let group = json!({"schemas": [GROUP], "displayName": "Guides\u{0}"});
    let answer = house.send("POST", "/Groups", &[], group.to_string()).await;
    house.refused("a group", answer, 400, Some("invalidValue"), "control_character").await;
    let title = "lines\n\tand \u{0}";
    let set = json!({"op": "add", "path": "title", "value": title});
    assert_eq!(house.acme.patch(&alice, json!([set])).await.expect(200)["title"], title);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_at_the_edge_of_what_text_can_be_are_kept_as_they_are() {
    let house = House::start().await;
    for (number, name) in [
        "emoji 🦀 and \u{202e}rtl",
        "\u{ffff}",
        "quote \" \\ / inside",
        "'; DROP TABLE resources; --",
        "%_like",
        &"x".repeat(5_000),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"schemas": [USER], "userName": name, "title": name, "externalId": name, "emails": [{"value": name, "type": name}]});
        let made = house.acme.post("/Users", body).await;
        assert_eq!(made.status, 201, "{name:?}: {}", made.text);
        assert_eq!(made.body["userName"], name);
        let path = format!("/Users/{}", made.body["id"].as_str().unwrap());
        assert_eq!(house.acme.get(&path).await.expect(200), made.body);
        for attribute in ["userName", "title", "externalId", "emails.value"] {
            let filter = format!("{attribute} eq {}", json!(name));
            let filter = percent_encoding::utf8_percent_encode(&filter, percent_encoding::NON_ALPHANUMERIC);
            let found = house.acme.get(&format!("/Users?filter={filter}")).await.expect(200);
            assert_eq!(found["totalResults"], 1, "{attribute} {name:?}");
            assert_eq!(found["Resources"][0], made.body);
        }
        let again = json!({"schemas": [USER], "userName": name});
        house.acme.post("/Users", again).await.refused(409, Some("uniqueness"), "user_name_taken");
        let group = house.acme.group(name, &[made.body["id"].as_str().unwrap()]).await;
        let shown = house.acme.get(&format!("/Groups/{group}")).await.expect(200);
        assert_eq!((&shown["displayName"], &shown["members"][0]["display"]), (&json!(name), &json!(name)));
        assert_eq!(house.acme.get("/Users").await.expect(200)["totalResults"], number + 2);
    }
    let rebuilt =
        house.service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await.expect(200);
    assert_eq!(rebuilt["equal"], true, "{rebuilt}");
}
