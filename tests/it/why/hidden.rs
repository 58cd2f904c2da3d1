//! Never seen is said only where every request could be looked at.

use std::time::Duration;

use serde_json::{Value, json};

use super::{GROUP, House, USER, bulk, check, finding, look_up, user};
use crate::harness::Tenant;

#[tokio::test(flavor = "multi_thread")]
async fn never_seen_is_said_only_where_every_request_could_be_looked_at() {
    let house = House::start().await;
    let acme = &house.acme;
    let why = house.why("alice@example.com").await;
    assert_eq!((&why["verdict"], &why["hidden"]), (&json!("never_seen"), &json!([])), "{why:#}");

    // An id of a former system, whose person stands in the body.
    for (method, path) in [("PUT", "/Users/12345"), ("PUT", "/Users/0190ABCD-0000-7000-8000-00000000DEAD")] {
        let answer = acme.send(method, path, Some(user("stale@example.com"))).await;
        answer.refused(404, None, "resource_not_found");
        let why = house.why("stale@example.com").await;
        assert_eq!(why["verdict"], "refused", "{why:#}");
        check(&why["findings"], "resource_not_found", "nobody", &answer);
    }
    for (filter, name) in [
        ("userName eq bareword", "bareword"),
        ("externalId eq 00ujl29u0le5T6Aj10h7", "00ujl29u0le5T6Aj10h7"),
        ("userName eq 'single.quoted'", "Single.Quoted"),
    ] {
        acme.get(&look_up(filter)).await;
        let why = house.why(name).await;
        assert_ne!(why["requests"], json!([]), "{filter}: {why:#}");
        assert!(
            why["verdict"] == "looked_up_never_created" || why["verdict"] == "refused",
            "{filter}: {why:#}"
        );
    }
    let why = house.why("alice@example.com").await;
    assert_eq!(why["verdict"], "never_seen", "these were about somebody else: {why:#}");

    let text = |body: &str| Some(body.as_bytes().to_vec());
    let strange = Tenant { token: "no-token-of-ours".into(), ..acme.clone() };
    let nameless = json!({"schemas": [USER], "externalId": "00u1", "name": {"familyName": "Alice"}});
    let off = json!([{"op": "replace", "path": "active", "value": false}]);
    let xml = [("Content-Type", "application/xml")];
    let json = [("Content-Type", "application/scim+json")];
    let answers = [
        ("unread", strange.post("/Users", user("alice@example.com")).await),
        ("unread", acme.send_with("POST", "/Users", &xml, text("<user/>")).await),
        ("unread", acme.send_with("POST", "/Users", &json, text("{\"userName\": ")).await),
        ("unread", acme.post("/Users", json!({"userName": "alice", "title": "x".repeat(5_000)})).await),
        ("unnamed", acme.post("/Users", nameless).await),
        ("stale_id", acme.patch("/Users/12345", off).await),
    ];
    let why = house.why("alice@example.com").await;
    assert_eq!(why["verdict"], "not_seen");
    assert_eq!(finding(&why["findings"], "not_seen")["who"], "identity_provider");
    for (what, answer) in &answers {
        let hidden = why["hidden"].as_array().unwrap().iter().find(|hidden| hidden["what"] == *what);
        let hidden = hidden.unwrap_or_else(|| panic!("no {what} in {why:#}"));
        let code = answer.header("muster-error-code").expect("it was refused");
        assert!(hidden["codes"].as_array().unwrap().contains(&code.into()), "{code} in {hidden:#}");
        let mut alike = answers.iter().filter(|(other, _)| other == what);
        assert_eq!(hidden["requests"], alike.clone().count(), "{hidden:#}");
        let last = alike.next_back().unwrap().1.header("x-request-id");
        assert_eq!(hidden["request"].as_str(), last, "{hidden:#}");
        assert!(hidden["last_at"].is_string(), "{hidden:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_that_share_a_row_may_hide_somebody() {
    let house = House::start().await;
    for number in 0..60 {
        house.acme.get(&look_up(&format!("userName eq \"{number}@example.com\""))).await.expect(200);
    }
    let why = house.why("alice@example.com").await;
    assert_eq!(why["verdict"], "not_seen", "{why:#}");
    assert_eq!((&why["hidden"][0]["what"], &why["hidden"][0]["requests"]), (&json!("folded"), &json!(10)));
    assert_eq!(why["log"]["logged"], 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reached_no_tenant_was_not_never_sent() {
    let house = House::start().await;
    let nobody = Tenant { base_url: format!("{}/nobody/scim/v2", house.service.url), ..house.acme.clone() };
    let strange = Tenant { token: "no-token-of-ours".into(), ..nobody };
    let answer = strange.get(&look_up("userName eq \"alice@example.com\"")).await;
    let why = house.why("alice@example.com").await;
    assert_eq!(why["verdict"], "reached_no_tenant", "{why:#}");
    assert_eq!(finding(&why["findings"], "reached_no_tenant")["who"], "identity_provider");
    check(&why["elsewhere"], "tenant_not_found", "identity_provider", &answer);
    strange.post("/Users", user("bob@example.com")).await.refused(404, None, "tenant_not_found");
    let why = house.why("bob@example.com").await;
    assert_eq!(
        (&why["verdict"], &why["hidden"][0]["what"]),
        (&json!("not_seen"), &json!("no_tenant")),
        "{why:#}"
    );
}

/// What hides somebody, with the number of requests.
async fn hiding(house: &House, user: &str) -> Vec<(String, Option<u64>)> {
    let why = house.why(user).await;
    let hidden = why["hidden"].as_array().unwrap().iter();
    let hidden =
        hidden.map(|it| (it["what"].as_str().unwrap().to_owned(), it["requests"].as_u64())).collect();
    let verdict = why["verdict"].as_str().unwrap();
    assert_eq!(verdict == "never_seen", why["hidden"] == json!([]), "{why:#}");
    hidden
}

fn told(what: &str, requests: u64) -> Vec<(String, Option<u64>)> {
    vec![(what.to_owned(), Some(requests))]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_tenant_may_hide_somebody() {
    let house = House::start().await;
    let pear = house.service.create_tenant("pear", "okta").await;
    let mixed = Tenant { token: pear.token.clone(), ..house.acme.clone() };
    mixed.post("/Users", user("alice@example.com")).await.refused(401, None, "token_elsewhere");
    assert_eq!(hiding(&house, "alice@example.com").await, told("foreign_token", 1));
    let told = house.ask("/audit/v1/acme/why?user=alice@example.com").await;
    assert!(!told.to_string().contains("pear"), "whose token it was is no concern of this tenant: {told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_bulk_requests_may_hide_somebody() {
    let house = House::start().await;
    let nameless = json!({"schemas": [USER], "externalId": "00u1"});
    let nameless = json!({"method": "POST", "path": "/Users", "bulkId": "1", "data": nameless});
    let good = json!({"method": "POST", "path": "/Users", "bulkId": "2", "data": user("good@example.com")});
    house.acme.post("/Bulk", bulk(&json!([good.clone(), nameless]))).await.expect(200);
    assert_eq!(hiding(&house, "alice@example.com").await, told("unnamed", 1));

    let house = House::start().await;
    let stale = json!({"method": "DELETE", "path": "/Users/12345"});
    house.acme.post("/Bulk", bulk(&json!([good, stale]))).await.expect(200);
    assert_eq!(hiding(&house, "alice@example.com").await, told("stale_id", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_members_than_can_be_found_may_hide_somebody() {
    let house = House::start().await;
    let pear = house.service.create_tenant("pear", "okta").await;
    let members: Vec<Value> = (0..4_001).map(|id| json!({"value": format!("id-{id}")})).collect();
    let group = json!({"schemas": [GROUP], "displayName": "Staff", "members": members});
    pear.post("/Groups", group).await.expect(201);
    let why = house.ask("/audit/v1/pear/why?user=alice@example.com").await;
    assert_eq!((&why["verdict"], &why["hidden"][0]["what"]), (&json!("not_seen"), &json!("many")), "{why:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_called_like_a_secret_or_needs_escapes_is_found() {
    let house = House::start().await;
    let acme = &house.acme;
    for name in ["token:alice", "x_mst_y", "secretary"] {
        acme.post("/Users", json!({"schemas": [USER], "userName": name, "role": "king"})).await;
        let why = house.why(name).await;
        assert_eq!(why["verdict"], "refused", "{name}: {why:#}");
    }
    for (filter, name) in [
        (r#"userName eq "CORP\\jdoe""#, r"corp\jdoe"),
        (r#"userName eq "J\u00fcrgen""#, "Jürgen"),
        (r#"userName eq "my-token""#, "my-token"),
        ("userName eq password1", "password1"),
    ] {
        acme.get(&look_up(filter)).await.expect(200);
        let name =
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
        let why = house.why(&name).await;
        assert_eq!(why["verdict"], "looked_up_never_created", "{filter}: {why:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_the_place_of_a_name_finds_nothing() {
    let house = House::start().await;
    let acme = &house.acme;
    for secret in ["password=Zq490hunter", &acme.token, &acme.token.to_lowercase()] {
        for method in ["DELETE", "PUT"] {
            let body = (method == "PUT").then(|| json!({"schemas": [USER], "title": "x"}));
            acme.send(method, &format!("/Users/{secret}"), body).await.refused(
                404,
                None,
                "resource_not_found",
            );
        }
        let why = house.why(&secret.replace('=', "%3D")).await;
        assert_eq!((&why["verdict"], &why["requests"]), (&json!("not_seen"), &json!([])), "{why:#}");
    }
    for name in ["token:alice", "x_mst_y", "CORP%5Cjdoe", "Jane%20Doe"] {
        let answer = acme.send("PUT", &format!("/Users/{name}"), Some(json!({"schemas": [USER]}))).await;
        let code = answer.header("muster-error-code").expect("it was refused");
        let why = house.why(name).await;
        assert_eq!(why["verdict"], "refused", "{name}: {why:#}");
        finding(&why["findings"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_switched_off_or_lost_may_hide_somebody() {
    let mut house = House::start().await;
    house.service.reconfigured(|config| config.request_log.enabled = false).await;
    let at = |house: &House| {
        let base_url = format!("{}/acme/scim/v2", house.service.url);
        Tenant { base_url, ..house.acme.clone() }
    };
    at(&house).get("/Users").await.expect(200);
    assert_eq!(hiding(&house, "alice@example.com").await, [("log_off".to_owned(), None)]);
    house.service.reconfigured(|config| config.request_log.enabled = true).await;
    at(&house).user("bob@example.com").await;
    let both = [("log_off".to_owned(), None), ("not_covered".to_owned(), None)];
    assert_eq!(hiding(&house, "alice@example.com").await, both[..1]);
    std::fs::remove_file(house.service.tenant_folder("acme").join(muster::request_log::FILE)).unwrap();
    at(&house).user("carol@example.com").await;
    assert_eq!(hiding(&house, "alice@example.com").await, both);
    // Nor is it known what was refused of somebody who is here.
    let why = house.why("carol@example.com").await;
    let told = why["hidden"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap());
    let told: Vec<&str> = told.collect();
    assert_eq!((&why["verdict"], told), (&json!("provisioned"), vec!["log_off", "not_covered"]), "{why:#}");
    let log = house.service.tenant_folder("acme").join(muster::request_log::FILE);
    let log = rusqlite::Connection::open(log).unwrap();
    log.execute("UPDATE meta SET pruned = 7", []).unwrap();
    let why = house.why("carol@example.com").await;
    assert_eq!(why["verdict"], "provisioned");
    assert_eq!((&why["hidden"][0]["what"], &why["hidden"][0]["requests"]), (&json!("pruned"), &json!(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reached_no_tenant_counts_for_a_week() {
    let house = House::start().await;
    let nobody = Tenant { base_url: format!("{}/nobody/scim/v2", house.service.url), ..house.acme.clone() };
    let strange = Tenant { token: "no-token-of-ours".into(), ..nobody };
    strange.post("/Users", user("bob@example.com")).await.refused(404, None, "tenant_not_found");
    assert_eq!(hiding(&house, "alice@example.com").await, told("no_tenant", 1));
    house.clock.advance(Duration::from_hours(8 * 24));
    assert_eq!(hiding(&house, "alice@example.com").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_long_ago_that_name_the_person_hide_nobody() {
    let house = House::start().await;
    let strange = |name: &str| look_up(&format!("userName is \"{name}\""));
    for _ in 0..2 {
        house.acme.get(&strange("alice@example.com")).await.refused(
            400,
            Some("invalidFilter"),
            "filter_invalid",
        );
    }
    for number in 0..501 {
        house.acme.get(&strange(&format!("{number}@example.com"))).await;
    }
    assert_eq!(hiding_of_named(&house, "alice@example.com").await, told("refused_earlier", 1));
}

/// What may hide somebody who was refused, too.
async fn hiding_of_named(house: &House, user: &str) -> Vec<(String, Option<u64>)> {
    let why = house.why(user).await;
    assert_eq!(why["verdict"], "refused", "{why:#}");
    let hidden = why["hidden"].as_array().unwrap().iter();
    hidden.map(|it| (it["what"].as_str().unwrap().to_owned(), it["requests"].as_u64())).collect()
}

fn off() -> Value {
    json!([{"op": "replace", "path": "active", "value": false}])
}

/// How many requests were unread, and the last of them.
fn unread(why: &Value) -> (u64, Option<&str>) {
    let unread = why["hidden"].as_array().unwrap().iter().find(|hidden| hidden["what"] == "unread");
    unread.map_or((0, None), |unread| (unread["requests"].as_u64().unwrap(), unread["request"].as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_understood_may_hide_somebody() {
    let house = House::start().await;
    let acme = &house.acme;
    let group = json!({"schemas": [GROUP], "displayName": "Staff"});
    let group = acme.post("/Groups", group).await.expect(201)["id"].as_str().unwrap().to_owned();
    let group = format!("/Groups/{group}");
    let filters = [
        "userName eq \"alice@example.com",
        "userName is “alice@example.com”",
        "userName==\"alice@example.com\"",
        "login eq \"alice@example.com\"",
    ]
    .map(|filter| ("GET", look_up(filter), "", String::new()));
    let not_utf8 = format!("{}&x=%ff", look_up("userName eq \"alice@example.com\""));
    let search = |body: &str| ("POST", "/Users/.search".to_owned(), "application/scim+json", body.to_owned());
    let send = |method, path: &str, body: &Value| {
        (method, path.to_owned(), "application/scim+json", body.to_string())
    };
    let create = |data: Value| json!({"method": "POST", "path": "/Users", "bulkId": "1", "data": data});
    let no_path = json!({"method": "POST", "bulkId": "1", "data": {"title": "guide"}});
    let members = json!({"schemas": [GROUP], "displayName": "Crew", "members": [{"userName": "alice"}]});
    let cases = filters.into_iter().chain([
        ("GET", not_utf8, "", String::new()),
        search("{\"filter\": "),
        search("{\"filter\": \"userName eq\"}"),
        send("POST", "/Users", &json!([{"title": "guide"}])),
        send("POST", "/Users", &json!("alice")),
        send("POST", "/Groups", &json!([{"displayName": "Crew"}])),
        send("POST", "/Groups", &members),
        ("PATCH", group, "text/plain", off().to_string()),
        send("POST", "/People", &json!({"login": "alice"})),
        send("QUERY", "/Users", &json!({})),
        ("DELETE", "/Users".to_owned(), "", String::new()),
        send("POST", "/Bulk", &bulk(&json!([create(json!("alice"))]))),
        send("POST", "/Bulk", &bulk(&json!({"0": create(user("alice@example.com"))}))),
        send("POST", "/Bulk", &bulk(&json!([no_path]))),
        send("POST", "/Bulk", &bulk(&json!(["POST /Users alice"]))),
    ]);
    let (mut wrong, mut before) = (Vec::new(), 0);
    for (method, path, media_type, body) in cases {
        let type_header = [("Content-Type", media_type)];
        let headers = if body.is_empty() { &[][..] } else { &type_header[..] };
        let body_bytes = (!body.is_empty()).then(|| body.clone().into_bytes());
        let answer = acme.send_with(method, &path, headers, body_bytes).await;
        let why = house.why("alice@example.com").await;
        let (requests, last) = unread(&why);
        let is_firm = ["never_seen", "provisioned"].contains(&why["verdict"].as_str().unwrap());
        if requests != before + 1 || last != answer.header("x-request-id") || is_firm {
            wrong.push(format!("{method} {path} {body}: {} {}", answer.text, why["verdict"]));
        }
        before = requests;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Who has to mend it follows, too.
    let why = house.why("alice@example.com").await;
    for code in ["filter_invalid", "media_type_unsupported", "route_not_found"] {
        finding(&why["door"], code);
    }
    // Nobody else is hidden by a refusal that names whom it was about, or that could be read.
    acme.get(&look_up("userName is \"bob@example.com\"")).await;
    acme.post("/Users", json!({"schemas": [USER], "userName": "bob@example.com", "role": "king"})).await;
    acme.get("/Users?sortOrder=sideways").await;
    assert_eq!(unread(&house.why("alice@example.com").await), unread(&why));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_hide_a_change_of_somebody_stands_beside_how_they_are() {
    let house = House::start().await;
    let acme = &house.acme;
    let leaver = format!("/Users/{}", acme.user("leaver@example.com").await);
    let other = format!("/Users/{}", acme.user("other@example.com").await);
    let why = house.why("leaver@example.com").await;
    assert_eq!((&why["hidden"], &why["door"]), (&json!([]), &json!([])));
    // They name somebody else, or change nobody.
    let strange = Tenant { token: "no-token-of-ours".into(), ..acme.clone() };
    strange.patch(&other, off()).await.refused(401, None, "token_malformed");
    acme.get(&look_up("userName eq \"leaver")).await.refused(400, Some("invalidFilter"), "filter_invalid");
    let why = house.why("leaver@example.com").await;
    assert_eq!(why["hidden"], json!([]), "{why:#}");

    let json = [("Content-Type", "application/scim+json")];
    let broken = Some(b"{\"Operations\": [".to_vec());
    let swapped = Tenant { token: format!("{}x", acme.token), ..acme.clone() };
    let answers = [
        strange.patch(&leaver, off()).await,
        strange.delete(&leaver).await,
        swapped.patch(&leaver, off()).await,
        strange.post("/Bulk", bulk(&json!([{"method": "DELETE", "path": leaver}]))).await,
        acme.send_with("POST", "/Bulk", &json, broken).await,
    ];
    let why = house.why("leaver@example.com").await;
    assert_eq!(why["verdict"], "provisioned", "{why:#}");
    assert_eq!(unread(&why), (answers.len() as u64, answers[4].header("x-request-id")), "{why:#}");
    for answer in &answers {
        let code = answer.header("muster-error-code").expect("it was refused");
        assert_ne!(finding(&why["door"], code)["remedies"], json!([]), "{why:#}");
        assert!(why["hidden"][0]["codes"].as_array().unwrap().contains(&code.into()), "{code} in {why:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_take_no_place_of_what_somebody_is_judged_by() {
    let house = House::start().await;
    let acme = &house.acme;
    let leaver = format!("/Users/{}", acme.user("leaver@example.com").await);
    let patch = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    let off = Some(json!({"schemas": [patch], "Operations": off()}).to_string().into_bytes());
    let stale = [("Content-Type", "application/scim+json"), ("If-Match", "W/\"999\"")];
    let refused = acme.send_with("PATCH", &leaver, &stale, off).await;
    for number in 0..205 {
        acme.get(&leaver).await.expect(200);
        // Beyond a number in a second they share rows.
        if number % 40 == 0 {
            house.clock.advance(Duration::from_secs(1));
        }
    }
    let why = house.why("leaver@example.com").await;
    assert_eq!(why["verdict"], "refused", "{why:#}");
    assert_eq!(refused.header("muster-error-code"), Some("precondition_failed"));
    assert_eq!(finding(&why["findings"], "precondition_failed")["requests"], 1);
    assert_eq!(why["requests"].as_array().unwrap().len(), 202, "the newest reads, and what was written");
    assert_eq!(why["hidden"], json!([]), "{why:#}");

    let same = json!([{"op": "replace", "path": "userName", "value": "leaver@example.com"}]);
    for _ in 0..200 {
        acme.patch(&leaver, same.clone()).await.expect(200);
    }
    let why = house.why("leaver@example.com").await;
    assert_eq!(
        (&why["verdict"], &why["hidden"][0]["what"]),
        (&json!("provisioned"), &json!("named_earlier"))
    );
    assert!(why["hidden"][0]["last_at"].is_string(), "{why:#}");
}
