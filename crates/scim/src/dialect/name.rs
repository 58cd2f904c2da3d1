//! The names of all dialects.
//!
//! Whatever has to hold for each of them, their rows in `docs/scim-conformance.md` first of all, is driven by
//! [`Dialect::ALL`], so that a new one cannot be forgotten.

macro_rules! dialects {
    ($($name:literal $variant:ident;)*) => {
        /// A deviation from the RFC that is known and rewritten. What each one means is said where it is rewritten.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Dialect {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl Dialect {
            /// Every dialect.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name under which it is noted: `provider.deviation`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

dialects! {
    "entra.op_case" EntraOpCase;
    "entra.bool_string" EntraBoolString;
    "entra.bool_string_filter" EntraBoolStringFilter;
    "entra.member_remove" EntraMemberRemove;
    "entra.filtered_replace" EntraFilteredReplace;
    "entra.dotted_key" EntraDottedKey;
    "entra.urn_key" EntraUrnKey;
    "entra.urn_dot" EntraUrnDot;
    "entra.bare_extension_name" EntraBareExtensionName;
    "entra.complex_list" EntraComplexList;
    "entra.complex_text" EntraComplexText;
    "entra.wrapped_value" EntraWrappedValue;
    "entra.value_path_sub" EntraValuePathSub;
    "entra.value_path_eq" EntraValuePathEq;
    "entra.core_urn_missing" EntraCoreUrnMissing;
    "entra.adscim_uri" EntraAdscimUri;
    "entra.urn_typo" EntraUrnTypo;
    "onelogin.scim1_urn" OneLoginScim1Urn;
    "authentik.bare_word" AuthentikBareWord;
    "generic.empty_path" GenericEmptyPath;
}
