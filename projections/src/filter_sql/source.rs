//! Where the values of a path stand: in a column, in the document, in rows of other tables.

use scim::ResourceType;
use scim::filter::TypedPath;
use scim::fold::fold;
use scim::schema::{AttributeType, STATUS};
use scim::schemas;

use super::{Compiler, Fragment, Scope};

/// The rows of a User's `groups` and of a Group's `members` as SCIM shows them.
const GROUPS_OF_R: &str =
    "memberships AS m JOIN resources AS o ON o.rid = m.group_rid WHERE m.member_rid = r.rid AND o.hidden = 0";
const MEMBERS_OF_R: &str = "memberships AS m JOIN resources AS o ON o.rid = m.member_rid \
     WHERE m.group_rid = r.rid AND o.hidden = 0 AND o.invited = 0";

/// What [`provisioning::Status`] says of a user.
const STATUS_OF_R: &str =
    "(CASE WHEN r.active = 0 THEN 'Disabled' WHEN r.invited = 1 THEN 'Invited' ELSE 'Active' END)";

/// How a value stands there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// As the client sees it.
    Stored,
    /// Text, folded.
    Folded,
    /// An instant in microseconds, in a column that is never null.
    Micros,
}

/// An SQL expression for a value; NULL if there is none.
pub(super) struct Operand {
    pub(super) sql: Fragment,
    pub(super) form: Form,
}

/// A row for each of several values.
pub(super) struct Rows {
    /// What stands after `FROM`; ends in a condition.
    pub(super) from: Fragment,
    /// The value of a row.
    pub(super) operand: Operand,
    /// The order that puts the primary value first.
    pub(super) first: &'static str,
}

/// The values of a path.
pub(super) enum Source {
    /// At most one.
    One(Operand),
    /// Any number.
    Many(Rows),
}

/// What an element of a multi-valued attribute is.
#[derive(Clone, Copy)]
pub(super) enum Element {
    /// A row `e` of `json_each`.
    Json,
    /// A row `o` of `resources`: a member.
    Member,
    /// A row `o` of `resources`: a group.
    Group,
}

/// Whether the singular texts of an attribute are kept in `added_values`: what a tenant added, and what people are
/// called. In schema spelling.
pub(crate) fn is_found_by_text(
    resource_type: ResourceType,
    extension: Option<&str>,
    attribute: &str,
) -> bool {
    (resource_type, extension, attribute) == (ResourceType::User, None, "displayName")
        || schemas::Schemas::is_added(resource_type, extension, attribute)
}

