//! A list request: filter, sort, page, returned attributes (RFC 7644 section 3.4.2).
//!
//! Query parameters come in decoded and leave as typed values; nothing here looks at resources or knows how
//! many there are. One request may ask for resources of several types (section 3.4.2.1): each type is a
//! [`Part`], whose names were found in its own schemas.

pub mod cursor;
pub mod search;
pub mod sort;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::attribute_path::AttributePath;
use crate::dialect::Notes;
use crate::filter::{self, CompareOp, Comparison, TypedFilter, TypedPath, TypedValue};
use crate::returned::Returned;
use crate::schema::AttributeType;
use crate::{ResourceSchema, ResourceType, ScimError, ScimType, dialect};

/// What is asked of one resource type.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The type.
    pub resource_type: ResourceType,
    /// Which resources; `None` for all.
    pub filter: Option<TypedFilter>,
    /// What they are sorted by in a list that has an order; `None`: resources of this type have no such value.
    pub sort_by: Option<TypedPath>,
    /// Which attributes.
    pub returned: Returned,
}

/// The order of a list (`sortBy` and `sortOrder`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Nobody asked for one: in the order of creation.
    #[default]
    Created,
    /// Smallest first; resources without a value come last (RFC 7644 section 3.4.2.3).
    Ascending,
    /// Largest first; resources without a value come first.
    Descending,
}

/// A checked list request.
#[derive(Debug, Clone, PartialEq)]
pub struct ListQuery {
    /// One for each resource type that is asked for.
    pub parts: Vec<Part>,
    /// Over all of them.
    pub order: Order,
    /// 1-based.
    pub start_index: u64,
    /// The cursor of a list that is paged by one (RFC 9865), empty for its first page; `None`: it is paged by index.
    pub cursor: Option<String>,
    /// At most so many; 0 asks for the total only.
    pub count: usize,
}

/// How many resources a page has, at most and when nobody asks.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    /// When `count` is absent.
    pub default: usize,
    /// However large `count` is.
    pub max: usize,
}

impl ListQuery {
    /// Whether it asks for the one user with a `userName` and for nothing else: an index answers that, however many
    /// resources there are.
    pub fn is_lookup(&self) -> bool {
        self.user_name().is_some()
    }

    /// The folded `userName` of the one user that it asks for, if it asks for nothing else and that attribute is not
    /// `caseExact`.
    pub fn folded_user_name(&self) -> Option<&str> {
        let (path, name) = self.user_name()?;
        (!path.case_exact).then_some(name)
    }

    fn user_name(&self) -> Option<(&TypedPath, &str)> {
        let [Part { resource_type: ResourceType::User, filter: Some(filter), .. }] = self.parts.as_slice()
        else {
            return None;
        };
        let TypedFilter::Compare(Comparison { path, op: CompareOp::Eq, value: TypedValue::Text(name) }) =
            filter
        else {
            return None;
        };
        let by_user_name = path.extension.is_none() && path.attribute == "userName";
        let is_page_alone = self.order == Order::Created && self.cursor.is_none();
        (by_user_name && is_page_alone).then_some((path, name))
    }

    /// Reads decoded query parameters for resources of these types; names are matched whatever their case, unknown
    /// ones are ignored (RFC 7644 section 3.4.2), `startIndex` below 1 is 1, `count` below 0 is 0. Also notes what a
    /// filter that is refused has of dialects.
    pub fn from_parameters(
        parameters: &[(String, String)],
        schemas: &[&ResourceSchema],
        limits: PageLimits,
        notes: &mut Notes,
    ) -> Result<Self, ScimError> {
        let parameter = |wanted: &str| {
            let mut found = parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.next().map(|(_, value)| value.as_str())
        };
        let filters = match parameter("filter") {
            None => vec![None; schemas.len()],
            Some(text) => read_filter(text, schemas, notes)?,
        };
        let (paths, order) = match parameter("sortBy") {
            None => (vec![None; schemas.len()], Order::Created),
            Some(text) => (read_sort_path(text, schemas)?, read_order(parameter("sortOrder"))?),
        };
        let cursor = parameter("cursor").map(|cursor| cursor.trim().to_owned());
        let invalid = ScimType::InvalidValue;
        let start_index =
            read_integer("startIndex", invalid, "start_index_invalid", parameter("startIndex"))?;
        if cursor.is_some() && start_index.is_some_and(|index| index > 1) {
            let detail = "cursor and startIndex are two ways to ask for a page; send only one of them";
            return Err(ScimError::new(invalid, "cursor_and_start_index", detail));
        }
        let invalid = if cursor.is_some() { ScimType::InvalidCount } else { invalid };
        let count = read_integer("count", invalid, "count_invalid", parameter("count"))?;
        let parts = schemas.iter().zip(filters).zip(paths).map(|((schema, filter), sort_by)| {
            let returned = Returned::from_parameters(parameters, schema)?;
            Ok(Part { resource_type: schema.resource_type, filter, sort_by, returned })
        });
        Ok(Self {
            parts: parts.collect::<Result<_, ScimError>>()?,
            order,
            start_index: start_index.and_then(|index| u64::try_from(index).ok()).unwrap_or(1).max(1),
            cursor,
            count: count.map_or(limits.default, |count| usize::try_from(count).unwrap_or(0)).min(limits.max),
        })
    }

