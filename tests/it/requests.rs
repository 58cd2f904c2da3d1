//! The request log: every request is in it once, nobody can read it without the keys, and nothing waits for it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use muster::app::Sources;
use muster::clock::{Clock, ManualClock};
use muster::config::RequestLogConfig;
use muster::directory::Directory;
use muster::request_log::{Entry, FILE, QUEUE_REQUESTS_MAX, Reader, RequestLog, Row, Sender, Totals, Wanted};
use muster::telemetry::Metrics;
use provisioning::RequestId;
use scim::dialect::Notes;
use serde_json::{Value, json};

use crate::harness::{Tenant, TestService, send};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const DAY: Duration = Duration::from_hours(24);

/// A service whose clock stands still.
async fn service() -> (TestService, Arc<ManualClock>) {
    service_with(RequestLogConfig::default()).await
}

async fn service_with(request_log: RequestLogConfig) -> (TestService, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let sources = Sources { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Sources::default() };
    (TestService::start_with(|config| config.request_log = request_log, sources).await, clock)
}

/// The directory of a tenant, or of what reaches none.
fn directory(service: &TestService, tenant: &str) -> Arc<Directory> {
    let directories = &service.house().directories;
    directories.tenant(tenant).unwrap_or_else(|| Arc::clone(directories.system()))
}

/// Everything that is logged of a tenant so far, in its order.
async fn logged(service: &TestService, tenant: &str) -> (Vec<Row>, Totals) {
    service.house().request_log.flush().await;
    let reader = Reader::open(&directory(service, tenant)).unwrap();
    (reader.rows(&Wanted { limit: 100_000, ..Wanted::default() }).unwrap(), reader.totals().unwrap())
}

/// What was sealed of a request.
fn sealed(service: &TestService, tenant: &str, row: &Row) -> Value {
    Reader::open(&directory(service, tenant)).unwrap().detail(row).expect("it is kept")
}

