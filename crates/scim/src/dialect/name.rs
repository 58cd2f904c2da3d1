//! The names of all dialects, and what the RFCs want instead.
//!
//! Whatever has to hold for each of them, their rows in `docs/scim-conformance.md` first of all, is driven by
//! [`Dialect::ALL`], so that a new one cannot be forgotten. A few of them concern a request's address or headers,
//! which this crate never sees: their names are here so that all of them are in one place.

use crate::ScimType;

/// How a strict service provider answers a deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// With the RFC's error of that keyword.
    Scim(ScimType),
    /// As an address under which there is nothing.
    NotFound,
    /// As a body of a media type that is not supported.
    MediaType,
    /// As a request without a token that counts.
    Unauthorized,
}

macro_rules! dialects {
    ($($name:literal $variant:ident $refusal:expr, $wanted:literal;)*) => {
        /// A deviation from the RFCs that is known and understood. What each one is, is said where it is noted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Dialect {
            $(#[doc = concat!("`", $name, "`: `", $wanted, "`.")] $variant,)*
        }

        impl Dialect {
            /// Every dialect.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name under which it is noted: who sends it, or what it is about, and how it deviates.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// How it is answered where it is not taken.
            #[must_use]
            pub const fn refusal(self) -> Refusal {
                match self {
                    $(Self::$variant => $refusal,)*
                }
            }

            /// What the RFCs want, as a clause.
            #[must_use]
            pub const fn wanted(self) -> &'static str {
                match self {
                    $(Self::$variant => $wanted,)*
                }
            }
        }
    };
}

const FILTER: Refusal = Refusal::Scim(ScimType::InvalidFilter);
const MUTABILITY: Refusal = Refusal::Scim(ScimType::Mutability);
const PATH: Refusal = Refusal::Scim(ScimType::InvalidPath);
const SYNTAX: Refusal = Refusal::Scim(ScimType::InvalidSyntax);
const TARGET: Refusal = Refusal::Scim(ScimType::NoTarget);
const VALUE: Refusal = Refusal::Scim(ScimType::InvalidValue);