impl Compiler<'_> {
    /// The values at the end of a path.
    pub(super) fn source(self, path: &TypedPath, scope: Scope<'_>) -> Source {
        match scope {
            Scope::Element(element) => Source::One(element.part(Some(&path.attribute))),
            Scope::Part(whole) => {
                let sub_attribute = Some(path.attribute.clone());
                self.of_resource(&TypedPath {
                    sub_attribute,
                    extension: whole.extension.clone(),
                    attribute: whole.attribute.clone(),
                    ..path.clone()
                })
            }
            Scope::Resource => self.of_resource(path),
        }
    }

    /// The elements of a multi-valued complex attribute; `None` for a singular one.
    pub(super) fn elements(self, path: &TypedPath) -> Option<(Fragment, Element)> {
        match (self.document_pointer(path), path.attribute.as_str()) {
            (Some(pointer), _) => path.multi_valued.then(|| {
                let rows = Fragment::text("json_each(r.document, ").bind(pointer);
                (rows.then_text(") AS e WHERE e.type <> 'null'"), Element::Json)
            }),
            (None, "members") => Some((Fragment::text(MEMBERS_OF_R), Element::Member)),
            (None, "groups") => Some((Fragment::text(GROUPS_OF_R), Element::Group)),
            (None, _) => None,
        }
    }

    /// Where in the document the path's attribute (not its sub-attribute) is; `None` if it is not in there.
    pub(super) fn document_pointer(self, path: &TypedPath) -> Option<String> {
        let kept_elsewhere = match path.attribute.as_str() {
            _ if path.extension.is_some() => false,
            "id" | "externalId" | "meta" | "schemas" => true,
            "members" => self.resource_type == ResourceType::Group,
            "groups" => self.resource_type == ResourceType::User,
            STATUS => self.is_derived_status(path),
            _ => false,
        };
        let names = path.extension.iter().chain([&path.attribute]);
        (!kept_elsewhere).then(|| names.fold("$".to_owned(), |pointer, name| format!("{pointer}.\"{name}\"")))
    }

    /// A `status` that clients write is an attribute like any other.
    fn is_derived_status(self, path: &TypedPath) -> bool {
        let of_users = self.resource_type == ResourceType::User && path.extension.is_none();
        of_users && path.attribute == STATUS && path.read_only
    }

    /// A condition by which the resources with exactly this value are found through an index.
    pub(super) fn found_by_index(self, path: &TypedPath, value: &str) -> Option<Fragment> {
        let extension = path.extension.as_deref();
        if self.is_derived_status(path) {
            return None;
        }
        if is_found_by_text(self.resource_type, extension, &path.attribute) {
            return self.found_among_texts(path, value);
        }
        if extension.is_some() {
            return None;
        }
        let value = Fragment::value(value.to_owned());
        let found = match (path.attribute.as_str(), path.sub_attribute.as_deref(), self.resource_type) {
            ("externalId", None, _) => Fragment::text("SELECT x.rid FROM external_ids AS x WHERE x.type = ")
                .bind(self.resource_type.name().to_owned())
                .then_text(" AND x.domain = ")
                .bind(self.domain?.to_owned())
                .then_text(" AND x.value = ")
                .then(value),
            ("emails", Some("value"), ResourceType::User) if !path.case_exact => {
                Fragment::text("SELECT a.rid FROM emails AS a WHERE a.value_folded = ").then(value)
            }
            ("members", Some("value"), ResourceType::Group) => Fragment::text(
                "SELECT m.group_rid FROM resources AS o JOIN memberships AS m ON m.member_rid = o.rid \
                 WHERE o.hidden = 0 AND o.invited = 0 AND o.id = ",
            )
            .then(value),
            ("groups", Some("value"), ResourceType::User) => Fragment::text(
                "SELECT m.member_rid FROM resources AS o JOIN memberships AS m ON m.group_rid = o.rid \
                 WHERE o.hidden = 0 AND o.id = ",
            )
            .then(value),
            _ => return None,
        };
        Some(Fragment::text("r.rid IN (").then(found).then_text(")").in_brackets())
    }

    /// These texts are indexed folded, so case is looked at afterwards.
    fn found_among_texts(self, path: &TypedPath, value: &str) -> Option<Fragment> {
        let text = matches!(path.value_type, AttributeType::String | AttributeType::Reference);
        if !text || path.multi_valued || path.sub_attribute.is_some() {
            return None;
        }
        let name = match &path.extension {
            None => path.attribute.clone(),
            Some(urn) => format!("{urn}:{}", path.attribute),
        };
        let found = Fragment::text("r.rid IN (SELECT v.rid FROM added_values AS v WHERE v.type = ")
            .bind(self.resource_type.name().to_owned())
            .then_text(" AND v.path = ")
            .bind(name)
            .then_text(" AND v.value_folded = ")
            .then(Fragment::value(fold(value)))
            .then_text(")");
        if !path.case_exact {
            return Some(found.in_brackets());
        }
        let pointer = self.document_pointer(path)?;
        let exactly = Fragment::text(" AND json_extract(r.document, ").bind(pointer).then_text(") = ");
        Some(found.then(exactly).then(Fragment::value(value.to_owned())).in_brackets())
    }

    fn of_resource(self, path: &TypedPath) -> Source {
        if let Some(kept) = self.in_a_column(path) {
            return Source::One(kept);
        }
        if let Some((from, element)) = self.elements(path) {
            let operand = element.part(path.sub_attribute.as_deref());
            return Source::Many(Rows { from, operand, first: element.first() });
        }
        let Some(pointer) = self.document_pointer(path) else {
            return self.of_schemas();
        };
        let pointer = match &path.sub_attribute {
            Some(name) => format!("{pointer}.\"{name}\""),
            None => pointer,
        };
        Source::One(Operand {
            sql: Fragment::text("json_extract(r.document, ").bind(pointer).then_text(")"),
            form: Form::Stored,
        })
    }

    fn in_a_column(self, path: &TypedPath) -> Option<Operand> {
        if path.extension.is_some() {
            return None;
        }
        let user = self.resource_type == ResourceType::User;
        let (sql, form) = match (path.attribute.as_str(), path.sub_attribute.as_deref()) {
            ("id", _) => (Fragment::text("r.id"), Form::Folded),
            ("externalId", _) => (self.external_id(), Form::Stored),
            ("meta", Some("created")) => (Fragment::text("r.created_at"), Form::Micros),
            ("meta", Some("lastModified")) => (Fragment::text("r.modified_at"), Form::Micros),
            ("meta", Some("version")) => (Fragment::text("('W/\"' || r.revision || '\"')"), Form::Stored),
            ("meta", Some("resourceType") | None) => (Fragment::text("r.type"), Form::Stored),
            ("meta", Some(_)) => (Fragment::text("NULL"), Form::Stored),
            (STATUS, None) if self.is_derived_status(path) => (Fragment::text(STATUS_OF_R), Form::Stored),
            ("active", None) if user => (Fragment::text("r.active"), Form::Stored),
            ("userName", None) if user && !path.case_exact => (Fragment::text("r.name_folded"), Form::Folded),
            ("displayName", None) if !user && !path.case_exact => {
                (Fragment::text("r.name_folded"), Form::Folded)
            }
            _ => return None,
        };
        Some(Operand { sql, form })
    }

    fn external_id(self) -> Fragment {
        match self.domain {
            Some(domain) => {
                Fragment::text("(SELECT x.value FROM external_ids AS x WHERE x.rid = r.rid AND x.domain = ")
                    .bind(domain.to_owned())
                    .then_text(")")
            }
            None => Fragment::text("NULL"),
        }
    }

    /// The core schema and those extensions that the document has a part of; only a URN has colons.
    fn of_schemas(self) -> Source {
        let core = match self.resource_type {
            ResourceType::User => schemas::USER,
            ResourceType::Group => schemas::GROUP,
        };
        let from = Fragment::text("(SELECT 0 AS n, ").bind(core.to_owned()).then_text(
            " AS urn UNION ALL SELECT 1, x.key FROM json_each(r.document) AS x WHERE instr(x.key, ':') > 0) AS s \
             WHERE 1",
        );
        let operand = Operand { sql: Fragment::text("s.urn"), form: Form::Stored };
        Source::Many(Rows { from, operand, first: "s.n, s.urn" })
    }
}

