//! The evaluator in SQL against the one in memory: any filter finds the same resources.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use provisioning::event::Change;
use provisioning::{Recorded, Resource, ResourceId, Status};
use scim::attribute_path::AttributePath;
use scim::filter::{CompareOp, Filter, evaluate, typed};
use scim::list::sort::SortKey;
use scim::list::{ListQuery, Order};
use scim::schema::Attribute;
use scim::schemas::{ENTERPRISE_USER, GROUP, Schemas, USER};
use scim::{Object, ResourceType};
use serde_json::{Value, json};

use crate::current::{CurrentReader, CurrentWriter};
use crate::testing::{
    DOMAIN, Draft, Log, Place, STREAM, external_ids, group_created, id, list_of, members_added, object,
};
use crate::testing::{user_created, user_hidden};

/// Few and confusable: equal but for case, contained in each other, empty, with what LIKE, GLOB, SQL and JSON treat
/// specially, composed and not.
const TEXTS: [&str; 19] = [
    "", "a", "A", "ab", "aB", "b", "ß", "SS", "é", "E\u{301}", "a%", "_b", "a*", "[a]", "'", "\"", "\\",
    "a\u{0}b", "invited",
];
/// How many filters are compared at least.
const FILTERS_MIN: usize = 20_000;
const INSTANTS: [&str; 4] = [
    "2023-11-14T22:13:21",
    "2023-11-14T22:13:21Z",
    "2023-11-14T22:13:24.000001Z",
    "2023-11-14T23:13:25+01:00",
];

fn text() -> impl Strategy<Value = String> {
    prop::sample::select(&TEXTS[..]).prop_map(str::to_owned)
}

/// The standard schemas, with an attribute for each kind of value that they lack.
fn schemas() -> Schemas {
    let mut schemas = Schemas::standard().telling_status();
    let added = json!([
        {"name": "level", "type": "decimal"},
        {"name": "hiredAt", "type": "dateTime"},
        {"name": "tags", "type": "string", "multiValued": true},
    ]);
    let added: Vec<Attribute> = serde_json::from_value(added).unwrap();
    Arc::make_mut(&mut schemas.user).core.attributes.extend(added);
    schemas
}

