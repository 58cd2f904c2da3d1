//! What requests ask of whom, told in one line each.

use serde_json::json;

use super::*;
use crate::request_log::about::Change;

fn told(method: &str, path: &str, body: &Value, is_refused: bool) -> Vec<String> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let undone =
        HashMap::from([(2, Some(Undone { status: 409, code: "user_name_taken".to_owned() })), (3, None)]);
    let request = Request {
        method,
        path,
        body: body.as_bytes(),
        resource: None,
        is_refused,
        misses_member: is_refused,
        undone,
    };
    let Some(operations) = request.operations(&Schemas::standard()) else { return vec!["unread".to_owned()] };
    operations.iter().map(line).collect()
}

fn line(operation: &Operation<String>) -> String {
    let mut words = vec![format!("{:?}", operation.kind)];
    let mut put = |name: &str, value: &Option<String>| {
        words.extend(value.as_ref().map(|value| format!("{name}={value}")));
    };
    put("id", &operation.id);
    put("name", &operation.name);
    put("external", &operation.external_id);
    put("active", &operation.active.map(|active| active.to_string()));
    put("undone", &operation.undone.as_ref().map(|undone| undone.code.clone()));
    words.extend(operation.addresses.iter().map(|address| format!("by {address}")));
    words.extend(operation.changes.iter().map(place));
    words.extend(operation.members.iter().map(|member| {
        let sign = if member.leaves { '-' } else { '+' };
        let display = member.display.as_ref().map(|display| format!(" ({display})")).unwrap_or_default();
        format!("{sign}{}{display}{}", member.value, if member.is_made { " made here" } else { "" })
    }));
    words.join(" ")
}

fn place(change: &Change<String>) -> String {
    let mut text = change.attribute.clone().unwrap_or_default();
    text.extend(change.unknown.as_ref().map(|unknown| format!("?{unknown}")));
    text.extend(change.filter.as_ref().map(|filter| format!("[{filter}]")));
    text.extend(change.sub_attribute.as_ref().map(|part| format!(".{part}")));
    text.extend(change.value.as_ref().map(|value| format!(":{value}")));
    text
}

#[track_caller]
fn check(method: &str, path: &str, body: &Value, expected: &[&str]) {
    assert_eq!(told(method, path, body, false), expected, "{method} {path} {body}");
}

#[track_caller]
fn check_refused(method: &str, path: &str, body: &Value, expected: &[&str]) {
    assert_eq!(told(method, path, body, true), expected, "{method} {path} {body}");
}

const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

#[test]
fn a_create_is_about_whom_it_names_and_if_refused_by_addresses_too() {
    let beside = json!({
        "USERNAME": " Alice@x ", "externalId": "E1", "active": "False", "title": "bob@x",
        "emails": [{"value": "bob@x"}], MANAGER: {"manager": {"value": "7"}},
    });
    check("POST", "/acme/scim/v2/Users", &beside, &["Create name=alice@x external=e1 active=false"]);
    check_refused("POST", "/Users", &beside, &["Create name=alice@x external=e1 active=false by bob@x"]);
    check_refused("POST", "/Users", &json!({"emails": [{"value": "A@x"}]}), &["Create by a@x"]);
    check_refused("POST", "/User", &json!({"userName": "a"}), &["Create name=a"]);
    check_refused("POST", "/User", &json!({"title": "a"}), &[]);
    check_refused("DELETE", "/acme/scim/v2/User/7", &Value::Null, &["Delete id=7"]);
    check_refused("DELETE", "/people/scim/v2/Persons/7", &Value::Null, &[]);
    check_refused("PUT", "/People/7", &Value::Null, &["Replace id=7"]);
    check_refused("POST", "/Users", &Value::Null, &["unread"]);
    check("POST", "/Users/.search", &json!({"filter": "userName eq \"a\""}), &[]);
    check("GET", "/Users/7", &Value::Null, &[]);
    check("DELETE", "/Users/7", &Value::Null, &["Delete id=7"]);
}

