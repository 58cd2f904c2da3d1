//! The player against services that are functions: what it sends, what it accepts, what it says.

#![expect(clippy::needless_pass_by_value, reason = "tests read better with `json!` in place of a reference")]

use serde_json::{Value, json};

use super::matching::compare;
use super::variables::Variables;
use super::{Conversation, Moment, Request, Response, Service, play};

fn service() -> Service {
    Service { base: "http://localhost/acme/scim/v2".to_owned(), token: "mst_example".to_owned() }
}

fn conversation(exchanges: &Value) -> Conversation {
    let file = json!({"name": "a", "source": "b", "client": "okta", "exchanges": exchanges});
    Conversation::parse("okta/example.json", &file.to_string()).unwrap()
}

fn answer(status: u16, body: &Value) -> Response {
    let headers = vec![("content-type".to_owned(), "application/scim+json;charset=utf-8".to_owned())];
    Response { status, headers, body: if body.is_null() { String::new() } else { body.to_string() } }
}

fn user(id: &str) -> Response {
    let location = format!("{}/Users/{id}", service().base);
    let meta = json!({
        "resourceType": "User", "location": location, "version": "W/\"7\"",
        "created": "2026-01-01T00:00:00Z", "lastModified": "2026-01-01T00:00:00Z",
    });
    let body = json!({"schemas": ["urn:x"], "id": id, "active": true, "meta": meta});
    let mut response = answer(201, &body);
    response.headers.push(("Location".to_owned(), location));
    response.headers.push(("ETag".to_owned(), "W/\"7\"".to_owned()));
    response
}

fn list(ids: &[&str], total: usize) -> Response {
    let resources: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:ListResponse"];
    answer(
        200,
        &json!({
            "schemas": schemas, "totalResults": total, "startIndex": 1,
            "itemsPerPage": ids.len(), "Resources": resources,
        }),
    )
}

/// Plays against the given answers; what was sent, and the mismatch if there was one.
fn play_with(conversation: &Conversation, answers: Vec<Response>) -> (Vec<Request>, Option<String>) {
    let mut answers = answers.into_iter();
    let mut requests = Vec::new();
    let mut send = |request: &Request| {
        requests.push(request.clone());
        answers.next().ok_or_else(|| "nobody answers".to_owned())
    };
    let outcome = play(conversation, &service(), &mut send, &mut |_| ());
    (requests, outcome.err().map(|mismatch| mismatch.to_string()))
}

#[track_caller]
fn check_matches(expected: Value, actual: Value) {
    assert_eq!(compare(&expected, Some(&actual)), Ok(()));
}

#[track_caller]
fn check_differs(expected: Value, actual: Value, message: &str) {
    assert_eq!(compare(&expected, Some(&actual)).unwrap_err().to_string(), message);
}

#[test]
fn objects_may_have_more_members_and_arrays_no_more_elements() {
    check_matches(json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}, "d": 3}));
    check_differs(json!({"a": [1]}), json!({"a": [1, 2]}), "at /a: expected [1], got [1,2]");
    check_differs(json!({"a": [{"b": 1}]}), json!({"a": [{"b": 2}]}), "at /a/0/b: expected 1, got 2");
    check_differs(json!({"a": 1}), json!({}), "at /a: expected 1, got nothing");
    check_differs(json!("1"), json!(1), "at body: expected \"1\", got 1");
}

#[test]
fn matchers_say_what_equality_cannot() {
    check_matches(json!({"a": {"$any": true}}), json!({"a": null}));
    check_differs(json!({"a": {"$any": true}}), json!({}), "at /a: expected $any true, got nothing");
    check_matches(json!({"a": {"$absent": true}}), json!({}));
    check_differs(json!({"a": {"$absent": true}}), json!({"a": 1}), "at /a: expected $absent true, got 1");
    check_matches(json!([{"$empty": true}]), json!([[]]));
    check_matches(json!({"a": {"$empty": true}}), json!({}));
    check_differs(json!({"a": {"$empty": true}}), json!({"a": [1]}), "at /a: expected $empty true, got [1]");
    check_matches(json!({"$type": "integer"}), json!(3));
    check_differs(json!({"$type": "integer"}), json!("3"), "at body: expected $type \"integer\", got \"3\"");
    check_matches(json!({"$contains": "b"}), json!("abc"));
    check_matches(json!({"$contains": [{"v": 2}]}), json!([{"v": 1}, {"v": 2, "w": 3}]));
    check_differs(json!({"$contains": [4]}), json!([1, 2]), "at body: expected $contains [4], got [1,2]");
    check_matches(json!({"$unordered": [2, 1]}), json!([1, 2]));
    check_differs(
        json!({"$unordered": [1, 1]}),
        json!([1, 2]),
        "at body: expected $unordered [1,1], got [1,2]",
    );
    check_matches(json!({"$length": 2, "$contains": [1]}), json!([1, 2]));
    check_differs(json!({"$length": 3}), json!([1, 2]), "at body: expected 3 elements, got 2");
    check_matches(json!({"$not": 1}), json!(2));
    check_differs(json!({"$not": 1}), json!(1), "at body: expected $not 1, got 1");
}

