//! Asking what identity providers asked, and why somebody is missing; also on a folder whose service is stopped.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Running, finish, muster, run};
use crate::harness::TestService;

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_listed_and_shown_and_a_person_is_explained_running_and_stopped() {
    let mut service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    let again =
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ALICE@example.com"});
    let refused = acme.post("/Users", again).await;
    let id = refused.header("x-request-id").unwrap().to_owned();
    let data = service.data().to_owned();
    let asked = |words: &str| {
        let (data, words) = (data.clone(), words.to_owned());
        async move { run(&data, &words).await }
    };
    for state in ["running", "stopped"] {
        let listed = asked("requests list --tenant acme --output json").await.json();
        assert_eq!(listed["requests"].as_array().unwrap().len(), 2, "{state}");
        let failed = asked("requests list --tenant acme --failed --output json").await.json();
        assert_eq!(failed["requests"][0]["id"], id, "{state}");
        let table = asked("requests list --tenant acme --user alice@example.com").await.text();
        assert!(table.contains("user_name_taken") && table.contains("2 requests logged"), "{state}: {table}");
        let csv = asked("requests list --tenant acme --output csv").await.text();
        assert_eq!(csv.lines().count(), 3, "{state}: {csv}");
        let shown = asked(&format!("requests show --tenant acme {id}")).await.text();
        for part in ["ALICE@example.com", "user_name_taken", "the administrator of the identity provider"] {
            assert!(shown.contains(part), "{state}: no {part} in {shown}");
        }
        let why = asked("why --tenant acme alice@example.com --output json").await.json();
        assert_eq!(
            (&why["verdict"], &why["findings"][0]["code"]),
            (&json!("refused"), &json!("user_name_taken"))
        );
        let why = asked("why --tenant acme alice@example.com").await.text();
        assert!(
            why.starts_with("alice@example.com  tenant acme: the last attempt was refused\n"),
            "{state}: {why}"
        );
        let why = asked("why --tenant acme nobody@example.com").await.text();
        assert!(why.contains("never seen in any request") && why.contains("never_seen"), "{state}: {why}");
        assert_eq!(asked("requests list --output json").await.json()["requests"], json!([]), "{state}");
        if state == "running" {
            service.stop().await;
        }
    }
    service.resume().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_what_is_asked_next_as_json_lines() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.get("/Users").await.expect(200);
    let mut command = muster();
    command.args(["requests", "tail", "--tenant", "acme", "--after", "1", "--output", "json", "--data"]);
    let mut tail = Running(command.arg(service.data()).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(tail.0.stdout.take().unwrap()).lines();
    acme.get("/Groups").await.expect(200);
    acme.get("/Users/nobody").await;
    let read = tokio::task::spawn_blocking(move || {
        let lines: Vec<Value> =
            lines.by_ref().take(2).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        lines
    });
    let lines = read.await.unwrap();
    assert_eq!((&lines[0]["route"], &lines[1]["code"]), (&json!("/Groups"), &json!("resource_not_found")));
    drop(tail);
    let mut bad = muster();
    bad.args(["requests", "show", "--tenant", "acme", "no-such-request", "--data"]).arg(service.data());
    let done = finish(bad).await;
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("request_not_found"), "{}", done.stderr);
}
