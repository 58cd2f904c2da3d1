//! A list request: filter, sort, page, returned attributes (RFC 7644 section 3.4.2).
//!
//! Query parameters come in decoded and leave as typed values; nothing here looks at resources or knows how
//! many there are.

use crate::attribute_path::AttributePath;
use crate::filter::{self, TypedFilter, TypedPath};
use crate::returned::Returned;
use crate::schema::AttributeType;
use crate::{ResourceSchema, ScimError, ScimType, dialect};

/// `sortBy` and `sortOrder`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sort {
    /// By what.
    pub path: TypedPath,
    /// Largest first; resources without a value then come first too (RFC 7644 section 3.4.2.3).
    pub descending: bool,
}

/// A checked list request.
#[derive(Debug, Clone, PartialEq)]
pub struct ListQuery {
    /// Which resources; `None` for all.
    pub filter: Option<TypedFilter>,
    /// In which order; `None` for the order of creation.
    pub sort: Option<Sort>,
    /// 1-based.
    pub start_index: u64,
    /// At most so many; 0 asks for the total only.
    pub count: usize,
    /// Which attributes.
    pub returned: Returned,
    /// Names of dialects that were rewritten.
    pub notes: Vec<&'static str>,
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
    /// Reads decoded query parameters; names are matched whatever their case, unknown ones are ignored
    /// (RFC 7644 section 3.4.2), `startIndex` below 1 is 1, `count` below 0 is 0.
    pub fn from_parameters(
        parameters: &[(String, String)],
        schema: &ResourceSchema,
        limits: PageLimits,
    ) -> Result<Self, ScimError> {
        let parameter = |wanted: &str| {
            let mut found = parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.next().map(|(_, value)| value.as_str())
        };
        let (filter, notes) = match parameter("filter") {
            None => (None, dialect::Notes::new()),
            Some(text) => {
                let (filter, notes) = read_filter(text, schema)?;
                (Some(filter), notes)
            }
        };
        let sort = match parameter("sortBy") {
            None => None,
            Some(text) => Some(Sort {
                path: read_sort_path(text, schema)?,
                descending: is_descending(parameter("sortOrder"))?,
            }),
        };
        let start_index = read_integer("startIndex", "start_index_invalid", parameter("startIndex"))?;
        let count = read_integer("count", "count_invalid", parameter("count"))?;
        Ok(Self {
            filter,
            sort,
            start_index: start_index.and_then(|index| u64::try_from(index).ok()).unwrap_or(1).max(1),
            count: count.map_or(limits.default, |count| usize::try_from(count).unwrap_or(0)).min(limits.max),
            returned: Returned::parse(parameter("attributes"), parameter("excludedAttributes"), schema)?,
            notes,
        })
    }
}

fn read_filter(text: &str, schema: &ResourceSchema) -> Result<(TypedFilter, dialect::Notes), ScimError> {
    if text.trim().is_empty() {
        let detail = "the filter is empty; send a filter such as userName eq \"…\", or no filter parameter";
        return Err(ScimError::new(ScimType::InvalidFilter, "filter_empty", detail));
    }
    let (text, notes) = dialect::filter_text(text, schema);
    let filter = filter::typed::check(&filter::parse::parse(&text)?, schema)?;
    Ok((filter, notes))
}

/// RFC 7644 section 3.4.2.3: a complex attribute is sorted by one of its parts; where it has a `value`, its bare
/// name means that one.
fn read_sort_path(text: &str, schema: &ResourceSchema) -> Result<TypedPath, ScimError> {
    let path = AttributePath::parse(text.trim())?;
    filter::typed::typed_path(&path, schema).ok_or_else(|| {
        let resolved = path.resolve(schema);
        let end = resolved.and_then(|resolved| resolved.sub_attribute.or(resolved.attribute));
        let (code, detail) = match end {
            Some(end) if end.value_type == AttributeType::Complex => (
                "sort_by_complex",
                "sortBy names a complex attribute; name one of its sub-attributes, such as name.familyName",
            ),
            _ => ("sort_by_unknown", "sortBy must name an attribute that this resource type has and returns"),
        };
        ScimError::new(ScimType::InvalidPath, code, detail)
    })
}

fn is_descending(order: Option<&str>) -> Result<bool, ScimError> {
    match order.map(str::trim) {
        None => Ok(false),
        Some(order) if order.eq_ignore_ascii_case("ascending") => Ok(false),
        Some(order) if order.eq_ignore_ascii_case("descending") => Ok(true),
        Some(_) => Err(ScimError::new(
            ScimType::InvalidValue,
            "sort_order_invalid",
            "sortOrder must be ascending or descending",
        )),
    }
}