#[test]
fn an_unknown_matcher_is_a_mismatch_and_a_reference_is_none() {
    check_differs(
        json!({"$lenght": 1}),
        json!([1]),
        "at body: expected a matcher that exists, got $lenght: 1",
    );
    check_matches(json!({"$ref": "x"}), json!({"$ref": "x", "value": 1}));
}

#[test]
fn variables_are_filled_in_and_other_braces_are_text() {
    let mut variables = Variables::new("seed");
    variables.set("id", "7");
    assert_eq!(variables.fill_text("/Users/{id}?x={{id}").unwrap(), "/Users/7?x={7");
    assert_eq!(variables.fill_text("{\"id\":\"{id}\"} {}").unwrap(), "{\"id\":\"7\"} {}");
    let message = variables.fill_text("{nobody}").unwrap_err().to_string();
    assert_eq!(message, "at file: expected only variables that were set before, got {nobody}");
}

#[test]
fn collected_items_are_spliced_as_a_list() {
    let mut variables = Variables::new("seed");
    variables.collect("members", json!({"value": "1"}));
    variables.collect("members", json!({"value": "2"}));
    let filled = variables.fill(&json!({"value": {"$collected": "members"}})).unwrap();
    assert_eq!(filled, json!({"value": [{"value": "1"}, {"value": "2"}]}));
    assert!(variables.fill(&json!({"$collected": "others"})).is_err());
}

#[test]
fn random_ids_differ_from_each_other_and_not_between_runs() {
    let ids = |seed: &str| {
        let mut variables = Variables::new(seed);
        [variables.fill_text("{random_uuid}").unwrap(), variables.fill_text("{random_uuid}").unwrap()]
    };
    let [first, second] = ids("okta/a.json");
    assert_ne!(first, second);
    assert_eq!(ids("okta/a.json"), [first.clone(), second]);
    assert_ne!(ids("okta/b.json")[0], first);
    let lengths: Vec<usize> = first.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
    assert_eq!(&first[14..15], "4");
}

#[test]
fn a_captured_id_goes_into_later_paths_and_bodies() {
    let conversation = conversation(&json!([
        {"title": "create", "request": {"method": "POST", "path": "/Users", "body": {"userName": "a"}},
         "response": {"status": 201, "capture": {"alice": "/id"}}},
        {"title": "patch", "request": {"method": "PATCH", "path": "/Users/{alice}", "body": {"id": "{alice}"},
                                       "headers": {"authorization": "{token}"}},
         "response": {"status": 204}},
    ]));
    let (sent, mismatch) = play_with(&conversation, vec![user("7"), answer(204, &Value::Null)]);
    assert_eq!(mismatch, None);
    assert_eq!(sent[0].headers, [("Authorization".to_owned(), "Bearer mst_example".to_owned())]);
    assert_eq!((sent[1].method.as_str(), sent[1].path.as_str()), ("PATCH", "/Users/7"));
    assert_eq!(sent[1].url, "http://localhost/acme/scim/v2/Users/7");
    assert_eq!(sent[1].body.as_deref(), Some("{\"id\":\"7\"}"));
    assert_eq!(sent[1].headers, [("authorization".to_owned(), "mst_example".to_owned())]);
}

