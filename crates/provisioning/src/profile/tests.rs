//! What a profile comes to, and what is found wrong with one.

use serde_json::json;

use super::*;
use crate::testing::object;

const RIGHT: &str = r#"name = "crew"
description = "A crew"
base_path = "/crew/scim"
groups = "link-only"
attributes = ["userName", "active", "rank"]
enforce_canonical_values = ["rank"]

[[schemas.User]]
id = "urn:ietf:params:scim:schemas:core:2.0:User"
attributes = [{ name = "rank", canonicalValues = ["mate", "captain"] }]
"#;

#[track_caller]
fn check_mistakes(text: &str, expected: &[&str]) {
    let mistakes = read(text).expect_err("the profile is wrong");
    let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\ndoes not begin with\n{expected}");
    }
}

#[test]
fn a_profile_names_settings_and_leaves_the_others_at_their_defaults() {
    let profile = read(RIGHT).unwrap();
    assert_eq!((profile.name.as_str(), profile.description.as_str()), ("crew", "A crew"));
    let mut all = object(json!({"tenant": "acme"}));
    all.extend(profile.settings());
    let settings = Settings::default().updated(&all).unwrap();
    assert_eq!(settings.base_path, "/crew/scim");
    assert_eq!(settings.delete, crate::tenancy::DeletePolicy::Delete);
    assert!(settings.schemas().user.core.attribute("rank").is_some());
}

#[test]
fn an_existing_tenant_is_brought_to_a_profile_and_keeps_what_is_its_own() {
    let before = object(json!({
        "tenant": "acme", "base_path": "/acme/scim/v2", "host": "acme.test", "mode": "observe", "delete": "refuse",
        "schemas": {"Group": [{
            "id": "urn:ietf:params:scim:schemas:core:2.0:Group", "attributes": [{"name": "purpose"}],
        }]},
    }));
    let before = Settings::default().updated(&before).unwrap();
    let after = before.updated(&read(RIGHT).unwrap().patch()).unwrap();
    assert_eq!(
        (after.host.as_deref(), after.observes(), after.base_path.as_str()),
        (Some("acme.test"), true, "/crew/scim")
    );
    assert_eq!(after.delete, crate::tenancy::DeletePolicy::Delete);
    assert_eq!(after.schemas.as_ref().unwrap().group, []);
    let generic = read("name = 'generic'\ndescription = 'x'").unwrap();
    let back = after.updated(&generic.patch()).unwrap();
    assert_eq!((back.schemas.clone(), back.groups, back.base_path.as_str()), (None, None, "/crew/scim"));
}

#[test]
fn every_mistake_is_told_with_its_line_key_and_what_is_right() {
    check_mistakes(
        r#"name = "Crew"
base_path = "crew"
groups = "some"
colour = "red"
host = "x.test"
delete = 5
attributes = ["userName", "nick", "rank["]

[[schemas.User]]
id = "urn:ietf:params:scim:schemas:core:2.0:User"
"#,
        &[
            "line 1: description: is missing; it takes a sentence",
            "line 1: name: takes 1 to 63 of a-z",
            "line 2: base_path: the base path begins with a slash",
            "line 3: groups: takes full, link-only, off or null",
            "line 4: colour: there is no such key; the keys are name, description, base_path,",
            "line 5: host: is each tenant's own",
            "line 6: delete: takes delete, deactivate or refuse",
            "line 9: schemas.User[0]: adds no attributes",
        ],
    );
}

