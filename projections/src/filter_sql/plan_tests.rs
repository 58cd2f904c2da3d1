//! What identity providers ask all day is answered from an index, however many users there are.

use rusqlite::params_from_iter;
use scim::ResourceType::{Group, User};
use scim::filter::{parse, typed};
use scim::schemas::Schemas;

use super::*;
use crate::current::{CurrentReader, CurrentWriter};
use crate::testing::{Place, STREAM};

/// The plan of a page of a list, a line for each step.
fn plan(resource_type: ResourceType, filter: &str) -> Vec<String> {
    plan_of("r.rid", resource_type, filter, " ORDER BY r.rid LIMIT 100")
}

/// The plan of its total.
fn count_plan(resource_type: ResourceType, filter: &str) -> Vec<String> {
    plan_of("count(*)", resource_type, filter, "")
}

fn plan_of(wanted: &str, resource_type: ResourceType, filter: &str, order: &str) -> Vec<String> {
    let added = r#"{"User": [{"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [{"name": "role"}]}]}"#;
    let schemas = Schemas::extended(&serde_json::from_str(added).unwrap(), &[]);
    let place = Place::new();
    drop(CurrentWriter::open(&place.file("current.db"), STREAM).unwrap());
    let reader = CurrentReader::open(&place.file("current.db")).unwrap();
    let filter = typed::check(&parse::parse(filter).unwrap(), schemas.of(resource_type)).unwrap();
    let condition = Compiler { resource_type, domain: Some("okta") }.compile(&filter);
    let select = Fragment::text("EXPLAIN QUERY PLAN SELECT ")
        .then_text(wanted)
        .then_text(" FROM resources AS r WHERE r.type = ")
        .bind(resource_type.name().to_owned())
        .then_text(" AND r.hidden = 0 AND ")
        .then(condition)
        .then_text(order);
    let mut statement = reader.connection.prepare(select.sql()).unwrap();
    let steps = statement.query_map(params_from_iter(select.values()), |row| row.get(3)).unwrap();
    steps.collect::<Result<_, _>>().unwrap()
}

/// Each of these steps is in the plan, and nothing walks all resources, addresses or memberships.
#[track_caller]
fn check(resource_type: ResourceType, filter: &str, steps: &[&str]) {
    let plan = plan(resource_type, filter);
    for step in steps {
        assert!(plan.iter().any(|line| line.contains(step)), "{step} is not in {plan:#?}");
    }
    let walks = |line: &String| {
        let whole_table = line.starts_with("SCAN ") && !line.contains("VIRTUAL TABLE");
        whole_table || line.ends_with("resources_listed (type=?)")
    };
    assert!(!plan.iter().any(walks), "{plan:#?}");
}

#[test]
fn a_user_is_found_by_what_identity_providers_match_on() {
    check(
        User,
        "userName eq \"a\"",
        &["r USING COVERING INDEX resources_name (type=? AND name_folded=? AND hidden=?)"],
    );
    check(User, "id eq \"a\"", &["r USING INDEX resources_id (id=?)"]);
    check(User, "externalId eq \"a\"", &["external_ids_value (type=? AND domain=? AND value=?)", "rid=?"]);
    check(User, "emails.value eq \"a\"", &["a USING PRIMARY KEY (value_folded=?)", "rid=?"]);
    check(User, "emails eq \"a\"", &["a USING PRIMARY KEY (value_folded=?)"]);
    check(User, "emails[type eq \"work\" and value eq \"a\"]", &["a USING PRIMARY KEY (value_folded=?)"]);
    check(
        User,
        "userName eq \"a\" and active eq true",
        &["resources_name (type=? AND name_folded=? AND hidden=?)"],
    );
}

#[test]
fn a_part_of_a_name_is_counted_in_the_index_alone() {
    let plan = count_plan(User, "userName co \"a\" and not (userName sw \"b\")");
    assert_eq!(plan, ["SEARCH r USING COVERING INDEX resources_name (type=?)"]);
}

#[test]
fn a_group_is_found_by_its_name() {
    check(
        Group,
        "displayName eq \"a\"",
        &["r USING COVERING INDEX resources_name (type=? AND name_folded=? AND hidden=?)"],
    );
    check(Group, "externalId eq \"a\"", &["external_ids_value (type=? AND domain=? AND value=?)"]);
}

#[test]
fn memberships_are_found_from_either_end() {
    let of_user =
        ["o USING INDEX resources_id (id=?)", "m USING COVERING INDEX memberships_member (member_rid=?)"];
    check(Group, "members.value eq \"a\"", &of_user);
    check(Group, "members eq \"a\"", &of_user);
    check(Group, "members[value eq \"a\"]", &of_user);
    let of_group = ["o USING INDEX resources_id (id=?)", "m USING PRIMARY KEY (group_rid=?)"];
    check(User, "groups.value eq \"a\"", &of_group);
    check(User, "groups[value eq \"a\" and type eq \"direct\"]", &of_group);
    check(Group, "id eq \"a\" and members[value eq \"b\"]", &["r USING INDEX resources_id (id=?"]);
}

#[test]
fn terms_of_an_or_are_looked_up_one_by_one() {
    check(
        User,
        "userName eq \"a\" or emails.value eq \"b\" or id eq \"c\" or externalId eq \"d\"",
        &[
            "MULTI-INDEX OR",
            "r USING INDEX resources_name (type=? AND name_folded=? AND hidden=?)",
            "a USING PRIMARY KEY (value_folded=?)",
            "r USING INDEX resources_id (id=?)",
            "external_ids_value (type=? AND domain=? AND value=?)",
        ],
    );
}

#[test]
fn lists_by_type_and_active_are_read_in_order_from_an_index_alone() {
    for filter in ["active eq true", "id pr"] {
        let plan = plan(User, filter);
        assert!(plan.iter().any(|line| line.contains("resources_listed (type=?)")), "{plan:#?}");
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{plan:#?}");
    }
    assert!(plan(User, "active eq true")[0].contains("COVERING INDEX"));
}

#[test]
fn people_are_found_by_what_they_are_called() {
    check(User, "displayName eq \"a\"", &["v USING PRIMARY KEY (type=? AND path=? AND value_folded=?)"]);
}

#[test]
fn what_changed_is_found_and_counted_by_its_instant() {
    let at = |op| format!("meta.lastModified {op} \"2026-01-31T08:00:00Z\"");
    check(User, &at("eq"), &["resources_modified (type=? AND modified_at=?)"]);
    for (op, bound) in [("gt", ">?"), ("ge", ">?"), ("lt", "<?"), ("le", "<?")] {
        let index = format!("USING COVERING INDEX resources_modified (type=? AND modified_at{bound})");
        assert_eq!(count_plan(Group, &at(op)), [format!("SEARCH r {index}")]);
    }
}

#[test]
fn an_attribute_that_a_tenant_added_is_found_by_its_value() {
    check(User, "role eq \"owner\"", &["v USING PRIMARY KEY (type=? AND path=? AND value_folded=?)"]);
}
