//! What auditors ask: a person's story under every name, and who had access at any instant.

mod model;

use std::sync::Arc;
use std::time::Duration;

use muster::app::Sources;
use muster::clock::{Clock as _, ManualClock};
use provisioning::command::{Command, Origin};
use provisioning::recorded::{Actor, Via};
use provisioning::{Revision, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Answer, Tenant, TestService, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const SECOND: Duration = Duration::from_secs(1);

/// A tenant and the clock by which it lives.
struct Place {
    service: TestService,
    clock: Arc<ManualClock>,
    acme: Tenant,
}

impl Place {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
        let service = TestService::start_with(|_| (), sources).await;
        let acme = service.create_tenant("acme", "okta").await;
        Self { service, clock, acme }
    }

    /// A second later.
    fn tick(&self) -> &Self {
        self.clock.advance(SECOND);
        self
    }

    async fn timeline(&self, name: &str) -> Answer {
        let name = name.replace('+', "%2B").replace(' ', "%20");
        self.service.admin("GET", &format!("/audit/v1/acme/timeline?user={name}"), None).await
    }

    async fn access(&self, at: Timestamp, group: Option<&str>) -> Answer {
        let group = group.map(|name| format!("&group={}", name.replace(' ', "%20"))).unwrap_or_default();
        self.service.admin("GET", &format!("/audit/v1/acme/access?at={at}{group}"), None).await
    }

    /// The userNames of those who had access, oldest first.
    async fn names_at(&self, at: Timestamp) -> Vec<String> {
        let users = self.access(at, None).await.expect(200)["users"].clone();
        users.as_array().unwrap().iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect()
    }
}

/// A change as a line: path, before, after.
fn change_line(change: &Value) -> String {
    let value =
        |value: &Value| if value.is_null() { "-".to_owned() } else { value.to_string().replace('"', "") };
    format!("{}: {} > {}", change["path"].as_str().unwrap(), value(&change["from"]), value(&change["to"]))
}

