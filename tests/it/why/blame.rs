//! Nobody is told of what was about somebody else, and what is told of somebody is so.

use serde_json::{Value, json};

use super::{House, NOBODY, USER, bulk, check, codes, finding, look_up, user};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_blamed_for_a_refusal_of_somebody_else() {
    let house = House::start().await;
    let acme = &house.acme;
    let boss = acme.user("boss@example.com").await;
    acme.user("taken@example.com").await;
    let mut report = user("taken@example.com");
    report["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] =
        json!({"manager": {"value": boss}});
    acme.post("/Users", report).await.refused(409, Some("uniqueness"), "user_name_taken");
    let other = acme.user("other@example.com").await;
    let rename = json!([{"op": "replace", "path": "userName", "value": "boss@example.com"}]);
    acme.patch(&format!("/Users/{other}"), rename).await.refused(409, Some("uniqueness"), "user_name_taken");
    let role = json!({"schemas": [USER], "userName": "role@example.com", "role": "king"});
    let operation =
        |id: &str, data: Value| json!({"method": "POST", "path": "/Users", "bulkId": id, "data": data});
    let operations = json!([
        operation("1", user("good@example.com")),
        operation("2", user("taken@example.com")),
        operation("3", role),
    ]);
    let answer = acme.post("/Bulk", bulk(&operations)).await;
    assert_eq!(answer.header("muster-error-code"), Some("user_name_taken, value_not_allowed"));
    for (name, verdict, refused) in [
        ("boss@example.com", "provisioned", vec![]),
        ("good@example.com", "provisioned", vec![]),
        ("other@example.com", "refused", vec!["user_name_taken"]),
        ("taken@example.com", "refused", vec!["user_name_taken"]),
        ("role@example.com", "refused", vec!["value_not_allowed"]),
    ] {
        let why = house.why(name).await;
        let told: Vec<&str> = codes(&why["findings"])
            .into_iter()
            .filter(|code| code.contains("taken") || code.contains("value"))
            .collect();
        assert_eq!((&why["verdict"], told), (&json!(verdict), refused), "{name}: {why:#}");
    }
    let why = house.why("taken@example.com").await;
    let found = finding(&why["findings"], "user_name_taken");
    assert_eq!((&found["status"], &found["requests"]), (&json!(409), &json!(2)), "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_told_of_whoever_has_the_id_in_it() {
    let house = House::start().await;
    let acme = &house.acme;
    let off = json!([{"op": "replace", "path": "active", "value": false}]);
    for (number, endpoint) in ["User", "people", "EnterpriseUser"].into_iter().enumerate() {
        let name = format!("{number}@example.com");
        let id = acme.user(&name).await;
        let answer = acme.patch(&format!("/{endpoint}/{id}"), off.clone()).await;
        let why = house.why(&name).await;
        assert_eq!(why["verdict"], "refused", "{endpoint}: {why:#}");
        check(&why["findings"], "route_not_found", "identity_provider", &answer);
        acme.patch(&format!("/Users/{id}"), off.clone()).await.expect(200);
        assert_eq!(house.why(&name).await["verdict"], "deactivated", "{endpoint}");
    }
    let member = acme.user("member@example.com").await;
    let join = json!([{"op": "add", "path": "members", "value": [{"value": member}]}]);
    let answer = acme.patch(&format!("/Group/{NOBODY}"), join).await;
    check(
        &house.why("member@example.com").await["findings"],
        "route_not_found",
        "identity_provider",
        &answer,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stands_beside_somebody_who_was_refused_is_not_blamed() {
    let house = House::start().await;
    let acme = &house.acme;
    acme.user("alice@example.com").await;
    let beside = json!({
        "schemas": [USER], "userName": "zoe@example.com", "role": "king", "title": "alice@example.com",
        "externalId": "alice@example.com",
        "emails": [{"value": "alice@example.com"}, {"value": "mail@example.com"}],
    });
    acme.post("/Users", beside).await.refused(400, Some("invalidValue"), "value_not_allowed");
    for (name, verdict, findings) in [
        ("alice@example.com", "provisioned", vec![]),
        // Nobody is known by that address: it may be zoe's.
        ("mail@example.com", "refused", vec!["value_not_allowed"]),
        ("zoe@example.com", "refused", vec!["value_not_allowed"]),
    ] {
        let why = house.why(name).await;
        assert_eq!(
            (&why["verdict"], codes(&why["findings"])),
            (&json!(verdict), findings),
            "{name}: {why:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_a_member_is_not_told_to_have_come_too_late() {
    let house = House::start().await;
    let alice = house.acme.user("alice@example.com").await;
    let group = house.acme.group("Staff", &[]).await;
    let add = |members: &[&str], display: &str| {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id, "display": display})).collect();
        json!([{"op": "add", "path": "members", "value": members}])
    };
    let refused = house.acme.patch(&format!("/Groups/{group}"), add(&[&alice, NOBODY], "")).await;
    refused.refused(400, Some("invalidValue"), "unknown_member");
    let why = house.why("alice@example.com").await;
    assert_eq!(codes(&why["findings"]), ["unknown_member"], "{why:#}");
    assert!(codes(&house.why(NOBODY).await["findings"]).contains(&"ref.order"));

    // Where the unknown are left out, and the body is too large to be kept.
    let pear = house.service.create_tenant("pear", "okta").await;
    let alice = pear.user("alice@example.com").await;
    let group = pear.group("Staff", &[]).await;
    let display = "x".repeat(40 * 1_024);
    pear.patch(&format!("/Groups/{group}"), add(&[&alice, NOBODY], &display)).await.expect(204);
    let why = house.ask("/audit/v1/pear/why?user=alice@example.com").await;
    assert_eq!((&why["verdict"], codes(&why["findings"])), (&json!("provisioned"), vec![]), "{why:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_somebody_was_created_is_told_as_it_was() {
    let house = House::start().await;
    let off = json!({"schemas": [USER], "userName": "off@example.com", "active": false});
    house.acme.post("/Users", off).await.expect(201);
    let why = house.why("off@example.com").await;
    assert_eq!((&why["verdict"], codes(&why["findings"])), (&json!("inactive"), vec!["created_inactive"]));
    let settings = json!({"initial": "invited"});
    let pear = house.service.create_tenant_with("pear", json!({"kind": "okta", "settings": settings})).await;
    pear.user("new@example.com").await;
    let why = house.ask("/audit/v1/pear/why?user=new@example.com").await;
    assert_eq!((&why["verdict"], codes(&why["findings"])), (&json!("invited"), vec![]), "{why:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_strict_tenant_refused_was_not_tolerated() {
    let house = House::start().await;
    house.service.set(&house.acme, json!({"strict": true})).await;
    let refused = house.acme.get(&look_up("userName eq bareword")).await;
    let why = house.why("bareword").await;
    let code = refused.header("muster-error-code").expect("it is refused");
    assert_eq!((&why["verdict"], codes(&why["findings"])), (&json!("refused"), vec![code]), "{why:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_here_is_found_by_the_external_id_too() {
    let house = House::start().await;
    let known = json!({"schemas": [USER], "userName": "ext@example.com", "externalId": "E-77"});
    house.acme.post("/Users", known).await.expect(201);
    let why = house.why("E-77").await;
    assert_eq!((&why["verdict"], codes(&why["findings"])), (&json!("provisioned"), vec![]), "{why:#}");
}
