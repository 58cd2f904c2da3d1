//! A tenant that observes: everything works and is recorded, nothing goes out, and what goes out once it is live is
//! exactly what its event says, whatever was lost meanwhile.

use super::*;

async fn observed(service: &TestService) -> Tenant {
    service.create_tenant_with("acme", json!({"kind": "okta", "settings": {"mode": "observe"}})).await
}

async fn update(service: &TestService, settings: Value) -> crate::harness::Answer {
    service.admin("PATCH", "/admin/v1/tenants/acme", Some(json!({ "settings": settings }))).await
}

async fn report(service: &TestService, query: &str) -> Value {
    service.admin("GET", &format!("/audit/v1/acme/observe{query}"), None).await.expect(200)
}

/// Somebody is deactivated, comes back, loses a group and is deleted; answers the user's id.
async fn a_short_career(tenant: &Tenant, name: &str) -> String {
    let user = tenant.user(name).await;
    let group = tenant.group(&format!("Friends of {name}"), &[&user]).await;
    set_active(tenant, &user, false).await;
    set_active(tenant, &user, true).await;
    let removed =
        tenant.patch(&format!("/Groups/{group}"), json!([{"op": "remove", "path": "members"}])).await;
    assert!(removed.status < 300, "{}", removed.text);
    assert_eq!(tenant.delete(&format!("/Users/{user}")).await.status, 204);
    user
}

async fn assert_mode(service: &TestService, mode: &str) {
    let shown = service.admin("GET", "/admin/v1/tenants/acme", None).await.expect(200);
    let listed = service.admin("GET", "/admin/v1/tenants", None).await.expect(200);
    assert_eq!((&shown["mode"], &listed["tenants"][0]["mode"]), (&json!(mode), &json!(mode)));
}

async fn await_observing(service: &TestService) {
    for name in [EVENTS, DEPROVISIONING] {
        let status = await_state(service, "acme", name, "observing").await;
        assert_eq!(status["lag_events"], 0, "{status}");
        assert!(status["reason"].as_str().unwrap().starts_with("tenant_observes: "), "{status}");
    }
}

/// The deprovisioning messages that a log stands for, by another way than the service's: everything here is about a
/// user, or a group that lost members.
async fn expected_deprovisioning(service: &TestService, from: u64) -> Vec<u64> {
    let path = format!("/audit/v1/acme/events?after={}&limit=10000", from - 1);
    let events = service.admin("GET", &path, None).await.expect(200);
    let told = ["user.deactivated", "user.reactivated", "user.deleted", "group.members_removed"];
    let events = events["events"].as_array().unwrap().iter();
    let events =
        events.filter(|event| event["cause"].is_null() && told.contains(&event["type"].as_str().unwrap()));
    events.map(|event| event["revision"].as_u64().unwrap()).collect()
}