#[test]
fn a_change_is_at_its_place_and_of_what_was_refused_the_value_is_told() {
    let patch = |operations: Value| json!({"schemas": ["urn:x"], "Operations": operations});
    let work = json!([{"op": "Replace", "path": "emails[type eq \"Work\"].value", "value": "a"}]);
    check("PATCH", "/Users/7", &patch(work), &["Change id=7 emails[type eq \"work\"].value"]);
    let off = json!([{"op": "replace", "value": {"active": "False", "name.familyName": "S", MANAGER: {"department": "d"}}}]);
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:department";
    let expected = format!("Change id=7 active=false active:false name.familyname:\"S\" {department}:\"d\"");
    check_refused("PATCH", "/Users/7", &patch(off), &[&expected]);
    let whole = json!([{"op": "add", "path": MANAGER, "value": {"department": "d"}}]);
    check("PATCH", "/Users/7", &patch(whole), &[&format!("Change id=7 {department}")]);
    let put = json!({"schemas": [], "id": "7", "userName": "A", "groups": [], "title": "T"});
    check_refused("PUT", "/Users/7", &put, &["Replace id=7 name=a title:\"T\" username:\"A\""]);
    check_refused("PATCH", "/Users/7", &Value::Null, &["Change id=7"]);
}

#[test]
fn no_trace_of_a_secret_is_kept() {
    let secret = json!({"Operations": [
        {"op": "replace", "path": "password", "value": "p1"},
        {"op": "replace", "path": "emails[password eq \"p2\"].value", "value": "p3"},
        // Nothing has that: it is left out.
        {"op": "replace", "path": "token[value eq \"p4\"]", "value": "p5"},
    ]});
    check_refused("PATCH", "/Users/7", &secret, &["Change id=7 password ?emails[].value"]);
}

#[test]
fn a_write_to_a_group_says_who_is_to_be_in_it_and_who_out() {
    let group =
        json!({"displayName": "Staff", "members": [{"value": "7", "display": "A@x"}, {"value": "8"}]});
    check("POST", "/Groups", &group, &["Group name=staff +7 +8"]);
    check_refused("PUT", "/Groups/1", &group, &["Group id=1 name=staff +7 (a@x) +8"]);
    let operations = json!({"Operations": [
        {"op": "add", "path": "members", "value": [{"value": "7"}]},
        {"op": "remove", "path": "members[value eq \"8\" or value eq \"9\"]"},
        {"op": "Remove", "path": "members", "value": [{"value": "10"}]},
        {"op": "replace", "value": {"displayName": "x"}},
    ]});
    check("PATCH", "/Groups/1", &operations, &["Group id=1 +7 -8 -9 -10"]);
    check("POST", "/Groups", &json!({"displayName": "Staff"}), &[]);
    check_refused("PUT", "/Group/1", &group, &["Group id=1 name=staff +7 (a@x) +8"]);
    check("PATCH", "/Groups/1/Members", &operations, &["Group id=1 +7 -8 -9 -10"]);
}

#[test]
fn each_operation_of_a_bulk_request_is_told_and_so_is_what_was_left() {
    let operations = json!({"operations": [
        {"method": "post", "path": "/Users", "bulkId": "A", "data": {"userName": "a"}},
        {"method": "PUT", "path": "/Users/7", "data": {"title": "T"}},
        {"method": "DELETE", "path": "/Users/8"},
        {"method": "POST", "path": "/Groups", "bulkId": "G",
         "data": {"displayName": "g", "members": [{"value": "bulkId:A"}]}},
        {"method": "PATCH", "path": "/Users/bulkId:A",
         "data": {"Operations": [{"op": "replace", "path": "active", "value": false}]}},
    ]});
    let expected = [
        "Create name=a",
        "Replace id=7 undone=user_name_taken title:\"T\"",
        "Delete id=8 undone=bulk_left_undone",
        "Group name=g +a made here",
        "Change name=a active=false active",
    ];
    check("POST", "/Bulk", &operations, &expected);
}
