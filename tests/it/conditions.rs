//! Conditional requests over HTTP, and what a tag covers: who has read the last state may write, who has it is not
//! sent it again, and a request that changes nothing moves no version.

use serde_json::{Value, json};

use crate::evidence::Watch;
use crate::harness::{Tenant, TestService, id_of};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A user's body with more in it.
fn with(user_name: &str, more: &Value) -> Value {
    let mut body = json!({"schemas": [USER], "userName": user_name});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

fn tag_of(body: &Value) -> String {
    body["meta"]["version"].as_str().expect("a resource has a tag").to_owned()
}

/// GET with `If-None-Match`.
async fn status_unless(acme: &Tenant, path: &str, tag: &str) -> u16 {
    let answer = acme.send_with("GET", path, &[("If-None-Match", tag)], None).await;
    if answer.status == 304 {
        assert_eq!(answer.text, "");
        assert!(answer.header("etag").is_some());
    }
    answer.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_not_sent_again_while_nothing_that_is_shown_has_changed() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let id = acme.user("alice@example.com").await;
    let path = format!("/Users/{id}");
    let tag = tag_of(&acme.get(&path).await.expect(200));
    let opaque = tag.trim_start_matches("W/").to_owned();
    for known in [&tag, &opaque, &format!("W/\"1\", {tag}"), "*", opaque.trim_matches('"')] {
        assert_eq!(status_unless(&acme, &path, known).await, 304, "{known}");
    }
    for other in ["W/\"1\"", "\"\"", ""] {
        assert_eq!(status_unless(&acme, &path, other).await, 200, "{other}");
    }
    let group = acme.group("Tour Guides", &[&id]).await;
    assert_eq!(tag_of(&acme.get(&path).await.expect(200)), tag, "the tag does not cover memberships");
    assert_eq!(status_unless(&acme, &path, &tag).await, 200, "a membership has begun");
    assert_eq!(status_unless(&acme, &format!("{path}?excludedAttributes=groups"), &tag).await, 304);
    assert_eq!(status_unless(&acme, &format!("{path}?attributes=userName"), &tag).await, 304);

    acme.patch(&path, json!([{"op": "replace", "path": "title", "value": "Guide"}])).await.expect(200);
    let tag = tag_of(&acme.get(&path).await.expect(200));
    assert_eq!(status_unless(&acme, &path, &tag).await, 304, "the membership is older than the user's state");
    let leave = json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]);
    acme.patch(&format!("/Groups/{group}"), leave).await.expect(204);
    let left = acme.get(&path).await.expect(200);
    assert_eq!((left.get("groups"), tag_of(&left)), (None, tag.clone()));
    assert_eq!(status_unless(&acme, &path, &tag).await, 200, "the last membership has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_with_an_old_tag_answers_412_and_appends_nothing() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let id = acme.user("alice@example.com").await;
    let path = format!("/Users/{id}");
    let old = tag_of(&acme.get(&path).await.expect(200));
    acme.patch(&path, json!([{"op": "add", "path": "title", "value": "one"}])).await.expect(200);
    let now = tag_of(&acme.get(&path).await.expect(200));
    let mut watch = Watch::begin(&service, &acme).await;
    let put_body = |title: &str| with("alice@example.com", &json!({"title": title})).to_string().into_bytes();
    let patch_body = |title: &str| {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        let operations = json!([{"op": "replace", "path": "title", "value": title}]);
        json!({"schemas": schemas, "Operations": operations}).to_string().into_bytes()
    };
    for stale in [old.as_str(), "W/\"999999\"", "\"x\"", "", "W/\"1\", \"2\""] {
        for (method, body) in
            [("PUT", Some(put_body("two"))), ("PATCH", Some(patch_body("two"))), ("DELETE", None)]
        {
            let answer = acme.send_with(method, &path, &[("If-Match", stale)], body).await;
            answer.refused(412, None, "precondition_failed");
        }
    }
    assert!(watch.events().await.is_empty());
    let mut now = now;
    for (number, form) in ["{}", "\"x\", {}", "*"].into_iter().enumerate() {
        for (method, body) in
            [("PUT", put_body(&format!("put {number}"))), ("PATCH", patch_body(&format!("patch {number}")))]
        {
            let tag = form.replace("{}", &now);
            let answer = acme.send_with(method, &path, &[("If-Match", &tag)], Some(body)).await.expect(200);
            now = tag_of(&answer);
        }
    }
    let bare = now.trim_start_matches("W/").to_owned();
    acme.send_with("PUT", &path, &[("If-Match", &bare)], Some(put_body("bare"))).await.expect(200);
    assert_eq!(watch.events().await.len(), 7);
    acme.send_with("DELETE", &path, &[("If-Match", "*")], None).await.expect(204);
    let gone = acme.send_with("DELETE", &path, &[("If-Match", "*")], None).await;
    gone.refused(404, None, "resource_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_writers_with_the_same_tag_exactly_one_wins() {
    const WRITERS: usize = 8;
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let id = acme.user("alice@example.com").await;
    let path = format!("/Users/{id}");
    for round in 0..5 {
        let tag = tag_of(&acme.get(&path).await.expect(200));
        let mut watch = Watch::begin(&service, &acme).await;
        let write = |writer: usize| {
            let (acme, path, tag) = (acme.clone(), path.clone(), tag.clone());
            async move {
                let body = with("alice@example.com", &json!({"title": format!("{round}/{writer}")}));
                let body = body.to_string().into_bytes();
                acme.send_with("PUT", &path, &[("If-Match", &tag)], Some(body)).await
            }
        };
        let answers = futures_util::future::join_all((0..WRITERS).map(write)).await;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        let lost = answers.iter().filter(|answer| answer.status == 412).count();
        assert_eq!((won.len(), lost), (1, WRITERS - 1));
        assert_eq!(acme.get(&path).await.expect(200), won[0].body);
        assert_eq!(watch.types().await, ["user.updated"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_changes_nothing_moves_no_version_and_records_nothing() {
    let service = TestService::start().await;
    let acme = service.create_tenant("acme", "generic").await;
    let more = json!({
        "title": "Guide", "externalId": "701984",
        "emails": [{"value": "a@example.com", "type": "work", "primary": true}, {"value": "b@example.com"}],
        ENTERPRISE: {"department": "Tours"},
    });
    let body = with("alice@example.com", &more);
    let made = acme.post("/Users", body.clone()).await.expect(201);
    let path = format!("/Users/{}", id_of(&made));
    let mut watch = Watch::begin(&service, &acme).await;
    assert_eq!(acme.put(&path, body).await.expect(200), made);
    assert_eq!(acme.put(&path, made.clone()).await.expect(200), made, "what was read is sent back");
    for operation in [
        json!({"op": "replace", "path": "active", "value": true}),
        json!({"op": "Replace", "path": "active", "value": "True"}),
        json!({"op": "add", "path": "emails", "value": [{"value": "A@example.com", "type": "work"}]}),
        json!({"op": "add", "value": {"title": "Guide", "userName": "alice@example.com"}}),
        json!({"op": "remove", "path": "nickName"}),
        json!({"op": "remove", "path": "emails[type eq \"home\"]"}),
        json!({"op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "Tours"}),
    ] {
        assert_eq!(acme.patch(&path, json!([operation])).await.expect(200), made, "{operation}");
    }
    let there_and_back = json!([
        {"op": "replace", "path": "title", "value": "other"},
        {"op": "replace", "path": "title", "value": "Guide"},
    ]);
    assert_eq!(acme.patch(&path, there_and_back).await.expect(200), made);
    assert!(watch.events().await.is_empty());
    let changed = acme.patch(&path, json!([{"op": "remove", "path": "title"}])).await.expect(200);
    assert_ne!(changed["meta"]["version"], made["meta"]["version"]);
    assert_eq!(changed["meta"]["created"], made["meta"]["created"]);
    assert_ne!(changed["meta"]["lastModified"], made["meta"]["lastModified"]);
    assert_eq!(watch.types().await, ["user.updated"]);
}