fn summary(row: &Row) -> String {
    let filter = row.filter.as_deref().map(|filter| format!(" [{filter}]")).unwrap_or_default();
    let status = row.status.map_or("-".to_owned(), |status| status.to_string());
    let code = row.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
    format!("{} {}{filter} {status} {}{code} x{}", row.method, row.route, row.outcome, row.requests)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_has_a_row_but_for_reads_beyond_fifty_a_second_which_share_one() {
    let (service, clock) = service().await;
    let acme = service.create_tenant("acme", "okta").await;
    let id = acme.user("alice@example.com").await;
    let mut sent = 1;
    for _ in 0..48 {
        acme.get(&format!("/Users/{id}")).await.expect(200);
    }
    for name in ["alice@example.com", "bob@example.com", "carol@example.com", "dave@example.com"] {
        acme.get(&format!("/Users?filter=userName%20eq%20%22{name}%22")).await.expect(200);
    }
    acme.get(&format!("/Users/{id}")).await.expect(200);
    acme.get(&format!("/Users/{id}")).await.expect(200);
    sent += 48 + 4 + 2;
    // Refusals and writes are never folded, whatever was read before.
    acme.get("/Users?filter=userName%20is%20x").await.refused(400, Some("invalidFilter"), "filter_invalid");
    acme.patch(&format!("/Users/{id}"), json!([{"op": "Replace", "path": "active", "value": "False"}]))
        .await
        .expect(200);
    acme.patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "active", "value": false}]))
        .await
        .expect(200);
    acme.delete(&format!("/Users/{id}")).await;
    sent += 4;
    let (rows, totals) = logged(&service, "acme").await;
    assert_eq!(rows.iter().filter(|row| row.outcome == "read" && row.id.is_some()).count(), 50);
    let mut summaries: Vec<String> =
        rows.iter().map(summary).filter(|line| line != "GET /Users/{id} 200 read x1").collect();
    summaries.sort();
    insta::assert_snapshot!(summaries.join("\n"), @r"
    DELETE /Users/{id} 204 recorded x1
    GET /Users [userName ?] 400 refused filter_invalid x1
    GET /Users [userName eq ?] - read x2
    GET /Users [userName eq ?] 200 read x1
    GET /Users [userName eq ?] 200 read x1
    GET /Users/{id} - read x2
    PATCH /Users/{id} 200 recorded x1
    PATCH /Users/{id} 200 unchanged x1
    POST /Users 201 recorded x1
    ");
    assert_eq!(totals, Totals { logged: sent, dropped: 0, pruned: 0, last: totals.last });
    // The next second, everybody may read again.
    clock.advance(Duration::from_secs(1));
    acme.get("/Users").await.expect(200);
    let (rows, totals) = logged(&service, "acme").await;
    assert_eq!(summary(rows.last().unwrap()), "GET /Users 200 read x1");
    assert_eq!(totals.logged, sent + 1);
    // Folding goes on in the row of the minute.
    for _ in 0..60 {
        acme.get(&format!("/Users/{id}")).await;
    }
    for _ in 0..60 {
        acme.get("/Users").await.expect(200);
    }
    let (rows, totals) = logged(&service, "acme").await;
    assert_eq!(totals.logged, sent + 121);
    let folded: Vec<String> = rows.iter().filter(|row| row.id.is_none()).map(summary).collect();
    assert!(folded.contains(&"GET /Users - read x11".to_owned()), "{folded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_says_who_asked_what_and_what_became_of_it() {
    let (service, _clock) = service().await;
    let pin = json!([{"id": USER, "attributes": [{"name": "pin", "returned": "never"}]}]);
    let settings = json!({"schemas": {"User": pin}});
    let acme = service.create_tenant_with("acme", json!({"kind": "okta", "settings": settings})).await;
    let body = json!({
        "schemas": [USER], "userName": "alice@example.com", "password": "hunter2", "active": true, "pin": "1234",
    });
    let made = acme.post("/Users", body).await;
    let id = made.header("x-request-id").expect("answers bear ids").to_owned();
    let user = made.expect(201);
    let (rows, _) = logged(&service, "acme").await;
    let row = rows.last().unwrap();
    let tenancy = directory(&service, "acme").tenancy();
    let (client, _) = tenancy.clients.first_key_value().expect("there is a client");
    let (token, _) = tenancy.tokens.first_key_value().expect("there is a token");
    assert_eq!(row.id.as_deref(), Some(id.as_str()));
    assert_eq!(row.at, ManualClock::START);
    assert_eq!(row.client, Some(client.to_string()));
    assert_eq!(row.token, Some(token.to_string()));
    assert_eq!(row.resource.as_deref(), user["id"].as_str());
    assert_eq!(row.revisions, [directory(&service, "acme").position().0]);
    assert_eq!((row.outcome.as_str(), row.status, row.requests), ("recorded", Some(201), 1));
    let kept = sealed(&service, "acme", row);
    assert_eq!(kept["path"], "/acme/scim/v2/Users");
    assert_eq!(kept["body"]["userName"], "alice@example.com");
    assert_eq!(kept["body"]["password"], "(removed)");
    assert_eq!(kept["body"]["pin"], "(removed)");
    assert_eq!(kept["source_ip"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_kept_or_can_be_looked_for() {
    let (service, _clock) = service().await;
    let pin = json!([{"id": USER, "attributes": [
        {"name": "pin", "returned": "never"},
        {"name": "badge", "type": "complex", "subAttributes": [{"name": "value", "returned": "never"}]},
    ]}]);
    let settings = json!({"schemas": {"User": pin}});
    let acme = service.create_tenant_with("acme", json!({"kind": "okta", "settings": settings})).await;
    let secret = "Sommer@2026";
    let quoted = format!("\"{secret}\"");
    let user = |member: &str| json!({"schemas": [USER], "userName": "alice@example.com", member: secret});
    for member in ["password", "Password", "pin", "PIN", "clientSecret", "urn:x:User:password"] {
        acme.post("/Users", user(member)).await;
    }
    acme.post("/Users", json!({"schemas": [USER], "userName": "bob@x.org", "badge": {"value": secret}}))
        .await;
    let roles = json!([{"value": json!({"password": secret}).to_string()}]);
    acme.post("/Users", json!({"schemas": [USER], "userName": "carol@x.org", "roles": roles})).await;
    for operation in [
        json!({"op": "replace", "path": "password", "value": secret}),
        json!({"op": "replace", "value": secret, "path": format!("{USER}:password")}),
        json!({"op": "replace", "path": "pin", "value": [secret]}),
        json!({"op": "replace", "value": {"password": secret}}),
        json!({"op": "remove", "path": format!("emails[password eq {quoted}]")}),
        json!({"op": "replace", "path": format!("pin[value eq {quoted}].x"), "value": secret}),
        json!({"op": "replace", "value": {format!("emails[pin eq {quoted}].value"): secret}}),
        json!({"op": "replace", "path": "emails[value eq a@b.c].password", "value": secret}),
    ] {
        acme.patch("/Users/00000000-0000-7000-8000-000000000000", json!([operation])).await;
    }
    let search = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    for filter in [format!("password eq {quoted}"), format!("title pr and pin eq {quoted}")] {
        acme.post("/Users/.search", json!({"schemas": [search], "filter": filter})).await;
        let filter = percent_encoding::utf8_percent_encode(&filter, percent_encoding::NON_ALPHANUMERIC);
        acme.get(&format!("/Users?filter={filter}")).await;
    }
    // A client that does not encode what it asks with.
    acme.get("/Users?filter=title%20eq%20%22R&D%22%20and%20password%20eq%20%22Sommer@2026%22").await;
    assert_eq!(found(&service, "acme", secret).await, Vec::<String>::new());
    assert_eq!(
        found(&service, "acme", "alice@example.com").await.len(),
        6,
        "she is found beside her secrets"
    );
    let (rows, _) = logged(&service, "acme").await;
    assert_eq!(rows.len(), 6 + 2 + 8 + 4 + 1);
    for row in &rows {
        let kept = sealed(&service, "acme", row).to_string();
        assert!(!kept.contains("Sommer"), "{kept}");
        assert!(kept.contains("(removed)"), "{kept}");
    }
}

/// Searches for requests by whom they name.
async fn found(service: &TestService, tenant: &str, name: &str) -> Vec<String> {
    service.house().request_log.flush().await;
    let reader = Reader::open(&directory(service, tenant)).unwrap();
    let wanted = Wanted { names: vec![name.to_owned()], limit: 100, ..Wanted::default() };
    reader.rows(&wanted).unwrap().iter().map(summary).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_found_in_paths_filters_and_bodies_however_they_are_written() {
    let (service, _clock) = service().await;
    let acme = service.create_tenant("acme", "entra").await;
    let alice = "Alice@Example.com";
    acme.get("/Users?filter=userName%20eq%20%22ALICE%40example.com%22").await.expect(200);
    acme.post("/Users", json!({"schemas": [USER], "userName": alice})).await.expect(201);
    acme.post("/Users", json!({"schemas": [USER], "emails": [{"value": alice}]})).await;
    acme.get(&format!("/Users/{alice}")).await;
    let id = "00000000-0000-7000-8000-000000000000";
    for operation in [
        json!({"op": "replace", "path": "userName", "value": alice}),
        json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": alice}),
        json!({"op": "replace", "value": {"emails[type eq \"work\"].value": alice}}),
        json!({"op": "remove", "path": format!("emails[value eq \"{alice}\"]")}),
    ] {
        acme.patch(&format!("/Users/{id}"), json!([operation])).await;
    }
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": alice}}],
    });
    acme.post("/Bulk", bulk).await;
    let search = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": format!("userName eq \"{alice}\""),
    });
    acme.post("/Users/.search", search).await.expect(200);
    // Nobody of that name.
    acme.get("/Users?filter=userName%20eq%20%22bob%40example.com%22").await.expect(200);
    let all = found(&service, "acme", "alice@example.com").await;
    assert_eq!(all.len(), 10, "{all:#?}");
    assert_eq!(found(&service, "acme", id).await.len(), 4);
    assert_eq!(found(&service, "acme", "bob@example.com").await, ["GET /Users [userName eq ?] 200 read x1"]);
    assert_eq!(found(&service, "acme", "carol@example.com").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_were_refused_at_the_door_are_found_where_they_were_meant_for() {
    let (service, _clock) = service().await;
    let acme = service.create_tenant("acme", "okta").await;
    let other = service.create_tenant("other", "okta").await;
    let ask = |path: String, token: Option<String>| {
        let url = format!("{}{path}", service.url);
        let headers = token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}")));
        async move { send("GET", &url, headers.into_iter().collect(), None).await }
    };
    for (path, token, tenant, code) in [
        ("/acme/scim/v2/Users", None, "acme", "token_missing"),
        ("/acme/scim/v2/Users", Some("nonsense"), "acme", "token_malformed"),
        ("/acme/scim/v2/Person", Some(acme.token.as_str()), "acme", "route_not_found"),
        ("/acme/scim/Users", Some("nonsense"), "acme", "tenant_not_found"),
        ("/nobody/scim/v2/Users", Some(acme.token.as_str()), "acme", "tenant_not_found"),
        ("/acme/scim/v2/Users", Some(other.token.as_str()), "other", "token_elsewhere"),
        ("/nobody/scim/v2/Users", Some("nonsense"), "system", "tenant_not_found"),
        ("/", None, "system", "tenant_not_found"),
    ] {
        let answer = ask(path.to_owned(), token.map(str::to_owned)).await;
        assert_eq!(answer.header("muster-error-code"), Some(code), "{path}");
        let (rows, _) = logged(&service, tenant).await;
        let row = rows.last().unwrap_or_else(|| panic!("{path} is not in the log of {tenant}"));
        assert_eq!(
            (row.id.as_deref(), row.code.as_deref()),
            (answer.header("x-request-id"), Some(code)),
            "{path}"
        );
        // Which tenants there are is told to nobody but them.
        let path = if tenant == "acme" { path.to_owned() } else { path.replace("/acme", "/(removed)") };
        assert_eq!(sealed(&service, tenant, row)["path"], path.replace("nobody", "(removed)"));
    }
    assert_eq!(logged(&service, "acme").await.1.logged, 5);
    assert_eq!(logged(&service, "other").await.1.logged, 1);
    assert_eq!(logged(&service, "system").await.1.logged, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_ours_are_kept_nowhere_and_find_nothing_and_what_stands_around_them_stays() {
    let (service, _clock) = service().await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    let secret = &service.create_tenant("other", "okta").await.token;
    let json = [("Content-Type", "application/scim+json")];
    for token in [secret.to_owned(), secret.to_uppercase(), secret.to_lowercase()] {
        let operation = |method: &str, path: String, data: Value| json!({"method": method, "path": path, "bulkId": "1", "data": data});
        let odd = json!({"op": "remove", "path": format!("emails[{token} eq \"1\"]")});
        let bulk = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [
                operation("POST", "/Users".to_owned(), json!({"schemas": [USER], "userName": 7, &token: 1})),
                operation("PATCH", format!("/Users/{token}"), json!({"Operations": [{"op": &token}]})),
                operation("PUT", format!("/{token}/7"), json!({"externalId": &token})),
                operation("PATCH", format!("/Users/{alice}"), json!({"schemas": [PATCH], "Operations": [odd]})),
            ],
        });
        let twice = format!("{{\"userName\":\"bob@example.com\",\"{token}\":1,\"{token}\":2}}");
        let named = json!({"schemas": [USER], "userName": &token, "externalId": &token, &token: 1});
        acme.send_with("POST", "/Users", &json, Some(twice.into_bytes())).await;
        acme.put(&format!("/Users/{alice}"), json!({"schemas": [USER], "userName": 7, &token: 1})).await;
        acme.patch(&format!("/Users/{alice}"), json!([{"op": "replace", "path": &token, "value": 1}])).await;
        acme.patch(&format!("/Users/{token}"), json!([{"op": &token, "path": "active"}])).await;
        acme.put(&format!("/Users/{token}"), named.clone()).await;
        acme.post("/Users", json!({"schemas": [USER], "emails": [{"value": &token}]})).await;
        acme.post("/Users", named).await;
        acme.delete(&format!("/Users/{token}")).await;
        acme.delete(&format!("/User/{token}")).await;
        acme.get(&format!("/Users?filter={token}&sortBy={token}&{token}=1")).await;
        acme.get(&format!("/Users?filter={token}%20eq%201")).await;
        acme.post("/Bulk", bulk).await;
        assert_eq!(found(&service, "acme", &token).await, [""; 0]);
    }
    let (rows, _) = logged(&service, "acme").await;
    let mut told = Vec::new();
    for row in &rows {
        let kept = sealed(&service, "acme", row);
        assert!(!kept.to_string().to_lowercase().contains(&secret.to_lowercase()), "{kept:#}");
        for (kind, texts) in
            [("detail", &json!([kept])), ("operation", &kept["operations"]), ("note", &kept["notes"])]
        {
            for text in texts.as_array().into_iter().flatten() {
                told.push(format!("{kind}: {} {}\n", text["detail"], text["place"]));
            }
        }
    }
    let told = told.concat();
    for expected in [
        "note: null \"(removed)\"\n",
        "note: null \"bulk operation 1: (removed)\"\n",
        "detail: \"\\\"(removed)\\\" stands twice in one JSON object, the second time at line 1, column 121; ",
        "detail: \"filter position 1: (removed) is no attribute here; use one from /Schemas\"",
    ] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    let quoted = told.lines().filter(|line| line.starts_with("operation:") && line.contains("(removed)"));
    assert_eq!(quoted.count(), 3, "{told}");
}

/// A read of a tenant that was answered.
fn read(directory: &Arc<Directory>, service: &TestService) -> Entry {
    let shared = Arc::clone(service.house().directories.shared());
    Entry {
        addressee: None,
        directory: Arc::clone(directory),
        sender: Sender::Own,
        client: None,
        token: None,
        id: RequestId(shared.ids.next()),
        received_at: shared.clock.now(),
        duration: Duration::from_micros(10),
        method: Cow::Borrowed("GET"),
        route: "/Users",
        path: "/acme/scim/v2/Users".to_owned(),
        query: String::new(),
        status: 200,
        code: None,
        detail: None,
        operations: Vec::new(),
        results: Some(0),
        resource: None,
        revisions: None,
        notes: Notes::default(),
        source_ip: None,
        user_agent: None,
        body: None,
        body_bytes: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_the_queue_full_is_counted_so_that_the_sum_is_what_was_sent() {
    let (service, clock) = service().await;
    service.create_tenant("acme", "okta").await;
    let acme = directory(&service, "acme");
    let metrics = Arc::new(Metrics::new());
    let (log, writer) = RequestLog::prepare(&RequestLogConfig::default(), clock, Arc::clone(&metrics));
    // Nobody writes yet. Reads beyond the first fifty take one place among them, however many come.
    let reads = 2 * QUEUE_REQUESTS_MAX;
    (0..reads).for_each(|_| log.record(read(&acme, &service)));
    // Of what is to have a row of its own more comes than the queue holds, from several threads at once.
    let room = QUEUE_REQUESTS_MAX - 50 - 1;
    let refused = || Entry { status: 404, ..read(&acme, &service) };
    let threads = 4;
    let each = QUEUE_REQUESTS_MAX / threads + 250;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..each).for_each(|_| log.record(refused())));
        }
    });
    log.start(writer).unwrap();
    log.flush().await;
    let dropped = (threads * each - room) as u64;
    let totals = Reader::open(&acme).unwrap().totals().unwrap();
    assert_eq!((totals.logged, totals.dropped), ((reads + room) as u64, dropped));
    assert!(metrics.encode().contains(&format!("muster_request_log_dropped_total {dropped}\n")));
    // With room in the queue nothing is dropped, however fast it comes.
    for _ in 0..10 {
        (0..QUEUE_REQUESTS_MAX / 2).for_each(|_| log.record(refused()));
        log.flush().await;
    }
    let totals = Reader::open(&acme).unwrap().totals().unwrap();
    let logged = reads + room + 5 * QUEUE_REQUESTS_MAX;
    assert_eq!((totals.logged, totals.dropped), (logged as u64, dropped));
    log.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_file_hinders_nothing_and_begins_anew() {
    let (mut service, _clock) = service().await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    let path = service.tenant_folder("acme").join(FILE);
    for damage in [
        &(|path: &std::path::Path| std::fs::remove_file(path).unwrap()) as &dyn Fn(&std::path::Path),
        &|path| {
            std::fs::write(path, "no database at all ".repeat(100)).unwrap();
        },
        &|path| std::fs::write(path, "").unwrap(),
        &|path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[4_096..].fill(0xa5);
            std::fs::write(path, bytes).unwrap();
        },
        &|path| {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.execute_batch("DROP TABLE names; DROP TABLE requests;").unwrap();
        },
        &|path| {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.execute_batch("UPDATE meta SET wrapped_key = x'00'").unwrap();
        },
    ] {
        service.restarted(|_| damage(&path)).await;
        let acme = at(&service, &acme);
        acme.get("/Users").await.expect(200);
        let (rows, totals) = logged(&service, "acme").await;
        assert_eq!((rows.len(), totals.logged), (1, 1));
    }
    // Nor does one that is removed while the service runs.
    std::fs::remove_file(&path).unwrap();
    at(&service, &acme).get("/Groups").await.expect(200);
    assert_eq!(
        logged(&service, "acme").await.0.iter().map(summary).collect::<Vec<_>>(),
        ["GET /Groups 200 read x1"]
    );
    // Nor does a file that cannot be made.
    service
        .restarted(|_| {
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
        })
        .await;
    let acme = at(&service, &acme);
    acme.get("/Users").await.expect(200);
    acme.user("bob@example.com").await;
    service.house().request_log.flush().await;
    let metrics = service.admin("GET", "/metrics", None).await.text;
    assert!(metrics.contains("muster_request_log_failed_total 2\n"), "{metrics}");
    assert!(metrics.contains("muster_request_log_dropped_total 0\n"), "{metrics}");
    // Once it can be made, it says how many are missing.
    std::fs::remove_dir(&path).unwrap();
    acme.get("/Users").await.expect(200);
    let (_, totals) = logged(&service, "acme").await;
    assert_eq!((totals.logged, totals.dropped), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_first_layout_is_read_as_it_is_and_goes_on_with_all_its_rows() {
    let (mut service, _clock) = service().await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    acme.user("bob@example.com").await;
    service.house().request_log.flush().await;
    let file = rusqlite::Connection::open(service.tenant_folder("acme").join(FILE)).unwrap();
    file.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE old (
             fingerprint BLOB NOT NULL,
             number INTEGER NOT NULL,
             PRIMARY KEY (fingerprint, number)
         ) STRICT, WITHOUT ROWID;
         INSERT INTO old SELECT fingerprint, number FROM names;
         DROP TABLE names;
         ALTER TABLE old RENAME TO names;
         CREATE INDEX names_by_number ON names (number);
         ALTER TABLE requests DROP COLUMN about;
         ALTER TABLE requests DROP COLUMN is_cut;
         ALTER TABLE meta DROP COLUMN foreign_requests;
         ALTER TABLE meta DROP COLUMN foreign_at;
         PRAGMA user_version = 1;
         COMMIT;",
    )
    .unwrap();
    let layout = || -> u32 { file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap() };
    // Nothing was logged since.
    assert_eq!(found(&service, "acme", "alice@example.com").await, ["POST /Users 201 recorded x1"]);
    assert_eq!(layout(), 1);
    service.restarted(|_| ()).await;
    let acme = at(&service, &acme);
    acme.get("/Users?filter=userName%20eq%20%22alice@example.com%22").await.expect(200);
    assert_eq!(
        found(&service, "acme", "alice@example.com").await,
        ["POST /Users 201 recorded x1", "GET /Users [userName eq ?] 200 read x1"]
    );
    assert_eq!(found(&service, "acme", "bob@example.com").await, ["POST /Users 201 recorded x1"]);
    assert_eq!(logged(&service, "acme").await.1.logged, 3);
    assert_eq!(layout(), 3);
    let names = "SELECT group_concat(name) FROM sqlite_schema WHERE tbl_name IN ('names', 'unchunked')";
    assert_eq!(file.query_row(names, [], |row| row.get::<_, String>(0)).unwrap(), "names");
}

