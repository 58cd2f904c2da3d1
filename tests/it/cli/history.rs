//! Asking what happened: events, timelines, access; also on a folder whose service is stopped.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Running, finish, muster, run};
use crate::harness::{Tenant, TestService, eventually};

/// Alice joins, joins Finance, is renamed, leaves Finance and is deactivated.
async fn alice(tenant: &Tenant) -> String {
    let alice = tenant.user("alice@example.com").await;
    let finance = tenant.group("Finance", &[&alice]).await;
    let user = format!("/Users/{alice}");
    let rename = json!([{"op": "replace", "path": "userName", "value": "amberley@example.com"}]);
    tenant.patch(&user, rename).await.expect(200);
    let leave = json!([{"op": "remove", "path": format!("members[value eq \"{alice}\"]")}]);
    tenant.patch(&format!("/Groups/{finance}"), leave).await.expect(204);
    tenant.patch(&user, json!([{"op": "replace", "path": "active", "value": false}])).await.expect(200);
    alice
}

async fn events(data: &Path, more: &str) -> Vec<Value> {
    let document = run(data, &format!("events list --tenant acme --output json {more}")).await.json();
    assert!(document["position"].is_u64(), "{document}");
    document["events"].as_array().unwrap().clone()
}

fn revisions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["revision"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_whole_and_by_subject_type_and_revision() {
    let service = TestService::start().await;
    let tenant = service.create_tenant("acme", "okta").await;
    let alice = alice(&tenant).await;
    let data = service.data();
    let all = events(data, "").await;
    assert_eq!(revisions(&all), (1..=all.len() as u64).collect::<Vec<_>>());
    for field in
        ["v", "stream", "id", "type", "format", "subject", "attributes", "actor", "via", "txn", "data"]
    {
        assert!(all.iter().all(|event| event.get(field).is_some()), "an event has no {field}");
    }
    let hers = events(data, &format!("--subject users/{alice}")).await;
    let types: Vec<&str> = hers.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["user.created", "user.updated", "user.deactivated"]);
    assert_eq!(events(data, "--type user.deactivated").await, hers[2..]);
    assert_eq!(revisions(&events(data, "--after 2 --limit 2").await), [3, 4]);
    assert_eq!(events(data, "--after 1000").await, Vec::<Value>::new());

    let csv = run(data, "events list --tenant acme --output csv --limit 1").await.text();
    assert!(csv.starts_with("revision,recorded_at,type,subject,"), "{csv}");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let text = run(data, "events list --tenant acme").await.text();
    assert!(text.contains("user.deactivated"), "{text}");
    assert!(!text.contains("alice@example.com"), "a line shows what the header has: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_longer_than_a_page_of_the_service_is_whole() {
    let service = TestService::start().await;
    let tenant = service.create_tenant("acme", "okta").await;
    let users = futures_util::stream::iter(0..1_100);
    let tenant = &tenant;
    futures_util::StreamExt::for_each_concurrent(users, 64, |number| async move {
        tenant.user(&format!("user-{number}@example.com")).await;
    })
    .await;
    let all = events(service.data(), "").await;
    assert_eq!(revisions(&all), (1..=1_103).collect::<Vec<_>>());
    assert_eq!(events(service.data(), "--limit 1001").await.len(), 1_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_what_is_recorded_next_as_json_lines() {
    let service = TestService::start().await;
    let tenant = service.create_tenant("acme", "okta").await;
    let position =
        run(service.data(), "events list --tenant acme --output json").await.json()["position"].clone();
    let mut command = muster();
    command
        .args(["events", "tail", "--tenant", "acme", "--output", "json", "--after"])
        .arg(position.to_string());
    command.arg("--data").arg(service.data()).stdout(Stdio::piped());
    let mut tail = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(tail.0.stdout.take().unwrap()).lines();
    let alice = tenant.user("alice@example.com").await;
    tenant.delete(&format!("/Users/{alice}")).await.expect(204);
    let read = tokio::task::spawn_blocking(move || [lines.next(), lines.next()]);
    let read =
        read.await.unwrap().map(|line| serde_json::from_str::<Value>(&line.unwrap().unwrap()).unwrap());
    let types = read.map(|event| event["type"].clone());
    assert_eq!(types, ["user.created", "user.deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_tells_the_story_by_present_and_former_name_running_and_stopped() {
    let mut service = TestService::start().await;
    let tenant = service.create_tenant("acme", "okta").await;
    let id = alice(&tenant).await;
    let data = service.data().to_owned();
    let by_name = eventually("the whole story", || async {
        let story = run(&data, "timeline --tenant acme amberley@example.com --output json").await.json();
        let complete = story["resources"][0]["events"].as_array().is_some_and(|events| events.len() == 5);
        complete.then_some(story)
    })
    .await;
    let resource = &by_name["resources"][0];
    assert_eq!((&resource["id"], &resource["active"]), (&json!(id), &json!(false)));
    assert_eq!(resource["memberships"][0]["displayName"], "Finance");
    assert!(resource["memberships"][0]["from"].is_string() && resource["memberships"][0]["to"].is_string());
    let renamed = &resource["events"][2]["changes"][0];
    assert_eq!(
        *renamed,
        json!({"path": "userName", "from": "alice@example.com", "to": "amberley@example.com"})
    );

    for name in ["alice@example.com", &id] {
        let story = run(&data, &format!("timeline --tenant acme {name} --output json")).await.json();
        assert_eq!(story, by_name, "{name}");
    }
    let text = run(&data, "timeline --tenant acme alice@example.com").await.text();
    assert!(text.starts_with(&format!("amberley@example.com  (inactive, id {id})\n")), "{text}");
    for part in [
        "provisioned by client default",
        "userName: alice@example.com -> amberley@example.com",
        "added to group Finance by client default",
        "removed from group Finance by client default",
        "deactivated by client default",
        "active: true -> false",
        "Finance  from ",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }

    service.stop().await;
    let stopped = run(&data, "timeline --tenant acme alice@example.com").await.text();
    assert_eq!(stopped, text);
    for view in ["current.db", "history.db"] {
        std::fs::remove_file(service.tenant_folder("acme").join(view)).unwrap();
    }
    assert_eq!(run(&data, "timeline --tenant acme alice@example.com").await.text(), text);
    service.resume().await;
    assert_eq!(run(&data, "timeline --tenant acme alice@example.com").await.text(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whom_nobody_knows_has_no_timeline() {
    let service = TestService::start().await;
    service.create_tenant("acme", "okta").await;
    let refused = run(service.data(), "timeline --tenant acme nobody@example.com").await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("(user_not_found)"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lists_who_was_active_at_an_instant() {
    let service = TestService::start().await;
    let tenant = service.create_tenant("acme", "okta").await;
    let id = alice(&tenant).await;
    let data = service.data();
    let recorded = events(data, &format!("--subject users/{id}")).await;
    let created = recorded[0]["recorded_at"].as_str().unwrap();
    let ended = recorded[2]["recorded_at"].as_str().unwrap();
    let access =
        async |at: &str, more: &str| run(data, &format!("access --tenant acme --at {at} {more}")).await;
    let then = access(created, "--output json").await.json();
    assert_eq!(then["users"].as_array().unwrap().len(), 1);
    assert_eq!(then["users"][0]["userName"], "alice@example.com");
    assert_eq!(access(ended, "--output json").await.json()["users"], json!([]));
    let csv = access(created, "--output csv").await.text();
    assert_eq!(csv, format!("userName,id,active,groups\r\nalice@example.com,{id},true,\r\n"));
    let text = access(created, "").await.text();
    assert!(text.contains("1 user at "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_folder_is_read_and_never_written() {
    let mut service = TestService::start().await;
    service.create_tenant("acme", "okta").await;
    let data = service.data().to_owned();
    let reads = [
        "tenant list",
        "tenant show acme",
        "client list --tenant acme",
        "token list --tenant acme",
        "operator list",
        "events list --tenant acme",
        "projections check --tenant acme",
        "outbox status",
    ];
    service.stop().await;
    for words in reads {
        run(&data, &format!("{words} --output json")).await.json();
    }
    let refused = run(&data, "tenant create other").await;
    let expected = format!(
        "error: this command changes data, but the service of {0} is stopped\nhint: muster serve --data {0}\n",
        data.display()
    );
    refused.failed(5, &expected);
    let waiting = run(&data, "events tail --tenant acme").await;
    assert_eq!((waiting.code, waiting.stdout.as_str()), (5, ""), "{}", waiting.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_by_address_and_token_and_changes_nothing() {
    let service = TestService::start().await;
    service.create_tenant("acme", "okta").await;
    let issued = run(service.data(), "token issue --tenant acme --role auditor --output json").await.json();
    let ask = |words: &str| {
        let mut command = muster();
        command.args(words.split_whitespace()).args(["--output", "json", "--url", &service.url]);
        command.env("MUSTER_TOKEN", issued["token"].as_str().unwrap());
        finish(command)
    };
    assert!(ask("events list --tenant acme").await.json()["events"].is_array());
    assert_eq!(ask("tenant close acme").await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_large_events_is_whole_though_its_pages_end_early() {
    const PEOPLE: usize = 22;
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    for number in 0..PEOPLE {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("u{number}@example.com"), "title": "x".repeat(500_000),
        });
        acme.post("/Users", body).await.expect(201);
    }
    let page = service.admin("GET", "/audit/v1/acme/events", None).await.expect(200);
    let first = page["events"].as_array().expect("a list").len();
    assert!(first <= 20, "{first} events, most of them large, on one page");
    let all = run(service.data(), "events list --tenant acme --type user.created --output json").await.json();
    assert_eq!(all["events"].as_array().expect("a list").len(), PEOPLE);
}