#[test]
fn mistakes_in_schemas_are_told_attribute_by_attribute() {
    check_mistakes(
        r#"name = "crew"
description = "A crew"
[[schemas.User]]
id = "urn:ietf:params:scim:schemas:core:2.0:User"
colour = "red"
[[schemas.User.attributes]]
name = "rank"
type = "text"
canonical = ["a"]
[[schemas.User.attributes]]
name = "userName"
[[schemas.Team]]
id = "x"
"#,
        &[
            "line 5: schemas.User[0].colour: has the member colour; the members there are",
            "line 8: schemas.User[0].attributes[0].type: unknown variant `text`, expected one of",
            "line 9: schemas.User[0].attributes[0].canonical: has the member canonical; the members there are",
            "line 12: schemas.Team: there is no such resource type",
        ],
    );
    check_mistakes(
        r#"name = "crew"
description = "A crew"
[[schemas.User]]
id = "urn:ietf:params:scim:schemas:core:2.0:User"
attributes = [
    { name = "userName" },
    { name = "seats", type = "complex" },
    { name = "berth" },
    { name = "Berth" },
]
"#,
        &[
            "line 6: schemas.User[0].attributes[0]: urn:ietf:params:scim:schemas:core:2.0:User:userName is there already",
            "line 7: schemas.User[0].attributes[1]: urn:ietf:params:scim:schemas:core:2.0:User:seats must have subAttributes",
        ],
    );
}

#[test]
fn lists_are_checked_element_by_element() {
    let base = "name = 'crew'\ndescription = 'A crew'\n";
    check_mistakes(
        &format!(
            "{base}attributes = [\n'userName',\n'nick',\n'active',\n'rank[',\n]\nenforce_canonical_values = ['userName']"
        ),
        &[
            "line 5: attributes[1]: the list of attributes that are kept: nick is no attribute",
            "line 7: attributes[3]: the list of attributes that are kept: rank[ is no path",
            "line 9: enforce_canonical_values[0]: userName is no attribute of User or Group that has canonical",
        ],
    );
    check_mistakes(
        &format!("{base}attributes = ['userName']"),
        &["line 3: attributes: the list of attributes that are kept: lacks active"],
    );
}

#[test]
fn settings_do_not_contradict_each_other() {
    let base = "name = 'crew'\ndescription = 'A crew'\n";
    check_mistakes(
        &format!(
            "{base}groups = 'off'\nunknown_members = 'skip'\n[[schemas.Group]]\nid = 'urn:ietf:params:scim:schemas:core:2.0:Group'\nattributes = [{{ name = 'x' }}]"
        ),
        &["line 4: unknown_members: contradicts groups", "line 5: schemas.Group: contradicts groups"],
    );
    let kept = |more: &str| {
        format!("{base}attributes = ['userName', 'active'{more}]\nenforce_canonical_values = ['emails.type']")
    };
    check_mistakes(&kept(""), &["line 4: enforce_canonical_values[0]: emails.type is not kept"]);
    for more in [", 'emails'", ", 'emails[type eq \"work\"]'"] {
        read(&kept(more)).expect("something of it is kept");
    }
    check_mistakes(
        &format!(
            "{base}initial = 'invited'\n[[schemas.User]]\nid = 'urn:ietf:params:scim:schemas:core:2.0:User'\nattributes = [{{ name = 'status' }}]"
        ),
        &["line 4: schemas: users have a status already"],
    );
    check_mistakes(
        &format!(
            "{base}attributes = ['userName', 'active']\n[[schemas.User]]\nid = 'urn:ietf:params:scim:schemas:core:2.0:User'\nattributes = [{{ name = 'rank' }}]"
        ),
        &["line 6: schemas.User[0].attributes[0]: rank is added and not kept"],
    );
}

#[test]
fn a_text_that_is_no_toml_is_told_with_its_line() {
    let mistakes = read("name = 'crew'\ndescription 'x'\n").unwrap_err();
    assert!(mistakes.iter().all(|mistake| mistake.key.is_empty()), "{mistakes:#?}");
    assert!(mistakes[0].to_string().starts_with("line 2: this is not TOML: "), "{mistakes:#?}");
    let [twice] = &read("name = 'a'\nname = 'b'").unwrap_err()[..] else { panic!("one mistake") };
    assert_eq!(twice.line, 2);
}