impl Element {
    /// The part of that name; `None` stands for the element itself.
    fn part(self, name: Option<&str>) -> Operand {
        let (sql, form) = match (self, name) {
            (Self::Json, None) => (Fragment::text("e.atom"), Form::Stored),
            // A simple value is its own `value`.
            (Self::Json, Some(name)) => {
                let part = Fragment::text("CASE e.type WHEN 'object' THEN json_extract(e.value, ")
                    .bind(format!("$.\"{name}\""))
                    .then_text(") ELSE e.atom END");
                (part, Form::Stored)
            }
            (Self::Member | Self::Group, None | Some("value")) => (Fragment::text("o.id"), Form::Folded),
            (Self::Member | Self::Group, Some("display")) => (Fragment::text("o.display"), Form::Stored),
            (Self::Member, Some("type")) => (Fragment::text("o.type"), Form::Stored),
            (Self::Group, Some("type")) => (Fragment::text("'direct'"), Form::Stored),
            (Self::Member | Self::Group, Some(_)) => (Fragment::text("NULL"), Form::Stored),
        };
        Operand { sql, form }
    }

    /// The order that puts the primary element first.
    fn first(self) -> &'static str {
        match self {
            Self::Json => {
                "(CASE e.type WHEN 'object' THEN json_extract(e.value, '$.primary') END) IS 1 DESC, e.key"
            }
            Self::Member | Self::Group => "o.rid",
        }
    }
}