/// Everything from a revision on is in both streams, once and in order, and nothing before it.
async fn assert_published_from(service: &TestService, nats: &Nats, from: u64) {
    published(service, nats, "acme").await;
    let last = head(service, "acme").await;
    assert_eq!(revisions(&held(nats, EVENTS, "acme").await), (from..=last).collect::<Vec<_>>());
    let told = expected_deprovisioning(service, from).await;
    assert_eq!(revisions(&held(nats, DEPROVISIONING, "acme").await), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_tenant_that_observes_is_published_and_the_report_says_what_would_have_been() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = observed(&service).await;
    let beta = service.create_tenant("beta", "okta").await;
    let alice = a_short_career(&acme, "alice@example.com").await;
    a_short_career(&beta, "bob@example.com").await;
    published(&service, &nats, "beta").await;
    await_observing(&service).await;
    assert_mode(&service, "observe").await;
    let before = report(&service, "").await;
    let folder = service.tenant_folder("acme");
    service
        .restarted(|_| {
            for name in ["operations.db", "current.db", "history.db"] {
                remove_database(&folder, name);
            }
        })
        .await;
    await_observing(&service).await;
    let beta = Tenant { base_url: rebased(&beta, &service), ..beta };
    set_active(&beta, &beta.user("carol@example.com").await, false).await;
    published(&service, &nats, "beta").await;
    for name in [EVENTS, DEPROVISIONING] {
        assert!(held(&nats, name, "acme").await.is_empty(), "something of acme is in {name}");
    }

    let told = report(&service, "").await;
    assert_eq!(told, before, "a restart and lost views change nothing");
    assert_eq!(
        (&told["mode"], &told["publish_from"], &told["people"]),
        (&json!("observe"), &Value::Null, &json!(1))
    );
    assert_eq!(told["counts"], json!({"deactivated": 1, "restored": 1, "group_lost": 1, "deleted": 1}));
    let lines = told["deprovisioning"].as_array().unwrap();
    let told_revisions: Vec<_> = lines.iter().map(|line| line["revision"].as_u64().unwrap()).collect();
    assert_eq!(told_revisions, expected_deprovisioning(&service, 1).await);
    let first = &lines[0];
    assert_eq!((&first["name"], &first["reason"]), (&json!("alice@example.com"), &json!("deactivated")));
    assert_eq!((&first["subject"], &first["was_active"]), (&json!(format!("users/{alice}")), &json!(true)));
    assert_eq!(first["actor"]["name"], "default");
    assert!(first["request"].is_string() && first["recorded_at"].is_string(), "{first}");
    assert_eq!(lines[2]["members"], json!([alice]));
    for line in [first, &lines[2]] {
        assert_eq!(line["who"], json!([{"id": alice, "name": "alice@example.com"}]), "{line}");
    }
    let rest = report(&service, &format!("?after={}&limit=1", told_revisions[1])).await;
    assert_eq!((&rest["counts"], &rest["deprovisioning"]), (&told["counts"], &json!([lines[2]])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_becomes_live_is_published_from_the_event_that_says_so() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = observed(&service).await;
    // The stream is not empty, so that a position that is lost cannot be guessed.
    service.create_tenant("beta", "okta").await;
    published(&service, &nats, "beta").await;
    a_short_career(&acme, "alice@example.com").await;
    let folder = service.tenant_folder("acme");
    service.restarted(|_| remove_database(&folder, "operations.db")).await;
    await_observing(&service).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    update(&service, json!({"mode": "live"})).await.expect(200);
    let from = head(&service, "acme").await;
    a_short_career(&acme, "bob@example.com").await;
    assert_published_from(&service, &nats, from).await;
    assert_mode(&service, "live").await;
    assert_eq!(update(&service, json!({"mode": "observe"})).await.status, 400);

    // Neither a lost position nor a lost stream, nor an operator, brings back what was withheld.
    service.restarted(|_| remove_database(&folder, "operations.db")).await;
    assert_published_from(&service, &nats, from).await;
    let context = jetstream::new(nats.connect().await);
    for name in [EVENTS, DEPROVISIONING] {
        context.delete_stream(name).await.unwrap();
    }
    eventually("both streams to be there again", || async {
        let filled =
            held(&nats, EVENTS, "acme").await.len() as u64 == head(&service, "acme").await + 1 - from;
        (filled && !held(&nats, DEPROVISIONING, "acme").await.is_empty()).then_some(())
    })
    .await;
    assert_published_from(&service, &nats, from).await;
    let events = service.admin("GET", "/audit/v1/acme/events?type=tenant.updated", None).await.expect(200);
    assert_eq!(events["events"][0]["revision"], from);
    assert_eq!(events["events"][0]["data"]["settings"], json!({"mode": "live", "publish_from": "here"}));
    assert_eq!(report(&service, "").await["up_to"], from - 1, "what was withheld can still be asked for");
    let check = service.admin("POST", "/admin/v1/tenants/acme/projections/check", None).await.expect(200);
    assert_eq!(check["equal"], true, "{check}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_was_lost_while_a_tenant_observed_asks_nobody_once_it_is_live() {
    let mut nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = observed(&service).await;
    service.create_tenant("beta", "okta").await;
    published(&service, &nats, "beta").await;
    // No publisher comes to the tenant between the loss and the event that makes it live.
    nats.kill();
    let folder = service.tenant_folder("acme");
    service.restarted(|_| remove_database(&folder, "operations.db")).await;
    update(&service, json!({"mode": "live"})).await.expect(200);
    let from = head(&service, "acme").await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    a_short_career(&acme, "alice@example.com").await;
    nats.resume().await;
    assert_published_from(&service, &nats, from).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_becomes_live_from_the_start_is_published_whole() {
    let mut nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = observed(&service).await;
    a_short_career(&acme, "alice@example.com").await;
    await_observing(&service).await;
    // The broker is away when the tenant becomes live, and the service stops before it is back.
    nats.kill();
    update(&service, json!({"mode": "live", "publish_from": "start"})).await.expect(200);
    service.stop().await;
    nats.resume().await;
    service.resume().await;
    assert_published_from(&service, &nats, 1).await;
    assert_eq!(report(&service, "").await["deprovisioning"], json!([]), "nothing was withheld");
}
