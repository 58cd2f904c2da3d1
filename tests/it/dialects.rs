//! Every dialect: understood and noted where nobody says otherwise, refused by a strict tenant with the RFC's error.
//!
//! The table has one request for each; a dialect without one does not compile.

use muster::directory::Directory;
use muster::request_log::{Reader, Row, Wanted};
use scim::dialect::{Dialect, Refusal};
use serde_json::{Value, json};

use crate::harness::{Answer, Tenant, TestService};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const NOBODY: &str = "019eaa00-0000-7000-8000-00000000dead";

/// A request that deviates in one way.
struct Case {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Case {
    fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: None }
    }

    /// A list of users by a filter.
    fn filter(filter: &str) -> Self {
        let encoded =
            percent_encoding::utf8_percent_encode(filter, percent_encoding::NON_ALPHANUMERIC).to_string();
        Self::get(format!("/Users?filter={encoded}"))
    }

    fn post(path: &str, body: Value) -> Self {
        Self { method: "POST", path: path.to_owned(), headers: Vec::new(), body: Some(body) }
    }

    /// A new user with these attributes.
    fn user(attributes: Value) -> Self {
        Self::post("/Users", new_user("new@example.com", attributes))
    }

    fn patch(path: String, operation: &Value) -> Self {
        let body = json!({"schemas": [PATCH_OP], "Operations": [operation]});
        Self { method: "PATCH", path, headers: Vec::new(), body: Some(body) }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

fn new_user(name: &str, attributes: Value) -> Value {
    let mut body = json!({"schemas": [USER], "userName": name});
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    body.as_object_mut().expect("a body is an object").extend(attributes);
    body
}

/// A tenant with somebody in it.
struct Fixture {
    tenant: Tenant,
    user: String,
    group: String,
}

impl Fixture {
    async fn new(service: &TestService, number: usize, settings: Value) -> Self {
        // Unknown members are skipped for Okta, unless the tenant says otherwise.
        let body = json!({"kind": "okta", "settings": settings});
        let tenant = service.create_tenant_with(&format!("tenant-{number}"), body).await;
        let user = tenant.user("alice@example.com").await;
        let group = tenant.group("Staff", &[&user]).await;
        Self { tenant, user, group }
    }

    async fn send(&self, case: Case) -> Answer {
        let headers: Vec<(&str, &str)> =
            case.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = case.body.map(|body| body.to_string().into_bytes());
        if !headers.iter().any(|(name, value)| *name == "Content-Type" && value.is_empty()) {
            return self.tenant.send_with(case.method, &case.path, &headers, body).await;
        }
        let authorization = vec![("Authorization".to_owned(), format!("Bearer {}", self.tenant.token))];
        let url = format!("{}{}", self.tenant.base_url, case.path);
        crate::harness::send(case.method, &url, authorization, body).await
    }

    /// A request in this dialect and in no other.
    fn case(&self, dialect: Dialect) -> Case {
        let (user, group) = (format!("/Users/{}", self.user), format!("/Groups/{}", self.group));
        let replace = |path: &str, value: Value| {
            Case::patch(user.clone(), &json!({"op": "replace", "path": path, "value": value}))
        };
        let all = |value: Value| Case::patch(user.clone(), &json!({"op": "replace", "value": value}));
        let of_group = |operation: Value| Case::patch(group.clone(), &operation);
        match dialect {
            Dialect::EntraOpCase => {
                Case::patch(user.clone(), &json!({"op": "Replace", "path": "title", "value": "x"}))
            }
            Dialect::EntraBoolString => replace("active", json!("True")),
            Dialect::EntraBoolStringFilter => Case::filter("active eq \"True\""),
            Dialect::EntraMemberRemove => {
                of_group(json!({"op": "remove", "path": "members", "value": [{"value": self.user}]}))
            }
            Dialect::EntraRemoveValue => {
                Case::patch(user.clone(), &json!({"op": "remove", "path": "title", "value": "x"}))
            }
            Dialect::EntraFilteredAdd => Case::patch(
                user.clone(),
                &json!({"op": "add", "path": "addresses[type eq \"work\"].country", "value": "DE"}),
            ),
            Dialect::EntraFilteredReplace => {
                replace("emails[type eq \"work\"].value", json!("a@work.example.com"))
            }
            Dialect::EntraDottedKey => all(json!({"name.givenName": "Alice"})),
            Dialect::EntraUrnKey => all(json!({format!("{ENTERPRISE}:department"): "R"})),
            Dialect::EntraUrnDot => all(json!({format!("{ENTERPRISE}.department"): "R"})),
            Dialect::EntraUrnDotPath => replace(&format!("{ENTERPRISE}.department"), json!("R")),
            Dialect::EntraBareExtensionName => all(json!({"department": "R"})),
            Dialect::EntraComplexList => replace(&format!("{ENTERPRISE}:manager"), json!([{"value": "m"}])),
            Dialect::EntraComplexText => replace(&format!("{ENTERPRISE}:manager"), json!("271")),
            Dialect::EntraWrappedValue => replace("title", json!([{"value": "x"}])),
            Dialect::EntraValuePathSub => Case::filter("emails[type eq \"work\"].value eq \"a\""),
            Dialect::EntraValuePathEq => Case::filter("emails[type eq \"work\"] eq \"a\""),
            Dialect::EntraCoreUrnMissing => Case::user(json!({"schemas": [ENTERPRISE]})),
            Dialect::EntraExtensionUndeclared => Case::user(json!({ENTERPRISE: {"department": "R"}})),
            Dialect::EntraAdscimUri => {
                let uri = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
                Case::post("/Groups", json!({"schemas": [GROUP, uri], "displayName": "Others"}))
            }
            Dialect::EntraUrnTypo => {
                let typo = "urn:ietf:params:scim:schemas:extension:enterprise:2.0User";
                Case::user(json!({"schemas": [USER, typo]}))
            }
            Dialect::EntraParameterCase => Case::get("/Users?startindex=1"),
            Dialect::EntraPathCase => Case::get("/users"),
            Dialect::EntraUrlFlag => Case::get("/Users?aadOptscim062020"),
            Dialect::OneLoginDanglingQuery => Case::get("/Users?count=1&"),
            Dialect::OneLoginScim1Urn => Case::user(json!({"schemas": ["urn:scim:schemas:core:2.0"]})),
            Dialect::OktaReadOnlyValue => {
                of_group(json!({"op": "replace", "value": {"id": self.group, "displayName": "Crew"}}))
            }
            Dialect::AuthentikBareWord => Case::filter("userName eq alice"),
            Dialect::AttributesNotKept => Case::user(json!({"nickName": "n"})),
            Dialect::MembersUnknownSkipped => {
                of_group(json!({"op": "add", "path": "members", "value": [{"value": NOBODY}]}))
            }
            Dialect::MembersTypeCorrected => of_group(
                json!({"op": "add", "path": "members", "value": [{"value": self.user, "type": "Group"}]}),
            ),
            other => self.case_of_nobody(other, &user, &group),
        }
    }

    /// The same for the forms that nobody in particular sends.
    fn case_of_nobody(&self, dialect: Dialect, user: &str, group: &str) -> Case {
        let replace = |path: &str, value: Value| {
            Case::patch(user.to_owned(), &json!({"op": "replace", "path": path, "value": value}))
        };
        match dialect {
            Dialect::GenericAttributeUnknown => Case::user(json!({"shoeSize": 44})),
            Dialect::GenericPathUnknown => replace("shoeSize", json!(44)),
            Dialect::GenericBase64Form => Case::user(json!({"x509Certificates": [{"value": "TW-_"}]})),
            Dialect::GenericBodyIgnored => {
                Case { method: "DELETE", path: user.to_owned(), headers: Vec::new(), body: Some(json!({})) }
            }
            Dialect::GenericBulkForm => Case::post(
                "/Bulk",
                json!({
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                    "Operations": [{
                        "method": "post", "bulkId": "b", "path": "/Users",
                        "data": new_user("bulk@example.com", json!({})),
                    }],
                }),
            ),
            Dialect::GenericCoreObject => Case::user(json!({USER: {"title": "x"}})),
            Dialect::GenericDoubleSlash => Case::get("//Users"),
            Dialect::GenericEmptyPath => replace("", json!({"title": "x"})),
            Dialect::GenericEtagForm => Case::get(user).with("If-None-Match", "0"),
            Dialect::GenericExternalIdEmpty => Case::user(json!({"externalId": ""})),
            Dialect::GenericFilterBlanks => Case::filter("userName  eq \"alice\""),
            Dialect::GenericMediaTypeMissing => Case::user(json!({})).with("Content-Type", ""),
            Dialect::GenericMemberPart => {
                let path = format!("members[value eq \"{}\"].display", self.user);
                Case::patch(group.to_owned(), &json!({"op": "replace", "path": path, "value": "x"}))
            }
            Dialect::GenericNullElement => Case::user(json!({"emails": [null]})),
            Dialect::GenericParameterForm => Case::get("/Users?sortBy=userName&sortOrder=Descending"),
            Dialect::GenericParameterRepeated => Case::get("/Users?attributes=title&attributes=userName"),
            Dialect::GenericReferenceForm => Case::user(json!({"profileUrl": "https://example.com/ä"})),
            Dialect::GenericSchemaPath => replace(ENTERPRISE, json!({"department": "R"})),
            Dialect::GenericSearchForm => Case::post(
                "/Users/.search",
                json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": "1"}),
            ),
            Dialect::GenericSingleQuotes => Case::filter("userName eq 'alice'"),
            Dialect::GenericSingleValue => Case::user(json!({"roles": {"value": "x"}})),
            Dialect::GenericTextJson => Case::user(json!({})).with("Content-Type", "text/json"),
            Dialect::GenericTokenForm => {
                Case::get("/Users").with("Authorization", format!("Bearer Bearer {}", self.tenant.token))
            }
            Dialect::GenericTrailingSlash => Case::get("/Users/"),
            Dialect::GenericUrnRepeated => Case::user(json!({"schemas": [USER, USER]})),
            Dialect::GenericUrnUnknown => Case::user(json!({"schemas": [USER, "urn:example:more"]})),
            other => panic!("{} has no request in the table", other.name()),
        }
    }
}

/// Settings without which a dialect cannot be met.
fn settings(dialect: Dialect) -> Value {
    match dialect {
        Dialect::AttributesNotKept => json!({"attributes": ["userName", "active", "externalId"]}),
        _ => json!({}),
    }
}

/// The row of an answer's request, with what was sealed of it.
async fn logged(service: &TestService, tenant: &str, answer: &Answer) -> (Row, Value) {
    service.house().request_log.flush().await;
    let reader = Reader::open(&service.house().directories.tenant(tenant).unwrap()).unwrap();
    let id = answer.header("x-request-id").expect("answers bear ids");
    let wanted = Wanted { limit: 1_000, ..Wanted::default() };
    let row = reader.rows(&wanted).unwrap().into_iter().find(|row| row.id.as_deref() == Some(id));
    let row = row.expect("each request has a row");
    let detail = reader.detail(&row).expect("it is kept");
    (row, detail)
}

/// Status, `scimType` and detail of a refusal; of its only operation, if it was a bulk request.
fn refusal(answer: &Answer) -> (String, Option<&str>, &str) {
    let operation = &answer.body["Operations"][0];
    let body = if operation.is_object() { &operation["response"] } else { &answer.body };
    let status = operation["status"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned);
    (status, body["scimType"].as_str(), body["detail"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dialect_is_understood_and_noted_with_its_place() {
    let service = TestService::start().await;
    for (number, dialect) in Dialect::ALL.iter().copied().enumerate() {
        let name = dialect.name();
        let fixture = Fixture::new(&service, number, settings(dialect)).await;
        let answer = fixture.send(fixture.case(dialect)).await;
        assert!((200..300).contains(&answer.status), "{name}: {}", answer.text);
        let (row, detail) = logged(&service, &fixture.tenant.name, &answer).await;
        assert_eq!(row.notes, [name]);
        let note = &detail["notes"][0];
        assert_eq!(note["dialect"], name);
        assert!(note["place"].as_str().is_some_and(|place| !place.is_empty()), "{name}: {note}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_tenant_refuses_every_dialect_with_the_rfcs_error_and_says_what_is_wanted() {
    let service = TestService::start().await;
    let position = |directory: &Directory| directory.position();
    for (number, dialect) in Dialect::ALL.iter().copied().enumerate() {
        let name = dialect.name();
        let mut settings = settings(dialect);
        settings["strict"] = json!(true);
        let fixture = Fixture::new(&service, number, settings).await;
        let directory = service.house().directories.tenant(&fixture.tenant.name).unwrap();
        let before = position(&directory);
        let answer = fixture.send(fixture.case(dialect)).await;
        let (status, scim_type) = match dialect.refusal() {
            Refusal::Scim(scim_type) => ("400", Some(scim_type.as_str())),
            Refusal::NotFound => ("404", None),
            Refusal::MediaType => ("415", None),
            Refusal::Unauthorized => ("401", None),
        };
        let (answered_status, answered_type, detail) = refusal(&answer);
        assert_eq!((answered_status.as_str(), answered_type), (status, scim_type), "{name}: {}", answer.text);
        assert_eq!(answer.header("muster-error-code"), Some("dialect_refused"), "{name}");
        assert!(detail.contains(name) && detail.contains(dialect.wanted()), "{name}: {detail}");
        assert_eq!(position(&directory), before, "{name} recorded something");
        assert_eq!(logged(&service, &fixture.tenant.name, &answer).await.0.notes, [name]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_strict_from_one_request_to_the_next() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "entra").await;
    acme.get("/users").await.expect(200);
    service.set(&acme, json!({"strict": true})).await;
    let refused = acme.get("/users").await;
    assert_eq!(refused.header("muster-error-code"), Some("dialect_refused"));
    refused.expect(404);
    acme.get("/Users").await.expect(200);
    service.set(&acme, json!({"strict": null})).await;
    acme.get("/users").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_nobody_knows_does_not_keep_a_deactivation_from_being_carried_out() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "entra").await;
    let user = format!("/Users/{}", acme.user("alice@example.com").await);
    let operations = json!([
        {"op": "replace", "path": "urn:ietf:params:scim:schemas:extension:CustomExt:2.0:User:badge", "value": "7"},
        {"op": "replace", "path": "active", "value": false},
    ]);
    assert_eq!(acme.patch(&user, operations).await.expect(200)["active"], false);
    let directory = service.house().directories.tenant("acme").unwrap();
    let before = directory.position();
    let alone = json!([{"op": "add", "path": "shoeSize", "value": 44}]);
    acme.patch(&user, alone).await.expect(200);
    assert_eq!(directory.position(), before, "what nobody knows changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_noted_of_a_refused_request_and_of_a_list_is_in_the_log() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "entra").await;
    let user = format!("/Users/{}", acme.user("alice@example.com").await);
    let operations = json!([
        {"op": "Replace", "path": "title", "value": "x"},
        {"op": "replace", "path": "emails", "value": [{"value": "a@example.com", "primary": "True"}, {"value": 7}]},
    ]);
    let refused = acme.patch(&user, operations).await;
    assert_eq!(refused.status, 400);
    let (row, detail) = logged(&service, "acme", &refused).await;
    assert_eq!(row.notes, ["entra.op_case", "entra.bool_string"]);
    let expected = json!([
        {"dialect": "entra.op_case", "place": "operation 1: op"},
        {"dialect": "entra.bool_string", "place": "operation 2: emails (element 1).primary"},
    ]);
    assert_eq!(detail["notes"], expected);
    let unreadable = acme.get("/Users?filter=active%20eq%20%22True%22%20and").await;
    assert_eq!(unreadable.status, 400);
    let (row, _) = logged(&service, "acme", &unreadable).await;
    assert_eq!(row.notes, ["entra.bool_string_filter"]);
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "DELETE", "path": format!("/Users/{NOBODY}")},
            {"method": "PATCH", "path": user, "data": {"schemas": [PATCH_OP], "Operations": [
                {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1"},
            ]}},
        ],
    });
    let answered = acme.post("/Bulk", bulk).await;
    let (row, detail) = logged(&service, "acme", &answered).await;
    assert_eq!(row.notes, ["entra.op_case", "entra.filtered_add"]);
    assert_eq!(detail["notes"][1]["place"], "bulk operation 2: operation 1: phoneNumbers");
}