#[test]
fn a_mismatch_names_file_exchange_and_place() {
    let conversation = conversation(&json!([
        {"title": "Okta creates {base}", "request": {"method": "POST", "path": "/Users", "body_text": "{"},
         "response": {"status": 201, "body": {"active": false}}},
    ]));
    let (sent, mismatch) = play_with(&conversation, vec![user("7")]);
    assert_eq!(sent[0].body.as_deref(), Some("{"));
    assert_eq!(
        mismatch.unwrap(),
        "okta/example.json: \"Okta creates http://localhost/acme/scim/v2\": at /active: expected false, got true"
    );
}

#[test]
fn another_status_shows_the_body_that_came_with_it() {
    let conversation = conversation(&json!([
        {"title": "get", "request": {"method": "GET", "path": "/Users/1"}, "response": {"status": 200}},
    ]));
    let (_, mismatch) = play_with(&conversation, vec![answer(404, &json!({"detail": "no"}))]);
    let expected =
        "okta/example.json: \"get\": at status: expected 200, got 404 with the body {\"detail\":\"no\"}";
    assert_eq!(mismatch.unwrap(), expected);
    let (_, mismatch) = play_with(&conversation, Vec::new());
    assert!(mismatch.unwrap().ends_with("at answer: expected an answer, got nobody answers"));
}

#[test]
fn texts_that_must_not_come_back_are_looked_for_everywhere() {
    let conversation = conversation(&json!([
        {"title": "get", "request": {"method": "GET", "path": "/Users/7"},
         "response": {"status": 201, "without_text": ["secret"]}},
    ]));
    let mut response = user("7");
    assert_eq!(play_with(&conversation, vec![response.clone()]).1, None);
    response.body = response.body.replace("urn:x", "urn:secret");
    assert!(play_with(&conversation, vec![response]).1.unwrap().contains("expected no \"secret\" anywhere"));
}

#[test]
fn a_block_is_repeated_with_its_number_and_collects() {
    let conversation = conversation(&json!([
        {"repeat": 2, "as": "n", "exchanges": [
            {"title": "create {n}", "request": {"method": "POST", "path": "/Users", "body": {"userName": "u{n}"}},
             "response": {"status": 201, "capture": {"id": "/id"},
                          "collect": {"members": {"value": "{id}"}}}}]},
        {"title": "push",
         "request": {"method": "PATCH", "path": "/Groups/1", "body": {"value": {"$collected": "members"}}},
         "response": {"status": 204}},
    ]));
    let (sent, mismatch) = play_with(&conversation, vec![user("7"), user("8"), answer(204, &Value::Null)]);
    assert_eq!(mismatch, None);
    assert_eq!(sent[1].body.as_deref(), Some("{\"userName\":\"u2\"}"));
    assert_eq!(sent[2].body.as_deref(), Some("{\"value\":[{\"value\":\"7\"},{\"value\":\"8\"}]}"));
}

#[test]
fn pages_are_read_until_the_total_and_no_resource_comes_twice() {
    let conversation = conversation(&json!([
        {"pages": 2, "title": "import from {start_index}",
         "request": {"method": "GET", "path": "/Users?startIndex={start_index}&count=2"},
         "response": {"status": 200}, "resources": {"$contains": [{"id": "c"}]}},
    ]));
    let (sent, mismatch) = play_with(&conversation, vec![list(&["a", "b"], 3), list(&["c"], 3)]);
    assert_eq!(mismatch, None);
    assert_eq!(sent[1].path, "/Users?startIndex=3&count=2");
    let (_, mismatch) = play_with(&conversation, vec![list(&["a", "b"], 3), list(&["b"], 3)]);
    let expected = "okta/example.json: \"import from 3\": at all pages: expected 3 different resources, \
                    got 3 resources, 2 of them different";
    assert_eq!(mismatch.unwrap(), expected);
    let (_, mismatch) = play_with(&conversation, vec![list(&["a", "b"], 3), list(&["d"], 3)]);
    assert!(mismatch.unwrap().contains("at all Resources: expected $contains"));
}

#[test]
fn an_onlooker_sees_each_request_before_it_is_sent_and_each_answer() {
    let conversation = conversation(&json!([
        {"title": "create", "pause_ms": 400, "request": {"method": "POST", "path": "/Users", "body": {}},
         "response": {"status": 201}},
    ]));
    let mut seen = Vec::new();
    let mut observe = |moment: &Moment<'_>| {
        seen.push(match moment {
            Moment::Sending { title, pause, request } => {
                format!("{title} after {} ms: {} {}", pause.as_millis(), request.method, request.path)
            }
            Moment::Answered { request, response, .. } => format!("{}: {}", request.path, response.status),
        });
    };
    play(&conversation, &service(), &mut |_| Ok(user("7")), &mut observe).unwrap();
    assert_eq!(seen, ["create after 400 ms: POST /Users", "/Users: 201"]);
}

