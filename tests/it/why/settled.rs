//! What was refused is told until it has its effect, and only what has it settles it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{GROUP, House, NOBODY, USER, codes, finding, user};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_refused_and_let_in_later_is_told_so() {
    let house = House::start().await;
    let role = |role: &str| json!({"schemas": [USER], "userName": "role@example.com", "role": role});
    house.acme.post("/Users", role("king")).await.refused(400, Some("invalidValue"), "value_not_allowed");
    assert_eq!(house.why("role@example.com").await["verdict"], "refused");
    house.acme.post("/Users", role("guide")).await.expect(201);
    let why = house.why("role@example.com").await;
    assert_eq!(
        (&why["verdict"], &why["findings"][0]["settled"]),
        (&json!("provisioned"), &json!(true)),
        "{why:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_settled_only_by_the_like_of_it() {
    let house = House::start().await;
    let acme = &house.acme;
    let id = acme.user("leaver@example.com").await;
    let path = format!("/Users/{id}");
    let replace =
        |attribute: &str, value: Value| json!([{"op": "replace", "path": attribute, "value": value}]);
    acme.patch(&path, replace("active", json!("disabled"))).await.refused(
        400,
        Some("invalidValue"),
        "wrong_type",
    );
    acme.group("Staff", &[&id]).await;
    acme.patch(&path, replace("title", json!("Guide"))).await.expect(200);
    acme.get(&path).await.expect(200);
    let why = house.why("leaver@example.com").await;
    let found = finding(&why["findings"], "wrong_type");
    assert_eq!((&why["verdict"], &found["settled"]), (&json!("refused"), &json!(false)), "{why:#}");
    // Who is here already is found, and changed from then on.
    let again = acme.send("POST", "/Users", Some(user("leaver@example.com"))).await;
    again.refused(409, Some("uniqueness"), "user_name_taken");
    acme.patch(&path, replace("title", json!("Guest"))).await.expect(200);
    acme.patch(&path, replace("active", json!(false))).await.expect(200);
    let why = house.why("leaver@example.com").await;
    for code in ["wrong_type", "user_name_taken"] {
        let found = finding(&why["findings"], code);
        assert_eq!((&why["verdict"], &found["settled"]), (&json!("deactivated"), &json!(true)), "{why:#}");
    }

    // A membership that was refused makes nobody unprovisioned, and is open until that group has them.
    let alice = acme.user("alice@example.com").await;
    let group = acme.group("Sales", &[]).await;
    let add = |members: Value| json!([{"op": "add", "path": "members", "value": members}]);
    let members = json!([{"value": alice}, {"value": NOBODY}]);
    acme.patch(&format!("/Groups/{group}"), add(members)).await.refused(
        400,
        Some("invalidValue"),
        "unknown_member",
    );
    acme.group("Others", &[&alice]).await;
    let settled = async || {
        let why = house.why("alice@example.com").await;
        let found = finding(&why["findings"], "unknown_member");
        assert_eq!(
            (&why["verdict"], &found["about"]),
            (&json!("provisioned"), &json!("membership")),
            "{why:#}"
        );
        found["settled"] == true
    };
    assert!(!settled().await);
    acme.patch(&format!("/Groups/{group}"), add(json!([{"value": alice}]))).await.expect(204);
    assert!(settled().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_was_left_out_is_told_until_the_group_has_them() {
    let house = House::start().await;
    let pear = house.service.create_tenant("pear", "okta").await;
    let why = async || house.ask("/audit/v1/pear/why?user=notyet@example.com").await;
    let group = pear.group("Staff", &[]).await;
    let add = |id: &str| {
        let member = json!([{"value": id, "display": "notyet@example.com"}]);
        json!([{"op": "add", "path": "members", "value": member}])
    };
    let skipped = pear.patch(&format!("/Groups/{group}"), add(NOBODY)).await;
    assert_eq!(skipped.status, 204, "{}", skipped.text);
    let told = why().await;
    assert_eq!(
        (&told["verdict"], codes(&told["findings"])),
        (&json!("named_never_created"), vec!["ref.order"])
    );
    let id = pear.user("notyet@example.com").await;
    let told = why().await;
    assert_eq!((&told["verdict"], codes(&told["findings"])), (&json!("provisioned"), vec!["ref.order"]));
    let found = finding(&told["findings"], "ref.order");
    assert_eq!(
        (&found["who"], found["request"].as_str()),
        (&json!("identity_provider"), skipped.header("x-request-id"))
    );
    pear.patch(&format!("/Groups/{group}"), add(&id)).await.expect(204);
    let told = why().await;
    assert_eq!((&told["verdict"], &told["findings"]), (&json!("provisioned"), &json!([])), "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_to_come_back_and_did_not_is_told_so_until_they_do() {
    let house = House::start().await;
    let path = format!("/Users/{}", house.acme.user("back@example.com").await);
    house.acme.patch(&path, json!([set("active", false)])).await.expect(200);
    let again = house.acme.send("POST", "/Users", Some(user("back@example.com"))).await;
    again.refused(409, Some("uniqueness"), "user_name_taken");
    house.acme.patch(&path, json!([set("title", "Guest")])).await.expect(200);
    let why = house.why("back@example.com").await;
    assert_eq!(why["verdict"], "refused", "{why:#}");
    assert!(codes(&why["findings"]).contains(&"rehire.post_conflict"), "{why:#}");
    house.acme.patch(&path, json!([set("active", true)])).await.expect(200);
    assert_eq!(house.settled("back@example.com", "user_name_taken").await, (true, "provisioned".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_could_read_is_not_settled_by_what_says_nothing_of_active() {
    let house = House::start().await;
    let path = format!("/Users/{}", house.acme.user("large@example.com").await);
    let title = "x".repeat(1_100_000);
    let large = house.acme.patch(&path, json!([set("active", false), set("title", title)])).await;
    large.refused(413, None, "body_too_large");
    let silent = json!({"schemas": [USER], "userName": "large@example.com"});
    house.acme.send("PUT", &path, Some(silent)).await.expect(200);
    assert_eq!(house.settled("large@example.com", "body_too_large").await, (false, "refused".to_owned()));
    house.acme.patch(&path, json!([set("active", false)])).await.expect(200);
    assert_eq!(house.settled("large@example.com", "body_too_large").await, (true, "deactivated".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bulk_request_left_undone_is_told() {
    let house = House::start().await;
    house.acme.user("first@example.com").await;
    let second = house.acme.user("second@example.com").await;
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "failOnErrors": 1,
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "1", "data": user("first@example.com")},
            {"method": "DELETE", "path": format!("/Users/{second}")},
        ],
    });
    house.acme.post("/Bulk", bulk).await.expect(200);
    assert_eq!(house.settled("second@example.com", "bulk_left_undone").await, (false, "refused".to_owned()));
    house.acme.send("DELETE", &format!("/Users/{second}"), None).await.expect(204);
    assert_eq!(house.settled("second@example.com", "bulk_left_undone").await, (true, "deleted".to_owned()));
}

impl House {
    /// Removes what is kept of every request until now.
    async fn forget_contents(&self) {
        self.clock.advance(Duration::from_hours(31 * 24));
        let log = &self.service.house().request_log;
        log.flush().await;
        log.prune(self.service.house().directories.tenant("acme").expect("it is open"));
        log.flush().await;
    }

    /// Whether a refusal about somebody is settled, and the verdict.
    async fn settled(&self, user: &str, code: &str) -> (bool, String) {
        let why = self.why(user).await;
        let settled = finding(&why["findings"], code)["settled"] == true;
        (settled, why["verdict"].as_str().unwrap().to_owned())
    }
}

fn set(path: &str, value: impl Into<Value>) -> Value {
    json!({"op": "replace", "path": path, "value": value.into()})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_deactivation_is_open_until_the_person_is_inactive_or_gone() {
    let house = House::start().await;
    let acme = &house.acme;
    let id = acme.user("alice@example.com").await;
    let path = format!("/Users/{id}");
    let other = json!({"schemas": [USER], "userName": "bob", "emails": [{"value": "alice@example.com"}]});
    let other = acme.post("/Users", other).await.expect(201)["id"].as_str().unwrap().to_owned();
    let refused = acme.patch(&path, json!([set("active", false), set("role", "king")])).await;
    refused.refused(400, Some("invalidValue"), "value_not_allowed");
    let open = async || house.settled("alice@example.com", "value_not_allowed").await;
    assert_eq!(open().await, (false, "refused".to_owned()));
    // None of these deactivates her.
    acme.put(&path, json!({"schemas": [USER], "userName": "alice@example.com", "title": "Guide"}))
        .await
        .expect(200);
    acme.put(&path, user("alice@example.com")).await.expect(200);
    acme.patch(&path, json!([set("role", "guide")])).await.expect(200);
    acme.patch(&format!("/Users/{other}"), json!([set("active", false)])).await.expect(200);
    acme.delete(&format!("/Users/{other}")).await;
    assert_eq!(open().await, (false, "refused".to_owned()));
    house.forget_contents().await;
    acme.patch(&path, json!([set("title", "Guest")])).await.expect(200);
    assert_eq!(open().await, (false, "refused".to_owned()));
    acme.patch(&path, json!([set("active", false)])).await.expect(200);
    house.forget_contents().await;
    assert_eq!(open().await, (true, "deactivated".to_owned()));
    // Who comes back has left once.
    acme.patch(&path, json!([set("active", true)])).await.expect(200);
    assert_eq!(open().await, (true, "provisioned".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_put_is_settled_when_everything_that_it_said_is_so() {
    let house = House::start().await;
    let acme = &house.acme;
    let id = acme.user("alice@example.com").await;
    let path = format!("/Users/{id}");
    let put = json!({
        "schemas": [USER], "userName": "alice@example.com", "title": "Guide", "role": "king",
        "name": {"familyName": "Smith", "givenName": "Alice"},
    });
    acme.put(&path, put).await.refused(400, Some("invalidValue"), "value_not_allowed");
    let open = async || house.settled("alice@example.com", "value_not_allowed").await.0;
    acme.patch(&path, json!([set("title", "Guide"), set("role", "guide")])).await.expect(200);
    assert!(!open().await, "her name is missing");
    let name = json!({"givenName": "Alice", "familyName": "Smith"});
    acme.patch(&path, json!([set("name", name)])).await.expect(200);
    assert!(open().await);

    // So is one that was to deactivate: whatever else it said, she is inactive.
    let mut off = user("alice@example.com");
    (off["active"], off["role"]) = (json!(false), json!("queen"));
    acme.put(&path, off).await.refused(400, Some("invalidValue"), "value_not_allowed");
    acme.put(&path, json!({"schemas": [USER], "userName": "alice@example.com", "title": "x"}))
        .await
        .expect(200);
    assert!(!open().await);
    acme.patch(&path, json!([set("active", "False")])).await.expect(200);
    assert!(open().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_is_settled_at_its_own_place_only() {
    let house = House::start().await;
    let acme = &house.acme;
    let id = acme.user("alice@example.com").await;
    let path = format!("/Users/{id}");
    let refused = acme.patch(&path, json!([set("emails[type eq \"work\"].value", 5)])).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let why = house.why("alice@example.com").await;
    let code = why["findings"][0]["code"].as_str().unwrap().to_owned();
    let open = async || house.settled("alice@example.com", &code).await.0;
    acme.patch(&path, json!([set("emails[type eq \"home\"].value", "a@home.example")])).await.expect(200);
    assert!(!open().await);
    acme.patch(&path, json!([set("emails[type eq \"work\"].value", "a@work.example")])).await.expect(200);
    assert!(open().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_create_is_settled_by_requests_about_that_person_only() {
    let house = House::start().await;
    let acme = &house.acme;
    let bob = json!({"schemas": [USER], "userName": "bob", "emails": [{"value": "alice@example.com"}]});
    let bob = acme.post("/Users", bob).await.expect(201)["id"].as_str().unwrap().to_owned();
    let role = |role: &str| json!({"schemas": [USER], "userName": "alice@example.com", "role": role});
    acme.post("/Users", role("king")).await.refused(400, Some("invalidValue"), "value_not_allowed");
    acme.patch(&format!("/Users/{bob}"), json!([set("title", "Guide")])).await.expect(200);
    assert!(!house.settled("alice@example.com", "value_not_allowed").await.0);
    acme.post("/Users", role("guide")).await.expect(201);
    assert!(house.settled("alice@example.com", "value_not_allowed").await.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_group_is_settled_by_the_same_group_only() {
    let house = House::start().await;
    let acme = &house.acme;
    let alice = acme.user("alice@example.com").await;
    let group = |name: &str, members: &[&str]| {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        json!({"schemas": [GROUP], "displayName": name, "members": members})
    };
    let refused = acme.post("/Groups", group("Staff", &[&alice, NOBODY])).await;
    refused.refused(400, Some("invalidValue"), "unknown_member");
    acme.post("/Groups", group("Others", &[&alice])).await.expect(201);
    assert!(!house.settled("alice@example.com", "unknown_member").await.0);
    acme.post("/Groups", group("Staff", &[&alice])).await.expect(201);
    assert!(house.settled("alice@example.com", "unknown_member").await.0);
}