fn read_integer(name: &str, code: &'static str, text: Option<&str>) -> Result<Option<i64>, ScimError> {
    text.map(|text| text.trim().parse()).transpose().map_err(|_| {
        ScimError::new(ScimType::InvalidValue, code, format!("{name} must be a whole number, such as 1"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemas::Schemas;

    const LIMITS: PageLimits = PageLimits { default: 100, max: 1_000 };

    fn read(parameters: &[(&str, &str)]) -> Result<ListQuery, ScimError> {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ListQuery::from_parameters(&parameters, &Schemas::standard().user, LIMITS)
    }

    #[track_caller]
    fn check_page(parameters: &[(&str, &str)], start_index: u64, count: usize) {
        let query = read(parameters).unwrap();
        assert_eq!((query.start_index, query.count), (start_index, count));
    }

    #[track_caller]
    fn check_refused(parameters: &[(&str, &str)], scim_type: ScimType, code: &str) {
        let error = read(parameters).unwrap_err();
        assert_eq!((error.scim_type, error.code), (scim_type, code));
    }

    #[test]
    fn without_parameters_the_first_page_of_everything_is_asked_for() {
        let expected = ListQuery {
            filter: None,
            sort: None,
            start_index: 1,
            count: 100,
            returned: Returned::Default,
            notes: Vec::new(),
        };
        assert_eq!(read(&[]).unwrap(), expected);
        assert_eq!(read(&[("aadOptscim062020", ""), ("cursor", "x")]).unwrap(), expected);
    }

    #[test]
    fn a_page_is_brought_into_its_limits() {
        check_page(&[("startIndex", "3"), ("count", "7")], 3, 7);
        check_page(&[("startindex", "0"), ("COUNT", "-1")], 1, 0);
        check_page(&[("startIndex", "-9223372036854775808"), ("count", "0")], 1, 0);
        let largest = i64::MAX.to_string();
        check_page(&[("startIndex", &largest), ("count", &largest)], i64::MAX.unsigned_abs(), 1_000);
    }

    #[test]
    fn pages_that_are_no_numbers_are_refused() {
        check_refused(&[("startIndex", "one")], ScimType::InvalidValue, "start_index_invalid");
        check_refused(&[("count", "1.5")], ScimType::InvalidValue, "count_invalid");
        check_refused(&[("count", "")], ScimType::InvalidValue, "count_invalid");
    }

    #[test]
    fn a_sort_path_is_found_in_the_schemas() {
        let sort = |by: &str| read(&[("sortBy", by)]).unwrap().sort.unwrap();
        assert_eq!(sort("USERNAME").path.attribute, "userName");
        assert!(!sort("userName").descending);
        let emails = sort("emails").path;
        assert_eq!((emails.attribute.as_str(), emails.sub_attribute.as_deref()), ("emails", Some("value")));
        assert_eq!(sort("name.familyname").path.sub_attribute.as_deref(), Some("familyName"));
    }

    #[test]
    fn a_sort_path_must_name_something_that_has_an_order() {
        check_refused(&[("sortBy", "unknown")], ScimType::InvalidPath, "sort_by_unknown");
        check_refused(&[("sortBy", "name")], ScimType::InvalidPath, "sort_by_complex");
        check_refused(&[("sortBy", "password")], ScimType::InvalidPath, "sort_by_unknown");
        assert_eq!(read(&[("sortBy", "")]).unwrap_err().scim_type, ScimType::InvalidPath);
    }

    #[test]
    fn the_sort_order_is_one_of_two_words_and_needs_a_sort_path() {
        let descending = |order: &str| read(&[("sortBy", "userName"), ("sortOrder", order)]);
        assert!(descending("DESCENDING").unwrap().sort.unwrap().descending);
        assert!(!descending("ascending").unwrap().sort.unwrap().descending);
        assert_eq!(descending("down").unwrap_err().code, "sort_order_invalid");
        assert_eq!(read(&[("sortOrder", "down")]).unwrap().sort, None);
    }

    #[test]
    fn a_filter_is_parsed_and_typed() {
        assert!(read(&[("FILTER", "userName eq \"a\"")]).unwrap().filter.is_some());
        check_refused(&[("filter", " ")], ScimType::InvalidFilter, "filter_empty");
        assert_eq!(read(&[("filter", "userName xx 1")]).unwrap_err().scim_type, ScimType::InvalidFilter);
        assert_eq!(read(&[("filter", "unknown eq 1")]).unwrap_err().scim_type, ScimType::InvalidFilter);
    }

    #[test]
    fn returned_attributes_are_read() {
        let returned = read(&[("attributes", "userName,emails")]).unwrap().returned;
        assert!(returned.wants("emails") && !returned.wants("groups"));
        check_refused(
            &[("attributes", "userName"), ("excludedAttributes", "name")],
            ScimType::InvalidValue,
            "attributes_and_excluded",
        );
    }
}
