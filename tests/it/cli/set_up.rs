//! Setting up: tenants, clients, tokens, operators, groups and first sign-ins.

use serde_json::json;

use super::{finish, muster, run};
use crate::harness::{Tenant, TestService};

/// The keys of an object, in order.
fn keys(document: &serde_json::Value) -> Vec<&str> {
    document.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_a_command_made_takes_scim_with_its_token() {
    let service = TestService::start().await;
    let made = run(service.data(), "tenant create acme --kind entra --output json").await.json();
    assert_eq!(keys(&made), ["base_url", "tenant", "token"]);
    assert_eq!(made["base_url"], format!("{}/acme/scim/v2", service.url));
    let tenant = Tenant {
        name: "acme".into(),
        base_url: made["base_url"].as_str().unwrap().into(),
        token: made["token"].as_str().unwrap().into(),
    };
    tenant.user("alice@example.com").await;

    let listed = run(service.data(), "tenant list --output json").await.json();
    assert_eq!(keys(&listed), ["position", "tenants"]);
    assert_eq!(listed["tenants"][0]["tenant"], "acme");
    assert_eq!(listed["tenants"][0]["state"], "open");
    let csv = run(service.data(), "tenant list --output csv").await.text();
    assert!(csv.starts_with("tenant,base_url,state,"), "{csv}");
    assert!(
        csv.lines().any(|line| line.starts_with(&format!("acme,{}/acme/scim/v2,open,", service.url))),
        "{csv}"
    );

    let shown = run(service.data(), "tenant show acme --output json").await.json();
    assert_eq!(shown["clients"][0]["kind"], "entra");
    assert_eq!(shown["tokens"].as_array().unwrap().len(), 1);
    assert!(!shown.to_string().contains(&tenant.token), "a token is shown once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_is_shown_once_and_to_people_with_a_warning() {
    let service = TestService::start().await;
    let text = run(service.data(), "tenant create acme").await.text();
    assert!(text.ends_with("The token is shown this once: store it now.\n"), "{text}");
    assert_eq!(text.matches("mst_").count(), 1, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_works_with_its_own_token_until_it_is_switched_off_or_the_token_revoked() {
    let service = TestService::start().await;
    let data = service.data();
    let mut tenant = service.create_tenant("acme", "entra").await;
    let client = run(data, "client create --tenant acme okta --kind okta --output json").await.json();
    assert_eq!((client["name"].as_str(), client["kind"].as_str()), (Some("okta"), Some("okta")));
    let issued =
        run(data, "token issue --tenant acme --client okta --expires-in 90d --output json").await.json();
    assert_eq!(keys(&issued), ["id", "token"]);
    tenant.token = issued["token"].as_str().unwrap().to_owned();
    tenant.get("/Users").await.expect(200);

    let off = run(data, "client update --tenant acme okta --enabled false --output json").await.json();
    assert_eq!(off["enabled"], false);
    assert_eq!(tenant.get("/Users").await.status, 403);
    run(data, "client update --tenant acme okta --enabled true").await.text();
    tenant.get("/Users").await.expect(200);

    let id = issued["id"].as_str().unwrap();
    run(data, &format!("token revoke --tenant acme {id}")).await.text();
    assert_eq!(tenant.get("/Users").await.status, 401);
    let tokens = run(data, "token list --tenant acme --output json").await.json();
    let revoked = tokens["tokens"].as_array().unwrap().iter().find(|token| token["id"] == id).unwrap();
    assert!(revoked["revoked_at"].is_string() && revoked["expires_at"].is_string(), "{revoked}");
    let clients = run(data, "client list --tenant acme --output json").await.json();
    assert_eq!(clients["clients"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_by_address_and_token_until_revoked() {
    let service = TestService::start().await;
    let made = run(service.data(), "operator create ines --output json").await.json();
    let ask = || {
        let mut command = muster();
        command.args(["operator", "list", "--output", "json", "--url", &service.url]);
        command.env("MUSTER_TOKEN", made["token"].as_str().unwrap());
        finish(command)
    };
    let listed = ask().await.json();
    let names = listed["operators"].as_array().unwrap().iter().map(|operator| &operator["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["root", "ines"]);
    run(service.data(), "operator revoke ines").await.text();
    let refused = ask().await;
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("\nhint: set MUSTER_TOKEN"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_set_at_creation_and_changed_later() {
    let service = TestService::start().await;
    let data = service.data();
    run(data, "tenant create acme --set initial=invited --base-path /company/scim").await.text();
    let shown = run(data, "tenant show acme --output json").await.json();
    assert_eq!(shown["settings"]["initial"], "invited");
    assert_eq!(shown["settings"]["base_path"], "/company/scim");
    let updated =
        run(data, "tenant update acme --set initial=active --set delete=refuse --output json").await.json();
    assert_eq!(
        (&updated["settings"]["initial"], &updated["settings"]["delete"]),
        (&json!("active"), &json!("refuse"))
    );
    let unknown = run(data, "tenant update acme --set colour=red").await;
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""), "{}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_tenant_takes_no_scim() {
    let service = TestService::start().await;
    let tenant = service.create_tenant("acme", "okta").await;
    assert_eq!(run(service.data(), "tenant close acme").await.text(), "acme is closed\n");
    assert!(tenant.get("/Users").await.status >= 400);
    let listed = run(service.data(), "tenant list --output json").await.json();
    assert_eq!(listed["tenants"][0]["state"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_made_and_invited_users_activated_by_name() {
    let service = TestService::start().await;
    let data = service.data();
    let tenant = service.create_tenant_with("acme", json!({"settings": {"initial": "invited"}})).await;
    let group = run(data, "group create --tenant acme Finance --output json").await.json();
    assert_eq!(keys(&group), ["displayName", "id"]);
    assert_eq!(
        tenant.get(&format!("/Groups/{}", group["id"].as_str().unwrap())).await.expect(200)["displayName"],
        "Finance"
    );

    let alice = tenant.user("alice@example.com").await;
    let activated = run(data, "user activate --tenant acme alice@example.com --output json").await.json();
    assert_eq!(activated, json!({"id": alice, "activated": true}));
    let again = run(data, &format!("user activate --tenant acme {alice}")).await.text();
    assert_eq!(again, format!("{alice} was active before\n"));
    let nobody = run(data, "user activate --tenant acme nobody@example.com").await;
    assert_eq!((nobody.code, nobody.stdout.as_str()), (1, ""), "{}", nobody.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_its_code_and_the_command_that_helps() {
    let service = TestService::start().await;
    let refused = run(service.data(), "client list --tenant nobody").await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.starts_with("error: there is no "), "{}", refused.stderr);
    assert!(refused.stderr.ends_with("(tenant_not_found)\nhint: muster tenant list\n"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_refused_where_no_rows_come_out_and_nothing_is_done() {
    let service = TestService::start().await;
    let refused = run(service.data(), "tenant create acme --output csv").await;
    refused.failed(2, "error: no rows come out of this command, so --output csv has no meaning\n");
    let listed = run(service.data(), "tenant list --output json").await.json();
    assert_eq!(listed["tenants"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_listed_shown_checked_and_applied() {
    let service = TestService::start().await;
    let data = service.data();
    let listed = run(data, "profile list --output json").await.json();
    assert_eq!(keys(&listed["profiles"][0]), ["description", "name", "sha256"]);
    let text = run(data, "profile show zenzap").await.text();
    let file = data.join("crew.toml");
    std::fs::write(&file, text.replace("\"zenzap\"", "\"crew\"")).unwrap();
    let checked = run(data, &format!("profile check {} --output json", file.display())).await.json();
    assert_eq!((&checked["name"], &checked["mistakes"]), (&json!("crew"), &json!([])));
    run(data, &format!("tenant create acme --profile {}", file.display())).await.text();
    let shown = run(data, "tenant show acme --output json").await.json();
    assert_eq!(shown["settings"]["put_omitted"], "keep");
    assert_eq!(
        (&shown["profile"]["name"], &shown["profile"]["sha256"]),
        (&checked["name"], &checked["sha256"])
    );
    run(data, "tenant update acme --profile mezmo --set delete=refuse").await.text();
    let shown = run(data, "tenant show acme").await.text();
    assert!(shown.contains("from the profile mezmo, SHA-256 "), "{shown}");
    std::fs::write(&file, "name = 1\n").unwrap();
    let output = run(data, &format!("profile check {}", file.display())).await;
    assert_eq!(output.code, 4, "{}", output.stdout);
    assert!(output.stdout.contains("name") && output.stdout.ends_with("2 mistakes\n"), "{}", output.stdout);
}
