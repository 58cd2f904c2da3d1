//! Profiles: applied once, recorded resolved, and told apart from what is a tenant's own.

use serde_json::{Value, json};

use crate::harness::TestService;

async fn shown(service: &TestService) -> Value {
    service.admin("GET", "/admin/v1/tenants/acme", None).await.expect(200)
}

async fn create(service: &TestService, body: Value) -> crate::harness::Answer {
    service.admin("POST", "/admin/v1/tenants", Some(body)).await
}

async fn update(service: &TestService, body: Value) -> crate::harness::Answer {
    service.admin("PATCH", "/admin/v1/tenants/acme", Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_set_up_by_a_profile_and_what_is_asked_for_wins() {
    let service = TestService::start().await;
    let asked = json!({"tenant": "acme", "profile": "zulip", "settings": {"delete": "deactivate"}});
    let made = create(&service, asked).await.expect(201);
    assert_eq!(made["base_url"], format!("{}/scim/v2", service.url));
    let event = &service.events("acme", 0).await[0]["data"];
    assert_eq!(event["settings"]["groups"], "off");
    assert_eq!(event["settings"]["delete"], "deactivate");
    assert_eq!(event["settings"]["schemas"]["User"][0]["attributes"][0]["name"], "role");
    let stamp = muster::profiles::shipped("zulip").unwrap().stamp;
    assert_eq!(event["profile"], json!({"name": "zulip", "sha256": stamp.sha256}));
    let tenant = shown(&service).await;
    assert_eq!((&tenant["profile"], &tenant["settings"]["user_name"]), (&event["profile"], &json!("email")));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_profile_changes_what_is_a_profiles_and_is_recorded_once() {
    let service = TestService::start().await;
    let own = json!({"mode": "observe", "host": "acme.test", "base_path": "/acme/scim", "delete": "refuse"});
    create(&service, json!({"tenant": "acme", "settings": own})).await.expect(201);
    let before = shown(&service).await;
    let crew = "name = \"crew\"\ndescription = \"A crew\"\nput_omitted = \"keep\"\n";
    let after =
        update(&service, json!({"profile_toml": crew, "settings": {"initial": "invited"}})).await.expect(200);
    let settings = &after["settings"];
    for name in ["mode", "host", "base_path"] {
        assert_eq!(settings[name], before["settings"][name], "{name}");
    }
    let changed = ["delete", "put_omitted", "initial"].map(|name| settings[name].as_str().unwrap());
    assert_eq!(changed, ["delete", "keep", "invited"]);
    assert_eq!(after["profile"]["name"], "crew");
    let again =
        update(&service, json!({"profile_toml": crew, "settings": {"initial": "invited"}})).await.expect(200);
    assert_eq!(again["revision"], after["revision"], "nothing changed, so nothing is recorded");
    let moved = update(&service, json!({"profile": "secoda"})).await.expect(200);
    assert_eq!(moved["settings"]["base_path"], "/api/v2/scim");
    assert_eq!(moved["settings"]["put_omitted"], "clear");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_none_is_refused_with_all_that_is_wrong() {
    let service = TestService::start().await;
    let error = |answer: crate::harness::Answer| {
        assert_eq!(answer.status, 400, "{}", answer.text);
        let text = |name: &str| answer.body["error"][name].as_str().unwrap().to_owned();
        (text("code"), text("detail"))
    };
    let (code, detail) = error(create(&service, json!({"tenant": "acme", "profile": "mezzo"})).await);
    assert!(code == "profile_unknown" && detail.contains("mezmo, zenzap"), "{code} {detail}");
    let wrong = "name = \"crew\"\ncolour = 1\ngroups = \"some\"\n";
    let (code, detail) = error(create(&service, json!({"tenant": "acme", "profile_toml": wrong})).await);
    assert_eq!(code, "profile_invalid");
    for part in
        ["description: is missing", "line 2: colour: there is no such key", "line 3: groups: takes full"]
    {
        assert!(detail.contains(part), "{detail}");
    }
    let both = json!({"tenant": "acme", "profile": "zulip", "profile_toml": wrong});
    assert_eq!(error(create(&service, both).await).0, "parameter_invalid");
    create(&service, json!({"tenant": "acme"})).await.expect(201);
    assert_eq!(error(update(&service, json!({})).await).0, "parameter_invalid");
}