/// The tenant at the service's new address.
fn at(service: &TestService, tenant: &Tenant) -> Tenant {
    Tenant { base_url: format!("{}/{}/scim/v2", service.url, tenant.name), ..tenant.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_go_after_a_month_and_rows_after_a_year_and_the_sum_stays() {
    let config = RequestLogConfig { contents_days: 30, rows_days: 60, ..RequestLogConfig::default() };
    let (service, clock) = service_with(config).await;
    let acme = service.create_tenant("acme", "okta").await;
    let directory = directory(&service, "acme");
    acme.user("alice@example.com").await;
    clock.advance(20 * DAY);
    acme.user("bob@example.com").await;
    let prune = || async {
        service.house().request_log.flush().await;
        service.house().request_log.prune(Arc::clone(&directory));
        let (rows, totals) = logged(&service, "acme").await;
        let reader = Reader::open(&directory).unwrap();
        let kept = rows.iter().filter(|row| reader.detail(row).is_some()).count();
        (rows.len(), kept, totals.logged + totals.pruned)
    };
    assert_eq!(prune().await, (2, 2, 2));
    clock.advance(11 * DAY);
    assert_eq!(prune().await, (2, 1, 2));
    assert_eq!(
        found(&service, "acme", "alice@example.com").await.len(),
        1,
        "a row is found without contents"
    );
    clock.advance(30 * DAY);
    assert_eq!(prune().await, (1, 0, 2));
    assert_eq!(found(&service, "acme", "alice@example.com").await.len(), 0);
    clock.advance(30 * DAY);
    assert_eq!(prune().await, (0, 0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_does_not_grow_beyond_its_bound_and_the_oldest_go_first() {
    let bytes_max = 1024 * 1024;
    let config = RequestLogConfig { file_bytes_max: bytes_max, ..RequestLogConfig::default() };
    let (service, clock) = service_with(config.clone()).await;
    service.create_tenant("acme", "okta").await;
    let acme = directory(&service, "acme");
    let (log, writer) = RequestLog::prepare(&config, clock, Arc::new(Metrics::new()));
    log.start(writer).unwrap();
    for person in 0..8_000 {
        let (path, detail) = (format!("/Users/{person}@example.com"), Some("x".repeat(200)));
        log.record(Entry { status: 404, path, detail, ..read(&acme, &service) });
        if person % 2_000 == 1_999 {
            log.flush().await;
        }
    }
    let reader = Reader::open(&acme).unwrap();
    let totals = reader.totals().unwrap();
    assert_eq!(totals.logged + totals.pruned, 8_000);
    assert!(totals.pruned >= 4_000, "{totals:?}");
    let oldest = reader.rows(&Wanted { limit: 1, ..Wanted::default() }).unwrap();
    assert_eq!(oldest[0].number, totals.pruned + 1);
    // Whoever is in a row that is left is found, wherever it lies, and nobody else.
    let found = |person: u64, after: Option<u64>| {
        let names = vec![format!("{person}@example.com")];
        let rows = reader.rows(&Wanted { names, after, limit: 10, ..Wanted::default() }).unwrap();
        rows.iter().map(|row| row.number).collect::<Vec<_>>()
    };
    for person in (0..8_000).step_by(97).chain([totals.pruned - 1, totals.pruned, 7_999]) {
        let number = person + 1;
        let expected = if person < totals.pruned { vec![] } else { vec![number] };
        assert_eq!(found(person, None), expected, "{person}");
        assert_eq!(found(person, Some(number - 1)), expected, "{person}");
        assert_eq!(found(person, Some(number)), [0; 0], "{person}");
    }
    let names = "SELECT count(*) FROM names";
    let file = rusqlite::Connection::open(service.tenant_folder("acme").join(FILE)).unwrap();
    let names: u32 = file.query_row(names, [], |row| row.get(0)).unwrap();
    assert_eq!(u64::from(names), totals.logged, "names of rows that went, went with them");
    log.stop();
}