/// An answer to an exchange that expects nothing but its status.
#[track_caller]
fn check_refused_by_rule(response: Response, message: &str) {
    let conversation = conversation(&json!([
        {"title": "get", "request": {"method": "GET", "path": "/x"}, "response": {"status": response.status}},
    ]));
    let mismatch = play_with(&conversation, vec![response]).1.expect("a rule is broken");
    assert!(mismatch.contains(message), "{mismatch}");
}

#[test]
fn every_answer_is_held_to_the_rules_of_scim() {
    let mut plain = user("7");
    plain.headers[0].1 = "application/json".to_owned();
    check_refused_by_rule(
        plain,
        "at header Content-Type: expected application/scim+json, got application/json",
    );
    check_refused_by_rule(answer(200, &Value::Null), "at body: expected a body, got (none)");
    check_refused_by_rule(answer(204, &json!({})), "at body: expected no body, got {}");

    let error = |status: Value| {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:Error"];
        answer(404, &json!({"schemas": schemas, "status": status, "detail": "no such user"}))
    };
    check_refused_by_rule(error(json!(404)), "at /status: expected \"404\", got 404");

    let mut tagless = user("7");
    tagless.headers.pop();
    check_refused_by_rule(tagless, "at header ETag: expected W/\"…\", got nothing");
    let mut elsewhere = user("7");
    elsewhere.headers[1].1 = "/Users/7".to_owned();
    check_refused_by_rule(elsewhere, "at header Location: expected http://localhost/acme/scim/v2/Users/7");
    let mut stale = user("7");
    stale.headers[2].1 = "W/\"6\"".to_owned();
    check_refused_by_rule(stale, "at /meta/version: expected \"W/\\\"6\\\"\", got \"W/\\\"7\\\"\"");

    let mut text = list(&["a"], 1);
    text.body = text.body.replace("\"totalResults\":1", "\"totalResults\":\"1\"");
    check_refused_by_rule(text, "at /totalResults: expected $type \"integer\", got \"1\"");
    let mut short = list(&["a"], 1);
    short.body = short.body.replace("\"itemsPerPage\":1", "\"itemsPerPage\":2");
    check_refused_by_rule(short, "at /Resources: expected 2 elements, got 1");
}

#[track_caller]
fn check_file_is_refused(file: &Value, message: &str) {
    let refusal = Conversation::parse("okta/example.json", &file.to_string()).unwrap_err();
    assert!(refusal.starts_with("okta/example.json: ") && refusal.contains(message), "{refusal}");
}

#[test]
fn a_file_with_a_typo_is_refused() {
    let exchange = |request: Value| {
        let exchange = json!({"title": "get", "request": request, "response": {"status": 200}});
        json!({"name": "a", "source": "b", "client": "okta", "exchanges": [exchange]})
    };
    let refused = [
        (json!({"method": "GET", "path": "/", "boddy": 1}), "\"get\": unknown field `boddy`"),
        (json!({"method": "GET", "path": "Users"}), "\"get\": the path does not begin with a slash"),
        (
            json!({"method": "PUT", "path": "/", "body": 1, "body_text": "1"}),
            "`body` or `body_text`, not both",
        ),
    ];
    for (request, message) in refused {
        check_file_is_refused(&exchange(request), message);
    }
    let nameless = json!({"name": "", "source": "b", "client": "okta", "exchanges": []});
    check_file_is_refused(&nameless, "`name` and `source` need a text");
    let foreign = json!({"name": "a", "source": "b", "client": "oktaa", "exchanges": []});
    check_file_is_refused(&foreign, "unknown variant `oktaa`");
    let pages = json!({"pages": 0, "title": "p", "request": {"method": "GET", "path": "/"},
                       "response": {"status": 200}, "resources": []});
    let endless = json!({"name": "a", "source": "b", "client": "okta", "exchanges": [pages]});
    check_file_is_refused(&endless, "`pages` is the size of a page");
}
