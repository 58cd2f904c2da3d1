//! What is kept and whom it names: tables of what is written in many ways, and properties with secrets in any place
//! where nothing may be kept.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use scim::schemas::{Additions, Schemas};
use serde_json::{Value, json};

use super::super::allowed::Allowed;
use super::super::entry::Sender;
use super::super::{address, words};
use super::Keeping;

/// What nobody may find. It could be the name of an account.
const SECRET: &str = "Sommer@2026";

/// A tenant's schemas: `pin` and the `value` of `badge` are never returned, `seat` is plain.
static ALLOWED: LazyLock<Allowed> = LazyLock::new(|| {
    let attributes = json!([{"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [
        {"name": "pin", "returned": "never"},
        {"name": "badge", "type": "complex", "subAttributes": [{"name": "value", "returned": "never"}, {"name": "color"}]},
        {"name": "door", "mutability": "writeOnly", "returned": "never"},
        {"name": "seat"},
    ]}]);
    let additions: Additions = serde_json::from_value(json!({"User": attributes})).unwrap();
    Allowed::of(Schemas::extended(&additions, &[]))
});

/// What is kept of a body, a path and a query, and whom they name.
#[derive(Debug)]
struct Taken {
    kept: String,
    names: BTreeSet<String>,
}

fn taken_from(sender: Sender, look: impl FnOnce(&mut Keeping<'_>) -> String) -> Taken {
    let mut keeping = Keeping::new(&ALLOWED, sender, &["acme"]);
    let kept = look(&mut keeping);
    Taken { kept, names: keeping.names.into_found() }
}

fn body(text: &str) -> Taken {
    taken_from(Sender::Own, |keeping| {
        let kept = keeping.body(text.as_bytes()).map(Cow::into_owned).unwrap_or_default();
        String::from_utf8(kept).unwrap()
    })
}

fn path(text: &str) -> Taken {
    taken_from(Sender::Own, |keeping| {
        let mut kept = Cow::Borrowed(text);
        keeping.address(&mut kept);
        kept.into_owned()
    })
}

fn query(text: &str) -> Taken {
    taken_from(Sender::Own, |keeping| {
        let parameters = crate::query::decode(text).unwrap();
        let kept: Vec<_> = parameters.iter().map(|(name, value)| keeping.parameter(name, value)).collect();
        serde_json::to_string(&kept).unwrap()
    })
}

fn filter(filter: &str) -> Taken {
    query(&format!("filter={}", utf8_percent_encode(filter, NON_ALPHANUMERIC)))
}

impl Taken {
    #[track_caller]
    fn is_without(&self, secret: &str, of: &str) {
        let unescaped = self.kept.replace('\\', "");
        assert!(!unescaped.contains(secret), "{} of {of}", self.kept);
        let folded = secret.to_lowercase();
        assert!(self.names.iter().all(|name| !name.contains(&folded)), "{:?} of {of}", self.names);
    }
}

#[track_caller]
fn names(taken: &Taken) -> Vec<&str> {
    taken.names.iter().map(String::as_str).collect()
}

#[test]
fn a_body_of_known_attributes_is_kept_as_it_came() {
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    for (text, found) in [
        (r#"{"userName": " Alice ", "displayName": "Bob", "active":"True", "seat": 7.50}"#, vec!["alice"]),
        (
            r#"{"externalId":"OU=Private Banking:1","title":"Private secretary [x]"}"#,
            vec!["ou=private banking:1"],
        ),
        (
            r#"{"USERNAME":"token:alice","name":{"givenName":"A","formatted":"a@b.c"}}"#,
            vec!["a@b.c", "token:alice"],
        ),
        (
            r#"{"userName":"x_mst_y","emails":[{"value":"A@x","type":"work","primary":true}]}"#,
            vec!["a@x", "x_mst_y"],
        ),
        (r#"{"emails":"a@x","manager":"7","schemas":["urn:x:y"],"id":null}"#, vec!["7", "a@x"]),
        (
            r#"{"members":[{"value":"7","$ref":"https://h/acme/scim/v2/Users/7","display":"Carol","type":"User"}]}"#,
            vec!["7"],
        ),
        (
            r#"{"Operations":[{"op":"Replace","value":["b",{"value":"c","display":"e"}],"path":"emails[value eq \"a\"]"}]}"#,
            vec!["a", "b", "c"],
        ),
        (
            r#"{"Operations":[{"op":"add","value":{"emails[type eq \"work\"].value":"b","name.givenName":"x"}}]}"#,
            vec!["b"],
        ),
        (r#"{"Operations":[{"op":"add","path":"","value":{"userName":"a"}}]}"#, vec!["a"]),
        (
            r#"{"Operations":[{"method":"PUT","path":"/Users/7","bulkId":"b@1","version":"W/\"3\"","data":{"userName":"a"}}]}"#,
            vec!["7", "a", "b@1"],
        ),
        (
            r#"{"failOnErrors":1,"Operations":[{"method":"POST","path":"/Groups/bulkId:q","data":null}]}"#,
            vec!["bulkid:q"],
        ),
        (
            r#"{"filter":"userName eq \"secretary@x.org\" and active eq true","startIndex":1,"count":"5","attributes":["id","name.x"]}"#,
            vec!["secretary@x.org"],
        ),
        (
            r#"{"roles":[{"value":"{\"id\":\"7\",\n \"value\" : \"Admin\",\"displayName\":\"A\"}"}]}"#,
            vec!["7", "admin"],
        ),
    ] {
        let taken = body(text);
        assert_eq!(taken.kept, text);
        assert_eq!(names(&taken), found, "{text}");
    }
    for (path, value) in [
        (format!("{enterprise}:manager"), json!("7")),
        (format!("{enterprise}.manager"), json!({"value": "7"})),
        (enterprise.to_owned(), json!({"manager": [{"value": "7"}]})),
        ("members".to_owned(), json!([{"value": "7"}])),
        ("emails[type eq 'work' and display sw X].value".to_owned(), json!("7")),
        ("roles[primary eq \"True\"].value".to_owned(), json!("7")),
    ] {
        let text = json!({"Operations": [{"op": "add", "path": path, "value": value}]}).to_string();
        let taken = body(&text);
        assert_eq!(taken.kept, text);
        assert!(taken.names.contains("7"), "{text}");
    }
}

#[test]
fn what_nobody_knows_goes_and_its_name_stays() {
    for (text, kept) in [
        (
            json!({"userName": "a", "pwd": 1, "x y": 2, "n": null}),
            json!({"userName": "a", "pwd": "(removed)", "(removed)": "(removed)", "n": null}),
        ),
        (
            json!({"name": {"secret": [], "givenName": ["A", ["B"]]}}),
            json!({"name": {"secret": "(removed)", "givenName": ["A", "(removed)"]}}),
        ),
        (
            json!({"password": {"value": "p"}, "title": {"x": 1}}),
            json!({"password": "(removed)", "title": "(removed)"}),
        ),
        (
            json!({"badge": {"value": 1, "color": "red"}}),
            json!({"badge": {"value": "(removed)", "color": "red"}}),
        ),
        (json!(["x"]), json!("(removed)")),
        (
            json!({"Operations": [{"op": "password", "path": "emails[pin eq \"1\" and type eq \"work\"].value", "value": 1}]}),
            json!({"Operations": [{"op": "(removed)", "path": "emails[pin eq \"(removed)\" and type eq \"work\"].value", "value": "(removed)"}]}),
        ),
        (
            json!({"Operations": [{"path": "emails[type eq \"work.value", "value": 1}, {"path": "nickname2", "value": 1}, {"path": 1, "value": 1}]}),
            json!({"Operations": [{"path": "emails[type eq ?", "value": "(removed)"}, {"path": "nickname2", "value": "(removed)"}, {"path": "(removed)", "value": "(removed)"}]}),
        ),
        (
            json!({"schemas": ["x", "urn:x:y"], "attributes": "a b", "sortOrder": "up", "count": "many"}),
            json!({"schemas": ["(removed)", "urn:x:y"], "attributes": "(removed)", "sortOrder": "(removed)", "count": "(removed)"}),
        ),
    ] {
        assert_eq!(serde_json::from_str::<Value>(&body(&text.to_string()).kept).unwrap(), kept);
    }
}

#[test]
fn no_secret_is_kept_or_names_anybody_whatever_it_is_called_and_however_it_is_written() {
    let s = SECRET;
    let quoted = format!("\"{s}\"");
    let bodies = [
        json!({"password": s, "Password": {"value": s}, "PASSWORD": [s]}).to_string(),
        json!({"pwd": s, "passphrase": s, "otp": [{"x": s}], "api-key": {"a": {"b": s}}, "pin": s, "door": s}).to_string(),
        json!({"user": {"userName": s}, s: 1, format!("password:{s}"): 1, "urn:x:User:password": s}).to_string(),
        json!({"roles": [{"value": json!({"password": s}).to_string()}]}).to_string(),
        json!({"roles": [{"value": json!({"name": "password", "value": s}).to_string()}]}).to_string(),
        json!({"roles": [{"value": json!([{"value": json!({"pin": s}).to_string()}]).to_string()}]}).to_string(),
        json!({"roles": [{"value": format!("{{\"\\u0070assword\"\n : \"{s}\"}}")}]}).to_string(),
        json!({"title": format!("see {{\"password\": \"{s}\"}}"), "nickName": format!("[\"password\", \"{s}\"]")}).to_string(),
        json!({"attributes": [{"name": "password", "value": s}]}).to_string(),
        json!({"badge": s}).to_string(),
        json!({"badge": [{"value": s}], "badge.value": s}).to_string(),
        json!({"Operations": [{"op": s, "path": "title", "value": {"x": s}}]}).to_string(),
        json!({"Operations": [{"op": "replace", "value": s, "path": "password"}, {"value": {"pin": s}}, {"value": s}]}).to_string(),
        json!({"Operations": [{"path": ["title"], "value": s}, {"path": "pin.value", "value": s}, {"path": "emails[", "value": s}]})
            .to_string(),
        json!({"Operations": [{"path": "title", "Path": "password", "value": s}, {"path": {"x": s}, "value": s}]}).to_string(),
        format!(r#"{{"Operations":[{{"path":"title","path":"password","value":"{s}"}}]}}"#),
        format!(r#"{{"Operations":[{{"path":"password","value":"{s}","path":"title"}}]}}"#),
        format!(r#"{{"password":"{s}","password":"{s}","p\u0061ssword":"{s}"}}"#),
        json!({"Operations": [{"path": format!("emails[password eq {quoted}].value"), "value": "x"}]}).to_string(),
        json!({"Operations": [{"path": format!("pin[value eq {quoted}].type"), "value": s}]}).to_string(),
        json!({"Operations": [{"path": format!("emails[type eq {s}.value"), "value": s}]}).to_string(),
        json!({"Operations": [{"path": "emails[value eq a@b.c].password", "value": s}]}).to_string(),
        json!({"Operations": [{"value": {format!("emails[pin eq {quoted}].value"): "x", format!("a[{s}"): s}}]}).to_string(),
        json!({"Operations": [{"method": s, "path": format!("/Users/password={s}"), "bulkId": [s], "data": {"pin": s}, "value": s}]})
            .to_string(),
        json!({"Operations": [{"method": "PUT", "path": format!("/Users/1/password/{s}"), "data": [s], "version": s}]}).to_string(),
        json!({"filter": format!("password eq {quoted} or badge eq {quoted} or pin sw {quoted}")}).to_string(),
        json!({"filter": [s], "sortBy": s, "count": s, "startIndex": {"x": s}, "excludedAttributes": [s]}).to_string(),
        json!([s, {"userName": s}]).to_string(),
        json!(s).to_string(),
        format!("password={s}&userName={s}"),
        format!("{{\"password\":\"{s}\""),
    ];
    for text in &bodies {
        body(text).is_without(s, text);
    }
    for text in [
        format!("/acme/scim/v2/Users/password eq {s}"),
        format!("/Users/password%20eq%20{s}"),
        format!("/Users/password%2520eq%2520%2522{s}"),
        format!("/Users/password%3D{s}"),
        format!("/Users/%22{s}%22"),
        format!("/Users/7/password/{s}"),
        format!("/{s}/scim/v2/Users"),
        format!("/Users/find/{s}"),
        format!("/scim%2F{s}/Users/"),
        format!("/Schemas/{s}"),
    ] {
        path(&text).is_without(s, &text);
    }
    for text in [
        format!("password eq {quoted}"),
        format!("password eq {s}"),
        format!("password eq '{s}'"),
        format!("(title pr and PIN ne {quoted}) or badge.value co {quoted}"),
        format!("badge[value eq {quoted}]"),
        format!("emails[password eq {quoted}]"),
        format!("urn:ietf:params:scim:schemas:core:2.0:User:password eq {quoted}"),
        format!("title eq \"x\" {s}"),
        format!("userName eq \"{s}"),
        format!("secret eq {quoted}"),
        format!("{s} pr"),
        json!({"password": s}).to_string(),
        format!("title eq \"{{\\\"password\\\": \\\"{s}\\\"}}\""),
    ] {
        filter(&text).is_without(s, &text);
        query(&format!("{}={}", utf8_percent_encode(&text, NON_ALPHANUMERIC), s)).is_without(s, &text);
    }
    for text in [
        format!("password={s}"),
        format!("attributes={s}"),
        format!("cursor={s}&count={s}&sortOrder={s}&token={s}"),
    ] {
        query(&text).is_without(s, &text);
    }
}

#[test]
fn values_of_filters_are_names_as_they_were_meant() {
    for (text, kept, found) in [
        (r#"userName eq "Alice Smith" and active eq true"#, None, vec!["alice smith"]),
        (r#"userName eq "CORP\\jdoe" or userName eq "\u00fcli""#, None, vec!["corp\\jdoe", "üli"]),
        ("userName eq secretary", None, vec!["secretary"]),
        ("externalId EQ 00ujl and (userName sw bob)", None, vec!["00ujl", "bob"]),
        ("userName eq 'Alice Smith' or id eq 7", None, vec!["7", "alice smith"]),
        ("members[value eq 0190]", None, vec!["0190"]),
        (r#"emails[type eq "work"].value eq "a@x""#, None, vec!["a@x"]),
        (r#"meta.lastModified gt "2026-01-01T00:00:00Z" and title pr"#, None, vec![]),
        (r#"userName eq "a" and pin eq "1""#, Some(r#"userName eq "a" and pin eq "(removed)""#), vec!["a"]),
        (r#"seat2 eq "x" and urn:a:b:c pr"#, Some(r#"seat2 eq "(removed)" and urn:a:b:c pr"#), vec![]),
        ("userName is alice", None, vec!["alice"]),
        (r#"userName eq "CORP\jdoe""#, None, vec!["corp\\jdoe"]),
        ("userName is a and pin is b", Some("userName ? and ?"), vec![]),
        ("alice@example.com", Some("?"), vec![]),
    ] {
        let taken = filter(text);
        assert_eq!(taken.kept, json!([["filter", kept.unwrap_or(text)]]).to_string());
        assert_eq!(names(&taken), found, "{text}");
    }
}

#[test]
fn of_an_address_ids_and_words_that_we_know_are_kept() {
    for (text, kept, found) in [
        ("/acme/scim/v2/Users/0190-7", None, vec!["0190-7"]),
        ("/acme/scim/v2/Users/Alice%40x.org/", None, vec!["alice@x.org"]),
        ("//scim/V2/users/CORP%5Cjdoe", None, vec!["corp\\jdoe"]),
        ("/Groups/.search", None, vec![]),
        ("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", None, vec![]),
        ("/acme/scim/v2/Person", None, vec![]),
        ("/acme/scim/v2/Person/0190-7", None, vec!["0190-7"]),
        ("/nobody/scim/v2/Users", Some("/(removed)/scim/v2/Users"), vec![]),
        ("/Users/%ff", Some("/Users/(removed)"), vec![]),
    ] {
        let taken = path(text);
        assert_eq!(taken.kept, kept.unwrap_or(text));
        assert_eq!(names(&taken), found, "{text}");
    }
    for (text, kept) in [
        (
            "attributes=userName,%20name.x&sortOrder=Descending&count=-1",
            json!([["attributes", "userName, name.x"], ["sortOrder", "Descending"], ["count", "-1"]]),
        ),
        (
            "aadOptscim062020&x=1&a@b=",
            json!([["aadOptscim062020", ""], ["x", "(removed)"], ["(removed)", ""]]),
        ),
    ] {
        assert_eq!(serde_json::from_str::<Value>(&query(text).kept).unwrap(), kept);
    }
}

#[test]
fn a_stranger_is_not_quoted_and_nobody_is_looked_for_in_the_wrong_log() {
    for (sender, found) in [(Sender::Stranger, vec!["a", "b"]), (Sender::Astray, vec![])] {
        let taken = taken_from(sender, |keeping| {
            let mut path = Cow::Borrowed("/acme/scim/v2/Users/b");
            keeping.address(&mut path);
            let [name, filter] = keeping.parameter("filter", r#"userName eq "a" and active eq true"#);
            format!("{path} {name}={filter}")
        });
        assert_eq!(
            taken.kept,
            r#"/acme/scim/v2/Users/(removed) filter=userName eq "(removed)" and active eq "(removed)""#
        );
        assert_eq!(names(&taken), found);
    }
}

#[test]
fn tokens_of_ours_go_wherever_they_stand() {
    let token = crate::token::NewSecret::generate(&crate::randomness::SeededRandomness::new(1)).unwrap();
    for token in [token.text().to_owned(), token.text().to_uppercase(), token.text().to_lowercase()] {
        token_goes(&token);
    }
}

#[track_caller]
fn token_goes(token: &str) {
    for text in [
        json!({"userName": token, "title": format!("Bearer {token}!"), token: 1, "bulkId": token}),
        json!({"Operations": [{"path": token, "value": 1}, {"path": format!("emails[value eq \"{token}\"]")}]}),
        json!({"emails": [{"value": format!("x{token}@y")}], "schemas": [format!("urn:{token}")], "sortBy": token}),
    ] {
        body(&text.to_string()).is_without(token, "a body");
    }
    for text in [format!("/Users/{token}"), format!("/{token}")] {
        path(&text).is_without(token, &text);
    }
    for text in
        [format!("{token}=1"), format!("attributes=id,{token}"), format!("filter=userName+eq+%22{token}%22")]
    {
        query(&text).is_without(token, &text);
    }
    for (text, kept) in [
        (token.to_owned(), "(removed)".to_owned()),
        (format!("`{token}` is no ä, nor x{token}7.y"), "`(removed)` is no ä, nor x(removed).y".to_owned()),
        (format!("mst_{token}"), "mst_(removed)".to_owned()),
        (token[..41].to_owned(), token[..41].to_owned()),
        ("x_mst_y".to_owned(), "x_mst_y".to_owned()),
    ] {
        assert_eq!(words::without_tokens(&text), kept);
    }
    assert!(!address::may_name(token) && !super::may_name(&format!("x{token}@y")));
}

#[test]
fn people_are_looked_for_by_what_they_are_called_and_not_by_what_stands_in_its_place() {
    for text in [
        "x_mst_y",
        "token:alice",
        r"corp\jdoe",
        "jane doe",
        "alice@x.org",
        "0190-7",
        "bulkid:q",
        "aGk=",
        "doe, jane",
    ] {
        assert!(address::may_name(text) && super::may_name(text), "{text}");
    }
    for text in ["password=Sommer", "pin eq Sommer", "a eq \"b\"", "%41", "=", "", "[\"a\"]", "{\"a\":1}"] {
        assert!(!address::may_name(text), "{text}");
    }
    for text in ["{\"password\":\"Sommer\"}", "[\"Sommer\"]", "see {pin: Sommer}"] {
        assert!(!super::may_name(text), "{text}");
    }
    assert!(super::may_name("OU=Private Banking:1"));
}

#[test]
fn nobody_is_named_by_what_is_no_json() {
    for text in ["<userName>alice@example.com</userName>", "", r#"{"userName": "alice""#, "{} {}"] {
        let taken = body(text);
        assert_eq!((taken.kept.as_str(), names(&taken)), ("", vec![]), "{text}");
    }
}

/// A value that holds the secret somewhere.
fn secret_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(SECRET)),
        Just(json!(format!(" {SECRET}\n"))),
        Just(json!(json!({"userName": SECRET}).to_string())),
        Just(json!([["x"], SECRET])),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Value::Array),
            (any_name(), inner.clone()).prop_map(|(name, value)| json!({name: value})),
            inner.prop_map(|value| json!(json!({"password": value}).to_string())),
        ]
    })
}

/// A name of anything: known, secret or made up.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "userName",
            "emails",
            "value",
            "name",
            "path",
            "Operations",
            "data",
            "filter"
        ])
        .prop_map(str::to_owned),
        secret_name(),
    ]
}

/// A name under which nothing may be kept.
fn secret_name() -> impl Strategy<Value = String> {
    let known = [
        "password",
        "pin",
        "PIN",
        "door",
        "pwd",
        "otp",
        "api-key",
        "clientSecret",
        "x.password",
        "a b",
        "cursor",
    ];
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User";
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        prop::sample::select(known.to_vec()).prop_map(move |name| format!("{urn}:{name}")),
        "[a-zA-Z@\"\\[ ]{1,6}".prop_map(|name| format!("{name}_")),
    ]
}

/// An attribute that is known, with a value that may be kept.
fn known() -> impl Strategy<Value = (String, Value)> {
    prop::sample::select(vec![
        ("userName", json!("alice@example.com")),
        ("active", json!(true)),
        ("seat", json!("7")),
        ("schemas", json!(["urn:x:y"])),
        ("name", json!({"givenName": "Alice"})),
        ("emails", json!([{"value": "alice@example.com", "type": "work"}])),
    ])
    .prop_map(|(name, value)| (name.to_owned(), value))
}

/// A resource with alice in it, secrets beside her, some of them in parts of what is known.
fn resource() -> impl Strategy<Value = Value> {
    let secret = || (secret_name(), secret_value());
    let deep = secret().prop_map(|(name, value)| ("name".to_owned(), json!({"givenName": "A", name: value})));
    let listed =
        secret().prop_map(|(name, value)| ("phoneNumbers".to_owned(), json!([{"value": "1", name: value}])));
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let extended = secret()
        .prop_map(move |(name, value)| (enterprise.to_owned(), json!({"department": "D", name: value})));
    let member = prop_oneof![known(), secret(), deep, listed, extended];
    prop::collection::vec(member, 0..5).prop_map(|members| {
        let mut resource: serde_json::Map<String, Value> = members.into_iter().collect();
        resource.insert("userName".into(), json!("alice@example.com"));
        Value::Object(resource)
    })
}

/// A comparison with the secret, in and out of the RFC's form.
fn secret_filter() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec!["eq", "EQ", "sw", "co", "is", "=", "=="]);
    let quotes = prop::sample::select(vec![
        ("\"", "\""),
        ("'", "'"),
        ("", ""),
        ("“", "”"),
        ("\"", ""),
        ("\\\"", "\\\""),
    ]);
    let attribute =
        prop::sample::select(vec!["password", "pin", "badge", "badge.value", "emails.password", "nothing"]);
    let around = prop::sample::select(vec![
        ("", ""),
        ("title pr and ", ""),
        ("(", ")"),
        ("not (", ")"),
        ("emails[", "]"),
        ("x eq \"", ""),
    ]);
    (attribute, operator, quotes, around).prop_map(|(attribute, operator, quotes, around)| {
        format!("{}{attribute} {operator} {}{SECRET}{}{}", around.0, quotes.0, quotes.1, around.1)
    })
}

/// An operation of a PATCH that holds a secret where none may be kept.
fn operation() -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        secret_name(),
        secret_filter(),
        secret_filter().prop_map(|it| format!("emails[{it}].value"))
    ];
    prop_oneof![
        (path, secret_value()).prop_map(|(path, value)| {
            let value = if path.contains("emails") { json!("x") } else { value };
            json!({"op": "replace", "path": path, "value": value})
        }),
        resource().prop_map(|value| json!({"op": "add", "value": value})),
        secret_value().prop_map(|value| json!({"op": value, "path": value, "x": value})),
        (secret_name(), secret_value())
            .prop_map(|(name, value)| json!({"op": "add", "path": "name", "value": {name: value}})),
    ]
}