/// An event of a timeline as lines: type, by whom, in which group, what changed.
fn event_lines(event: &Value) -> String {
    let actor = &event["actor"];
    let name = actor["name"].as_str().unwrap_or("-");
    let group = event["group"]["displayName"].as_str().map(|name| format!(" in {name}")).unwrap_or_default();
    let accepted = if event["accepted_at"].is_null() { "" } else { " (accepted)" };
    let changes: Vec<_> = event["changes"].as_array().unwrap().iter().map(change_line).collect();
    let line = format!(
        "{} by {} {name}{group}{accepted}",
        event["type"].as_str().unwrap(),
        actor["kind"].as_str().unwrap()
    );
    [vec![line], changes].concat().join("\n  ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_tells_a_whole_story_under_every_name_that_a_person_bore() {
    let place = Place::new().await;
    let client = json!({"name": "Entra", "kind": "entra"});
    place.tick().service.admin("POST", "/admin/v1/tenants/acme/clients", Some(client)).await.expect(201);
    let issue = Some(json!({"client": "Entra"}));
    let issued = place.tick().service.admin("POST", "/admin/v1/tenants/acme/tokens", issue).await.expect(201);
    let entra = Tenant { token: issued["token"].as_str().unwrap().to_owned(), ..place.acme.clone() };
    let okta = &place.acme;

    let born = json!({
        "schemas": [USER],
        "userName": "Alice@example.com",
        "externalId": "00u1",
        "name": {"familyName": "Jensen"},
        "emails": [{"value": "alice+old@example.com"}]
    });
    let alice = id_of(&place.tick().acme.post("/Users", born).await.expect(201));
    let path = format!("/Users/{alice}");
    let finance = place.tick().acme.group("Finance", &[&alice]).await;
    let joined = place.clock.now();
    place.tick();
    let married = json!([{"op": "replace", "value": {
        "userName": "alice.miller@example.com", "name.familyName": "Miller", "emails": [{"value": "alice.new@example.com"}]
    }}]);
    entra.patch(&path, married).await.expect(200);
    place.tick();
    let renamed = json!([{"op": "replace", "path": "displayName", "value": "Finance EU"}]);
    okta.patch(&format!("/Groups/{finance}"), renamed).await.expect(204);
    place.tick();
    let leave = json!([{"op": "remove", "path": format!("members[value eq \"{alice}\"]")}]);
    entra.patch(&format!("/Groups/{finance}"), leave).await.expect(204);
    let left = place.clock.now();
    let staff = place.tick().acme.group("Staff", &[&alice]).await;
    let employed = place.clock.now();
    place.tick();
    okta.patch(&path, json!([{"op": "replace", "value": {"active": false, "title": "Leaver"}}]))
        .await
        .expect(200);
    let directory = place.service.house().directories.tenant("acme").unwrap();
    let deactivated = directory.position();
    place.tick();
    let accepted = Command::RecordPublished(vec![(deactivated, 1, place.clock.now())]);
    let system =
        Origin { actor: Actor::SYSTEM, via: Via::System, request: None, received_at: None, context: None };
    directory.submit(accepted, system).await.unwrap();

    let told = place.timeline(&alice).await.expect(200);
    for name in
        ["alice@EXAMPLE.com", "alice.miller@example.com", "ALICE+old@example.com", "alice.new@example.com"]
    {
        assert_eq!(place.timeline(name).await.expect(200), told, "{name}");
    }
    let position = directory.position();
    assert_eq!((&told["position"], told["resources"].as_array().unwrap().len()), (&json!(position), 1));
    let person = &told["resources"][0];
    assert_eq!(
        (&person["id"], &person["userName"], &person["active"]),
        (&json!(alice), &json!("alice.miller@example.com"), &json!(false))
    );
    let lines: Vec<_> = person["events"].as_array().unwrap().iter().map(event_lines).collect();
    let expected = [
        "user.created by client default\n  active: - > true\n  emails: - > [{value:alice+old@example.com}]\n  \
         name.familyName: - > Jensen\n  userName: - > Alice@example.com\n  externalId: - > 00u1",
        "group.members_added by client default in Finance",
        "user.updated by client Entra\n  emails: [{value:alice+old@example.com}] > [{value:alice.new@example.com}]\n  \
         name.familyName: Jensen > Miller\n  userName: Alice@example.com > alice.miller@example.com",
        "group.members_removed by client Entra in Finance EU",
        "group.members_added by client default in Staff",
        "user.updated by client default\n  title: - > Leaver",
        "user.deactivated by client default (accepted)\n  active: true > false",
    ];
    assert_eq!(lines, expected);
    let intervals = json!([
        {"group": finance, "displayName": "Finance EU", "from": joined, "to": left},
        {"group": staff, "displayName": "Staff", "from": employed, "to": null},
    ]);
    assert_eq!(person["memberships"], intervals);
    let event = &person["events"][6];
    let shape: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
    let fields = ["accepted_at", "actor", "changes", "group", "recorded_at", "revision", "subject", "type"];
    assert_eq!(shape, fields);
    assert_eq!(
        (&event["subject"], &event["revision"]),
        (&json!(format!("users/{alice}")), &json!(deactivated))
    );
    assert_eq!(event["accepted_at"], json!(place.clock.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_bore_the_name_is_told_of_oldest_first_and_deleted_people_too() {
    let place = Place::new().await;
    let first = place.tick().acme.user("sam@example.com").await;
    let group = place.tick().acme.group("Sales", &[&first]).await;
    place.tick().acme.delete(&format!("/Users/{first}")).await.expect(204);
    let second = place.tick().acme.user("SAM@example.com").await;
    let told = place.timeline("Sam@example.com").await.expect(200);
    let ids: Vec<_> = told["resources"].as_array().unwrap().iter().map(|person| &person["id"]).collect();
    assert_eq!(ids, [&json!(first), &json!(second)]);
    let gone = &told["resources"][0];
    assert_eq!((&gone["userName"], &gone["active"]), (&json!("sam@example.com"), &json!(false)));
    let types: Vec<_> = gone["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["user.created", "group.members_added", "group.members_removed", "user.deleted"]);
    let membership = &gone["memberships"][0];
    assert_eq!((&membership["group"], &membership["displayName"]), (&json!(group), &json!("Sales")));
    assert_eq!(membership["to"], gone["events"][3]["recorded_at"]);
    let nobody = place.timeline("nobody@example.com").await;
    assert_eq!(nobody.expect(404)["error"]["code"], "user_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_gone_keeps_its_name_in_the_story() {
    let place = Place::new().await;
    let user = place.tick().acme.user("kim@example.com").await;
    let group = place.tick().acme.group("Project X", &[&user]).await;
    place.tick().acme.delete(&format!("/Groups/{group}")).await.expect(204);
    let told = place.timeline("kim@example.com").await.expect(200);
    let person = &told["resources"][0];
    assert_eq!(person["memberships"][0]["displayName"], "Project X");
    assert_eq!(person["events"][2]["group"], json!({"id": group, "displayName": "Project X"}));
    assert_eq!(
        (&person["events"][2]["type"], &person["active"]),
        (&json!("group.members_removed"), &json!(true))
    );
    // A name of another time does not count, the id does: nobody was in it any more.
    let now = place.clock.now();
    let before = Timestamp(now.0 - 1);
    assert_eq!(place.access(before, Some("project x")).await.expect(200)["users"][0]["id"], json!(user));
    assert_eq!(place.access(now, Some(&group)).await.expect(200)["users"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_did_bears_the_operators_name() {
    let place = Place::new().await;
    let settings = json!({"settings": {"initial": "invited"}});
    place.tick().service.admin("PATCH", "/admin/v1/tenants/acme", Some(settings)).await.expect(200);
    let user = place.tick().acme.user("ida@example.com").await;
    let path = format!("/admin/v1/tenants/acme/users/{user}/activate");
    place.tick().service.admin("POST", &path, None).await.expect(200);
    let told = place.timeline("ida@example.com").await.expect(200);
    let actor = &told["resources"][0]["events"][1]["actor"];
    assert_eq!(*actor, json!({"kind": "operator", "client": null, "name": "root"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_at_every_instant_is_what_a_model_says() {
    let place = Place::new().await;
    let before = place.clock.now();
    let mut model = model::Model::new(2026);
    for _ in 0..220 {
        place.tick();
        model.step(&place.acme, place.clock.now()).await;
    }
    assert_eq!(place.access(Timestamp(before.0 + 999_999), None).await.expect(200)["users"], json!([]));
    assert_eq!(place.access(Timestamp(0), None).await.expect(200)["position"], 0);
    for state in &model.states {
        for at in [state.from, Timestamp(state.from.0 + 999_999)] {
            let answer = place.access(at, None).await.expect(200);
            assert_eq!((&answer["users"], &answer["at"]), (&state.access(None), &json!(at)));
        }
        let at = Timestamp(state.from.0 + 500_000);
        for name in state.group_names() {
            let answer = place.access(at, Some(&name.to_uppercase())).await.expect(200);
            assert_eq!(answer["users"], state.access(Some(name)), "in {name} at {at}");
        }
        assert_eq!(
            place.access(at, Some("No Such Group")).await.expect(404)["error"]["code"],
            "group_not_found"
        );
    }
    let last = model.states.last().unwrap();
    let far = Timestamp::parse("2999-01-01T00:00:00Z").unwrap();
    assert_eq!(place.access(far, None).await.expect(200)["users"], last.access(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_a_little_behind_repeats_the_last_instant_and_one_far_behind_refuses_writes() {
    let place = Place::new().await;
    place.clock.advance(Duration::from_mins(1));
    let first = place.acme.user("first@example.com").await;
    let last = place.clock.now();
    place.clock.set(Timestamp(last.0 - 4_000_000));
    place.acme.user("second@example.com").await;
    place.clock.set(Timestamp(last.0 - 5_000_000));
    place.acme.user("third@example.com").await;
    let directory = place.service.house().directories.tenant("acme").unwrap();
    let recorded = directory.recorded(Revision(directory.position().0 - 2), 2).unwrap();
    assert_eq!(recorded.iter().map(|event| event.header.recorded_at).collect::<Vec<_>>(), [last, last]);
    assert_eq!(recorded[0].header.received_at, Some(Timestamp(last.0 - 4_000_000)));

    place.clock.set(Timestamp(last.0 - 6_000_000));
    let position = directory.position();
    let body = json!({"schemas": [USER], "userName": "fourth@example.com"});
    let refused = place.acme.post("/Users", body.clone()).await;
    refused.refused(503, None, "clock_behind_log");
    assert_eq!(refused.header("retry-after"), Some("5"));
    place.acme.delete(&format!("/Users/{first}")).await.refused(503, None, "clock_behind_log");
    assert_eq!(directory.position(), position);
    assert_eq!(place.acme.get("/Users").await.expect(200)["totalResults"], 3);
    assert_eq!(place.names_at(last).await.len(), 3);
    place.clock.set(last);
    place.acme.post("/Users", body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clock_was_set_back_with_consent_every_instant_has_one_answer() {
    let place = Place::new().await;
    let start = place.clock.now();
    let at = |seconds: i64| Timestamp(start.0 + seconds * 1_000_000);
    place.clock.set(at(1_000));
    place.acme.user("a@example.com").await;
    place.clock.set(at(5_000));
    place.acme.user("b@example.com").await;
    place.clock.set(at(3_000));
    let accepted = place.service.admin("POST", "/admin/v1/tenants/acme/accept-clock", None).await.expect(200);
    place.clock.set(at(3_100));
    let c = place.acme.user("c@example.com").await;
    place.clock.set(at(6_000));
    place.acme.delete(&format!("/Users/{c}")).await.expect(204);

    let directory = place.service.house().directories.tenant("acme").unwrap();
    let revision = accepted["revision"].as_u64().unwrap();
    let adjusted = directory.recorded(Revision(revision - 1), 1).unwrap().remove(0);
    assert_eq!(
        (adjusted.header.event_type.as_str(), adjusted.header.recorded_at),
        ("clock.adjusted", at(3_000))
    );
    for (seconds, names) in [
        (0, &[][..]),
        (999, &[]),
        (1_000, &["a@example.com"]),
        (2_999, &["a@example.com"]),
        (3_000, &["a@example.com", "b@example.com"]),
        (3_099, &["a@example.com", "b@example.com"]),
        (3_100, &["a@example.com", "b@example.com", "c@example.com"]),
        (5_000, &["a@example.com", "b@example.com", "c@example.com"]),
        (6_000, &["a@example.com", "b@example.com"]),
    ] {
        assert_eq!(place.names_at(at(seconds)).await, names, "at {seconds}");
    }
    let mut last = 0;
    for seconds in 0..70 {
        let position = place.access(at(seconds * 100), None).await.expect(200)["position"].as_u64().unwrap();
        assert!(last <= position, "at {seconds}00");
        last = position;
    }
    // A clock that is right needs no consent.
    let again = place.service.admin("POST", "/admin/v1/tenants/acme/accept-clock", None).await.expect(200);
    assert_eq!((again["revision"].as_u64(), directory.position().0), (Some(directory.position().0), last));
}