    /// What is asked of that type.
    pub fn part(&self, resource_type: ResourceType) -> Option<&Part> {
        self.parts.iter().find(|part| part.resource_type == resource_type)
    }
}

/// The filter as each type understands it.
fn read_filter(
    text: &str,
    schemas: &[&ResourceSchema],
    notes: &mut Notes,
) -> Result<Vec<Option<TypedFilter>>, ScimError> {
    if text.trim().is_empty() {
        let detail = "the filter is empty; send a filter such as userName eq \"…\", or no filter parameter";
        return Err(ScimError::new(ScimType::InvalidFilter, "filter_empty", detail));
    }
    let mut text = Cow::Borrowed(text);
    for schema in schemas {
        text = dialect::filter_text(&text, schema, notes).into_owned().into();
    }
    let filter = filter::parse::parse(&text)?;
    schemas.iter().map(|schema| filter::typed::check_among(&filter, schema, schemas).map(Some)).collect()
}

/// RFC 7644 section 3.4.2.3: a complex attribute is sorted by one of its parts; where it has a `value`, its bare
/// name means that one. One of the types has to know it.
fn read_sort_path(text: &str, schemas: &[&ResourceSchema]) -> Result<Vec<Option<TypedPath>>, ScimError> {
    let path = AttributePath::parse(text.trim())?;
    let paths: Vec<_> = schemas.iter().map(|schema| filter::typed::typed_path(&path, schema)).collect();
    if paths.iter().any(Option::is_some) {
        return Ok(paths);
    }
    let ends = schemas.iter().filter_map(|schema| path.resolve(schema));
    let mut ends = ends.filter_map(|resolved| resolved.sub_attribute.or(resolved.attribute));
    let complex = ends.find(|end| end.value_type == AttributeType::Complex);
    let (code, detail) = if let Some(end) = complex {
        let part = end.sub_attributes.first().map_or("value", |part| &part.name);
        let detail = format!(
            "sortBy names a complex attribute; name one of its sub-attributes, such as {path}.{part}"
        );
        ("sort_by_complex", detail)
    } else {
        let detail = "sortBy must name an attribute that the resources asked for have and return";
        ("sort_by_unknown", detail.to_owned())
    };
    Err(ScimError::new(ScimType::InvalidPath, code, detail))
}

fn read_order(order: Option<&str>) -> Result<Order, ScimError> {
    match order.map(str::trim) {
        None => Ok(Order::Ascending),
        Some(order) if order.eq_ignore_ascii_case("ascending") => Ok(Order::Ascending),
        Some(order) if order.eq_ignore_ascii_case("descending") => Ok(Order::Descending),
        Some(_) => Err(ScimError::new(
            ScimType::InvalidValue,
            "sort_order_invalid",
            "sortOrder must be ascending or descending",
        )),
    }
}

fn read_integer(
    name: &str,
    scim_type: ScimType,
    code: &'static str,
    text: Option<&str>,
) -> Result<Option<i64>, ScimError> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let read = |text: &str| match text.trim().parse::<i64>() {
        Ok(number) => Ok(number),
        // However large it is, it is a number beyond every page.
        Err(error) if *error.kind() == PosOverflow => Ok(i64::MAX),
        Err(error) if *error.kind() == NegOverflow => Ok(i64::MIN),
        Err(_) => Err(ScimError::new(scim_type, code, format!("{name} must be a whole number, such as 1"))),
    };
    text.map(read).transpose()
}