/// An object of those of these members that are there.
fn members_of(parts: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Object> {
    let parts: Vec<_> = parts
        .into_iter()
        .map(|(name, value)| {
            prop::option::of(value).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
        })
        .collect();
    parts.prop_map(|parts| parts.into_iter().flatten().collect())
}

fn texts() -> BoxedStrategy<Value> {
    text().prop_map(Value::String).boxed()
}

/// Canonical documents hold no empty object.
fn complex(parts: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    members_of(parts)
        .prop_map(|mut parts| {
            if parts.is_empty() {
                parts.insert("value".to_owned(), json!("a"));
            }
            Value::Object(parts)
        })
        .boxed()
}

fn elements() -> BoxedStrategy<Value> {
    let primary = any::<bool>().prop_map(Value::Bool).boxed();
    let element = complex(vec![("value", texts()), ("type", texts()), ("primary", primary)]);
    prop::collection::vec(element, 1..3).prop_map(Value::Array).boxed()
}

fn user_document() -> impl Strategy<Value = Object> {
    let name = complex(vec![("givenName", texts()), ("familyName", texts())])
        .prop_map(|mut name| {
            // `name` has no `value`.
            if let Some(value) = name.as_object_mut().and_then(|name| name.remove("value")) {
                name["givenName"] = value;
            }
            name
        })
        .boxed();
    let manager = text().prop_map(|value| json!({"value": value})).boxed();
    let extension = complex(vec![("department", texts()), ("manager", manager)])
        .prop_map(|mut extension| {
            if let Some(value) = extension.as_object_mut().and_then(|extension| extension.remove("value")) {
                extension["department"] = value;
            }
            extension
        })
        .boxed();
    let optional = members_of(vec![
        ("displayName", texts()),
        ("title", texts()),
        ("profileUrl", texts()),
        ("name", name),
        ("emails", elements()),
        ("phoneNumbers", elements()),
        ("level", value_of(Kind::Number)),
        ("hiredAt", value_of(Kind::Instant)),
        ("tags", prop::collection::vec(texts(), 1..3).prop_map(Value::Array).boxed()),
        ("x509Certificates", elements()),
        (ENTERPRISE_USER, extension),
    ]);
    (text(), any::<bool>(), optional).prop_map(|(user_name, active, mut document)| {
        document.insert("userName".to_owned(), user_name.into());
        document.insert("active".to_owned(), active.into());
        document
    })
}

/// A tenant: five users (some invited, some hidden, with external ids in two domains), three groups, memberships.
fn log() -> impl Strategy<Value = Log> {
    let user = (user_document(), prop::option::of(text()), prop::option::of(text()), 0..8_u8);
    let memberships = prop::collection::btree_set((0..3_u128, 0..8_u128), 0..12);
    (prop::collection::vec(user, 5), prop::collection::vec(text(), 3), memberships).prop_map(
        |(users, groups, memberships)| {
            let mut drafts: Vec<Draft> = Vec::new();
            let mut hidden = BTreeSet::new();
            for (number, (patch, external_id, foreign_id, kind)) in (0..).zip(users) {
                let external_ids =
                    external_ids(&[(DOMAIN, external_id.as_deref()), ("other", foreign_id.as_deref())]);
                let external_ids = external_ids.into_iter().filter(|(_, value)| value.is_some()).collect();
                drafts.push(user_created(
                    number,
                    Change { patch, external_ids, invited: kind == 0, ..Change::default() },
                ));
                if kind == 1 {
                    hidden.insert(number);
                    drafts.push(user_hidden(number));
                }
            }
            drafts.extend((5..).zip(&groups).map(|(number, name)| group_created(number, name)));
            let member = |(group, member): (u128, u128)| {
                (!hidden.contains(&member) && group + 5 != member)
                    .then(|| members_added(group + 5, &[member]))
            };
            drafts.extend(memberships.into_iter().filter_map(member));
            Log::of(drafts)
        },
    )
}

/// The paths of all kinds that there are, with the kind of their values.
fn compared(resource_type: ResourceType) -> Vec<(String, Kind)> {
    use Kind::{Binary, Id, Instant, Number, Text, Truth, Urn};
    let common = [
        ("id", Id),
        ("externalId", Text),
        ("schemas", Urn),
        ("meta.created", Instant),
        ("meta.lastModified", Instant),
        ("meta.resourceType", Text),
        ("meta.version", Text),
        ("meta.location", Text),
        ("displayName", Text),
    ];
    let users = [
        ("userName", Text),
        ("title", Text),
        ("profileUrl", Text),
        ("name.givenName", Text),
        ("name.familyName", Text),
        ("active", Truth),
        ("status", Text),
        ("emails", Text),
        ("emails.value", Text),
        ("emails.type", Text),
        ("emails.primary", Truth),
        ("phoneNumbers.value", Text),
        ("x509Certificates.value", Binary),
        ("groups", Id),
        ("groups.value", Id),
        ("level", Number),
        ("hiredAt", Instant),
        ("tags", Text),
        ("groups.display", Text),
        ("groups.type", Text),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName", Text),
        ("URN:ietf:params:scim:schemas:core:2.0:USER:EMAILS.VALUE", Text),
        ("manager.value", Text),
    ];
    let groups = [("members", Id), ("members.value", Id), ("members.display", Text), ("members.type", Text)];
    let extended =
        ["department", "manager", "manager.value"].map(|name| (format!("{ENTERPRISE_USER}:{name}"), Text));
    let common = common.into_iter();
    match resource_type {
        ResourceType::User => {
            common.chain(users).map(|(path, kind)| (path.to_owned(), kind)).chain(extended).collect()
        }
        ResourceType::Group => common.chain(groups).map(|(path, kind)| (path.to_owned(), kind)).collect(),
    }
}

/// Paths that only `pr` may name as a whole.
fn complex_paths(resource_type: ResourceType) -> Vec<String> {
    let paths = match resource_type {
        ResourceType::User => vec!["name", "meta", "addresses"],
        ResourceType::Group => vec!["meta"],
    };
    paths.into_iter().map(str::to_owned).collect()
}

/// Attributes of value paths, with their parts.
fn bracketed(resource_type: ResourceType) -> Vec<(&'static str, Vec<(&'static str, Kind)>)> {
    use Kind::{Id, Instant, Text, Truth};
    let meta = ("meta", vec![("created", Instant), ("resourceType", Text), ("version", Text)]);
    match resource_type {
        ResourceType::User => vec![
            meta,
            ("emails", vec![("value", Text), ("type", Text), ("primary", Truth), ("display", Text)]),
            ("phoneNumbers", vec![("value", Text), ("type", Text), ("primary", Truth)]),
            ("name", vec![("givenName", Text), ("familyName", Text)]),
            ("groups", vec![("value", Id), ("display", Text), ("type", Text)]),
        ],
        ResourceType::Group => {
            vec![meta, ("members", vec![("value", Id), ("display", Text), ("type", Text)])]
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Binary,
    Number,
    Truth,
    Instant,
    Id,
    Urn,
}

fn value_of(kind: Kind) -> BoxedStrategy<Value> {
    match kind {
        Kind::Text | Kind::Binary => {
            let special = prop::sample::select(vec!["User", "user", "Group", "direct", "W/\"1\"", "W/\"3\""]);
            prop_oneof![6 => texts(), 1 => special.prop_map(Value::from)].boxed()
        }
        Kind::Number => {
            // The last two are one double.
            let numbers = [json!(-1), json!(0), json!(1), json!(1.0), json!(1.5)].into_iter();
            let near = [json!(9_007_199_254_740_992_i64), json!(9_007_199_254_740_993_i64)];
            prop::sample::select(numbers.chain(near).collect::<Vec<_>>()).boxed()
        }
        Kind::Truth => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Instant => prop::sample::select(&INSTANTS[..]).prop_map(Value::from).boxed(),
        Kind::Id => {
            let ids = (0..9_u128).prop_map(|number| id(number).to_string());
            prop_oneof![4 => ids.clone(), 1 => ids.prop_map(|id| id.to_uppercase()), 1 => text()]
                .prop_map(Value::from)
                .boxed()
        }
        Kind::Urn => {
            prop::sample::select(vec![USER, GROUP, ENTERPRISE_USER, "urn"]).prop_map(Value::from).boxed()
        }
    }
}

fn op_for(kind: Kind) -> impl Strategy<Value = CompareOp> {
    use CompareOp::{Co, Eq, Ew, Ge, Gt, Le, Lt, Ne, Sw};
    prop::sample::select(match kind {
        Kind::Text | Kind::Id | Kind::Urn => vec![Eq, Eq, Ne, Co, Sw, Ew, Gt, Ge, Lt, Le],
        Kind::Binary => vec![Eq, Ne, Co, Sw, Ew],
        Kind::Instant | Kind::Number => vec![Eq, Ne, Gt, Ge, Lt, Le],
        Kind::Truth => vec![Eq, Ne],
    })
}

fn comparison(path: AttributePath, kind: Kind) -> BoxedStrategy<Filter> {
    let null = prop::sample::select(vec![CompareOp::Eq, CompareOp::Ne]).prop_map(|op| (op, Value::Null));
    let any = prop_oneof![9 => (op_for(kind), value_of(kind)), 1 => null];
    any.prop_map(move |(op, value)| Filter::Compare { path: path.clone(), op, value }).boxed()
}

fn simple(path: &str, kind: Kind) -> BoxedStrategy<Filter> {
    let path = AttributePath::parse(path).unwrap();
    prop_oneof![6 => comparison(path.clone(), kind), 1 => Just(Filter::Present(path))].boxed()
}

/// `and`, `or` and `not` over simple filters.
fn combined(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
    .boxed()
}

fn any_filter(resource_type: ResourceType) -> BoxedStrategy<Filter> {
    let simple_paths =
        prop::sample::select(compared(resource_type)).prop_flat_map(|(path, kind)| simple(&path, kind));
    let present = prop::sample::select(complex_paths(resource_type))
        .prop_map(|path| Filter::Present(AttributePath::parse(&path).unwrap()));
    let brackets = prop::sample::select(bracketed(resource_type)).prop_flat_map(|(attribute, parts)| {
        let part = prop::sample::select(parts).prop_flat_map(|(name, kind)| simple(name, kind));
        let path = AttributePath::parse(attribute).unwrap();
        combined(part.boxed())
            .prop_map(move |filter| Filter::ValuePath { path: path.clone(), filter: Box::new(filter) })
    });
    combined(prop_oneof![8 => simple_paths, 1 => present, 3 => brackets].boxed())
}

/// A filter that a failing test prints as it is written.
struct Asked(Filter);

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a client of [`DOMAIN`] is shown, but for absolute URLs.
fn wire(resource: &Resource, writer: &CurrentWriter, reader: &CurrentReader) -> Object {
    let mut wire = resource.attributes.clone();
    let core = match resource.resource_type {
        ResourceType::User => USER,
        ResourceType::Group => GROUP,
    };
    let extensions = resource.attributes.keys().filter(|name| name.contains(':')).map(String::as_str);
    let schemas: Vec<_> = std::iter::once(core).chain(extensions).collect();
    wire.insert("schemas".to_owned(), json!(schemas));
    wire.insert("id".to_owned(), json!(resource.id.to_string()));
    if let Some(external_id) = resource.external_ids.get(DOMAIN) {
        wire.insert("externalId".to_owned(), json!(external_id));
    }
    wire.insert(
        "meta".to_owned(),
        json!({
            "resourceType": resource.resource_type.name(), "version": format!("W/\"{}\"", resource.revision),
            "created": resource.created_at.to_string(), "lastModified": resource.modified_at.to_string(),
        }),
    );
    if resource.resource_type == ResourceType::User {
        let status = Status::of(resource.active, resource.invited);
        wire.insert("status".to_owned(), json!(status.name()));
    }
    let elements: Vec<_> = match resource.resource_type {
        ResourceType::User => writer.groups_of(resource.id).unwrap().into_iter()
            .map(|group| json!({"value": group.id.to_string(), "display": group.display, "type": "direct"})).collect(),
        ResourceType::Group => reader.members(resource.id, None, 99).unwrap().into_iter()
            .map(|member| json!({"value": member.id.to_string(), "display": member.display, "type": member.resource_type.name()})).collect(),
    };
    if !elements.is_empty() {
        let attribute = if resource.resource_type == ResourceType::User { "groups" } else { "members" };
        wire.insert(attribute.to_owned(), elements.into());
    }
    object(Value::Object(wire))
}

struct Tenant {
    _place: Place,
    reader: CurrentReader,
    /// Visible resources of each type, oldest first, in wire form.
    visible: Vec<(ResourceType, ResourceId, Object)>,
}

fn tenant(events: &[Recorded]) -> Tenant {
    let place = Place::new();
    let mut writer = CurrentWriter::open(&place.file("current.db"), STREAM).unwrap();
    writer.begin().unwrap();
    for recorded in events {
        writer.apply(recorded).unwrap();
    }
    writer.commit().unwrap();
    let reader = CurrentReader::open(&place.file("current.db")).unwrap();
    let all = (0..8)
        .filter_map(|number| provisioning::directory::Directory::resource(&writer, id(number)).unwrap());
    let visible = all
        .filter(|resource| !resource.hidden)
        .map(|resource| (resource.resource_type, resource.id, wire(&resource, &writer, &reader)))
        .collect();
    Tenant { _place: place, reader, visible }
}

#[test]
fn sql_and_memory_find_the_same_resources() {
    let mut runner = TestRunner::new(Config { cases: 80, failure_persistence: None, ..Config::default() });
    let filters = |resource_type| prop::collection::vec(any_filter(resource_type).prop_map(Asked), 1..320);
    let cases = (log(), filters(ResourceType::User), filters(ResourceType::Group));
    let schemas = schemas();
    let compared = Cell::new(0);
    let outcome = runner.run(&cases, |(log, users, groups)| {
        let tenant = tenant(&log.events);
        compared.set(compared.get() + users.len() + groups.len());
        let of_users = users.iter().map(|filter| (ResourceType::User, &filter.0));
        let of_groups = groups.iter().map(|filter| (ResourceType::Group, &filter.0));
        for (resource_type, filter) in of_users.chain(of_groups) {
            let typed = typed::check(filter, schemas.of(resource_type)).unwrap();
            let expected: Vec<_> = tenant
                .visible
                .iter()
                .filter(|(of, _, wire)| *of == resource_type && evaluate::matches(&typed, wire))
                .map(|(_, id, _)| *id)
                .collect();
            let query = list_of(resource_type, Some(typed));
            let page = tenant.reader.list(&query, Some(DOMAIN)).unwrap();
            let found: Vec<_> = page.resources.iter().map(|resource| resource.id).collect();
            prop_assert_eq!(found, expected, "{}", filter);
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(compared.get() >= FILTERS_MIN, "{} filters", compared.get());
}

#[test]
fn sql_and_memory_sort_alike() {
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let schemas = schemas();
    let outcome = runner.run(&log(), |log| {
        let tenant = tenant(&log.events);
        for resource_type in [ResourceType::User, ResourceType::Group] {
            for (text, _) in compared(resource_type) {
                let path = AttributePath::parse(&text).unwrap();
                let Some(path) = typed::typed_path(&path, schemas.of(resource_type)) else { continue };
                for order in [Order::Ascending, Order::Descending] {
                    let mut query = ListQuery { order, ..list_of(resource_type, None) };
                    query.parts[0].sort_by = Some(path.clone());
                    let page = tenant.reader.list(&query, Some(DOMAIN)).unwrap();
                    let found: Vec<_> = page.resources.iter().map(|resource| resource.id).collect();
                    let visible = tenant.visible.iter().filter(|(of, ..)| *of == resource_type);
                    let mut keyed: Vec<_> =
                        visible.map(|(_, id, wire)| (SortKey::of(&path, wire), *id)).collect();
                    keyed.sort_by(|(one, _), (other, _)| order.compare(one.as_ref(), other.as_ref()));
                    let expected: Vec<_> = keyed.into_iter().map(|(_, id)| id).collect();
                    prop_assert_eq!(found, expected, "{} {:?}", text, order);
                }
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn without_a_domain_nobody_has_an_external_id() {
    let external_ids = external_ids(&[(DOMAIN, Some("a"))]);
    let patch = object(json!({"userName": "a", "active": true}));
    let tenant =
        tenant(&Log::of([user_created(1, Change { patch, external_ids, ..Change::default() })]).events);
    let schemas = Schemas::standard();
    for (filter, with, without) in
        [("externalId eq \"a\"", 1, 0), ("externalId pr", 1, 0), ("externalId ne \"a\"", 0, 1)]
    {
        let filter =
            typed::check(&scim::filter::parse::parse(filter).unwrap(), schemas.of(ResourceType::User))
                .unwrap();
        let query = list_of(ResourceType::User, Some(filter));
        let total = |domain| tenant.reader.list(&query, domain).unwrap().total;
        assert_eq!((total(Some(DOMAIN)), total(None)), (with, without));
    }
}