dialects! {
    "entra.op_case" EntraOpCase SYNTAX,
        "RFC 7644 section 3.5.2 has op as add, remove or replace, in lower case";
    "entra.bool_string" EntraBoolString VALUE,
        "RFC 7643 section 2.3.2 has a boolean as true or false, without quotes";
    "entra.bool_string_filter" EntraBoolStringFilter FILTER,
        "RFC 7644 section 3.4.2.2 has a boolean in a filter as true or false, without quotes and in lower case";
    "entra.member_remove" EntraMemberRemove VALUE,
        "RFC 7644 section 3.5.2.2 has what a remove removes in its path, such as members[value eq \"…\"], and no value";
    "entra.remove_value" EntraRemoveValue VALUE,
        "RFC 7644 section 3.5.2.2 has a remove without a value";
    "entra.filtered_add" EntraFilteredAdd TARGET,
        "RFC 7644 section 3.12 has noTarget where the filter in a path selects nothing; add the whole value to the \
         attribute";
    "entra.filtered_replace" EntraFilteredReplace TARGET,
        "RFC 7644 section 3.5.2.3 has noTarget where the filter in a path selects nothing; add the whole value to the \
         attribute";
    "entra.dotted_key" EntraDottedKey SYNTAX,
        "RFC 7643 section 2.3.8 has the sub-attributes of a complex attribute in an object of their own";
    "entra.urn_key" EntraUrnKey SYNTAX,
        "RFC 7643 section 3.3 has the attributes of an extension in an object under its URN, and those of the core \
         schema without one";
    "entra.urn_dot" EntraUrnDot SYNTAX,
        "RFC 7644 section 3.10 has a colon between a schema's URN and an attribute";
    "entra.urn_dot_path" EntraUrnDotPath PATH,
        "RFC 7644 section 3.10 has a colon between a schema's URN and an attribute";
    "entra.bare_extension_name" EntraBareExtensionName SYNTAX,
        "RFC 7643 section 3.3 has the attributes of an extension in an object under its URN";
    "entra.complex_list" EntraComplexList VALUE,
        "RFC 7643 section 2.3.8 has a singular complex attribute as an object, not as an array";
    "entra.complex_text" EntraComplexText VALUE,
        "RFC 7643 section 2.3.8 has a complex attribute as an object";
    "entra.wrapped_value" EntraWrappedValue VALUE,
        "RFC 7643 section 2.3 has a simple attribute as a value of its type";
    "entra.value_path_sub" EntraValuePathSub FILTER,
        "RFC 7644 section 3.4.2.2 has all that is asked of one value inside the brackets: \
         emails[type eq \"work\" and value eq \"…\"]";
    "entra.value_path_eq" EntraValuePathEq FILTER,
        "RFC 7644 section 3.4.2.2 has all that is asked of one value inside the brackets: \
         emails[type eq \"work\" and value eq \"…\"]";
    "entra.core_urn_missing" EntraCoreUrnMissing SYNTAX,
        "RFC 7643 section 3 has the URN of the resource type's own schema in schemas";
    "entra.extension_undeclared" EntraExtensionUndeclared SYNTAX,
        "RFC 7643 section 3 has the URN of every schema whose attributes are there in schemas";
    "entra.adscim_uri" EntraAdscimUri SYNTAX,
        "RFC 7643 section 3 has only URNs of the resource type's own schemas in schemas";
    "entra.urn_typo" EntraUrnTypo SYNTAX,
        "RFC 7643 section 3 has only URNs of the resource type's own schemas in schemas";
    "entra.parameter_case" EntraParameterCase SYNTAX,
        "RFC 7644 section 3.4.2 has its parameters as filter, sortBy, sortOrder, startIndex, count, attributes and \
         excludedAttributes";
    "entra.path_case" EntraPathCase Refusal::NotFound,
        "RFC 7644 section 3.2 has its endpoints as /Users, /Groups, /Bulk, /ServiceProviderConfig, /ResourceTypes and \
         /Schemas";
    "entra.url_flag" EntraUrlFlag SYNTAX,
        "RFC 7644 section 1.3 has a base URL without a query";
    "onelogin.dangling_query" OneLoginDanglingQuery SYNTAX,
        "RFC 7644 section 3.4.2 has a ? only before parameters and a & only between two of them";
    "onelogin.scim1_urn" OneLoginScim1Urn SYNTAX,
        "RFC 7643 section 3 has only URNs of the resource type's own schemas in schemas";
    "okta.read_only_value" OktaReadOnlyValue MUTABILITY,
        "RFC 7644 section 3.5.2 lets a client modify nothing that is read-only; leave it out of the value";
    "authentik.bare_word" AuthentikBareWord FILTER,
        "RFC 7644 section 3.4.2.2 has a text in a filter in double quotes";
    "attributes.not_kept" AttributesNotKept SYNTAX,
        "RFC 7643 section 3 has only attributes of the schemas that are served, and this tenant serves those that it \
         keeps; leave it out";
    "members.unknown_skipped" MembersUnknownSkipped VALUE,
        "RFC 7643 section 4.2 has the id of a user or group as the value of a member; create those first";
    "members.type_corrected" MembersTypeCorrected VALUE,
        "RFC 7643 section 4.2 has the type that a member really is";
    "generic.attribute_unknown" GenericAttributeUnknown SYNTAX,
        "RFC 7643 section 3 has only attributes of the resource type's own schemas; leave it out, or add it to the \
         tenant's schemas";
    "generic.path_unknown" GenericPathUnknown PATH,
        "RFC 7644 section 3.5.2 has a path that names an attribute of the resource type's own schemas; leave the \
         operation out, or add the attribute to the tenant's schemas";
    "generic.base64_form" GenericBase64Form VALUE,
        "RFC 7643 section 2.3.6 has binaries in base64 of RFC 4648 section 4, whose alphabet has + and /, and without \
         line breaks";
    "generic.body_ignored" GenericBodyIgnored SYNTAX,
        "RFC 7644 sections 3.4 and 3.6 have GET and DELETE without a body";
    "generic.bulk_form" GenericBulkForm SYNTAX,
        "RFC 7644 section 3.7 has a method in upper case and a path such as /Users or /Users/<id>";
    "generic.core_object" GenericCoreObject SYNTAX,
        "RFC 7643 section 3.3 has only extensions in an object under their URN";
    "generic.double_slash" GenericDoubleSlash Refusal::NotFound,
        "RFC 7644 section 3.2 has one / between the base URL, an endpoint and an id";
    "generic.empty_path" GenericEmptyPath PATH,
        "RFC 7644 section 3.5.2 has no path for the resource itself, not an empty one";
    "generic.etag_form" GenericEtagForm SYNTAX,
        "RFC 9110 section 8.8.3 has an ETag in double quotes, W/\"…\"";
    "generic.external_id_empty" GenericExternalIdEmpty VALUE,
        "RFC 7643 section 2.5 has null for what has no value, and an externalId that is not empty";
    "generic.filter_blanks" GenericFilterBlanks FILTER,
        "RFC 7644 section 3.4.2.2 has one space between the words of a filter and none at its ends";
    "generic.media_type_missing" GenericMediaTypeMissing Refusal::MediaType,
        "RFC 7644 section 3.8 has the Content-Type application/scim+json (or application/json)";
    "generic.member_part" GenericMemberPart MUTABILITY,
        "RFC 7643 section 4.2 has members that are added and removed; what a member is called, its own resource says";
    "generic.null_element" GenericNullElement VALUE,
        "RFC 7643 section 2.5 has no null among the values of an attribute";
    "generic.parameter_form" GenericParameterForm VALUE,
        "RFC 7644 section 3.4.2 has sortOrder as ascending or descending, and no blank around a parameter";
    "generic.parameter_repeated" GenericParameterRepeated SYNTAX,
        "RFC 7644 section 3.4.2 has each parameter once";
    "generic.reference_form" GenericReferenceForm VALUE,
        "RFC 7643 section 2.3.7 has a reference as a URI, in which RFC 3986 has ASCII characters only";
    "generic.schema_path" GenericSchemaPath PATH,
        "RFC 7644 section 3.5.2 has a path that names an attribute, not a schema";
    "generic.search_form" GenericSearchForm VALUE,
        "RFC 7644 section 3.4.3 has attributes and excludedAttributes as arrays, startIndex and count as numbers";
    "generic.single_quotes" GenericSingleQuotes FILTER,
        "RFC 7644 section 3.4.2.2 has a text in a filter in double quotes";
    "generic.single_value" GenericSingleValue VALUE,
        "RFC 7643 section 2.4 has the values of a multi-valued attribute in an array";
    "generic.text_json" GenericTextJson Refusal::MediaType,
        "RFC 7644 section 3.8 has the Content-Type application/scim+json (or application/json)";
    "generic.token_form" GenericTokenForm Refusal::Unauthorized,
        "RFC 6750 section 2.1 has Authorization: Bearer <token>";
    "generic.trailing_slash" GenericTrailingSlash Refusal::NotFound,
        "RFC 7644 section 3.2 has addresses without a / at the end";
    "generic.urn_repeated" GenericUrnRepeated SYNTAX,
        "RFC 7643 section 3 has each URN once in schemas";
    "generic.urn_unknown" GenericUrnUnknown SYNTAX,
        "RFC 7643 section 3 has only URNs of the resource type's own schemas in schemas";
}