fn any_body() -> impl Strategy<Value = Value> {
    let patch =
        prop::collection::vec(operation(), 1..3).prop_map(|operations| json!({"Operations": operations}));
    let search =
        secret_filter().prop_map(|filter| json!({"filter": filter, "userName": "alice@example.com"}));
    let single = prop_oneof![resource(), patch, search];
    prop_oneof![
        single.clone(),
        single.prop_map(|data| json!({"Operations": [{"method": "POST", "path": "/Users", "data": data}]})),
    ]
}

proptest! {
    #[test]
    fn a_secret_is_in_no_body_that_is_kept_and_names_nobody(any in any_body()) {
        let text = any.to_string();
        let taken = body(&text);
        taken.is_without(SECRET, &text);
        prop_assert_eq!(taken.names.contains("alice@example.com"), text.contains("alice@example.com"));
    }

    #[test]
    fn a_secret_is_in_no_address_that_is_kept_and_names_nobody(
        compared in secret_filter(), name in secret_name(), times in 0..3,
    ) {
        let encoded = (0..times).fold(compared.clone(), |text, _| utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string());
        for text in [format!("/acme/scim/v2/Users/{encoded}"), format!("/{encoded}/Users"), format!("/Users/7/{encoded}")] {
            path(&text).is_without(SECRET, &text);
        }
        filter(&compared).is_without(SECRET, &compared);
        let name = utf8_percent_encode(&name, NON_ALPHANUMERIC);
        for text in [format!("{name}={SECRET}"), encoded.clone(), format!("filter={encoded}&{encoded}={SECRET}")] {
            query(&text).is_without(SECRET, &text);
        }
    }
}
