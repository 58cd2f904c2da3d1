//! Which settings and names a tenant may have. Asked when a command arrives; the fold takes what was
//! recorded.

use scim::Object;
use scim::kept::Kept;
use scim::schema::{Mutability, STATUS};
use scim::schemas::{Additions, SchemaError};
use serde_json::Value;

use super::{InitialState, Settings};
use crate::merge_patch;
use crate::rejection::Rejection;

/// Names that no tenant may have: the first segments of paths that have a meaning of their own.
const RESERVED_TENANTS: &[&str] = &[
    "admin", "audit", "console", "livez", "readyz", "metrics", "openapi", "asyncapi", "schemas", "system",
    "scim", "api", "auth", "oauth", "v1", "v2",
];

/// First segments of a base path that would hide what the service itself answers there.
const RESERVED_PATHS: &[&str] =
    &["admin", "audit", "console", "livez", "readyz", "metrics", "openapi", "asyncapi", "schemas"];

/// Every setting and what it takes.
const SETTINGS: &[(&str, &str)] = &[
    ("tenant", "1 to 63 of a-z, 0-9 and -"),
    ("base_path", "a path such as /acme/scim/v2"),
    ("host", "a host name such as acme.example.com, or null"),
    ("unknown_members", "reject, skip or null"),
    ("delete", "delete, deactivate or refuse"),
    ("put_omitted", "clear or keep"),
    ("put_unknown", "not_found or create"),
    ("post_deactivated", "conflict or reactivate"),
    ("initial", "active or invited"),
    ("mode", "observe, live or null"),
    ("publish_from", "here, start or null"),
    ("groups", "full, link-only, off or null"),
    ("user_name", "any, email or null"),
    ("attributes", "a list of attributes of users such as [\"userName\", \"active\"], or null"),
    ("schemas", "an object with schemas for User and Group, or null"),
    ("enforce_canonical_values", "a list of attributes such as [\"role\", \"emails.type\"], or null"),
    ("strict", "true, false or null"),
];

/// Settings that are each tenant's own and no profile's.
const NO_PROFILES: [&str; 4] = ["tenant", "host", "mode", "publish_from"];

/// The longest base path, in bytes.
pub const BASE_PATH_BYTES_MAX: usize = 256;

/// The longest name of a client or an operator, in characters.
const NAME_CHARS_MAX: usize = 64;

impl Settings {
    /// These settings with a merge patch applied and checked. The refusal names the first setting that is
    /// unknown or does not take its value, or else the first that
    /// contradicts another now.
    pub fn updated(&self, patch: &Object) -> Result<Self, Rejection> {
        let mut settings = self.clone();
        for (name, value) in patch {
            settings = settings.with(name, value)?;
        }
        settings.check()?;
        let known = self.contradictions();
        match settings.contradictions().into_iter().find(|found| !known.contains(found)) {
            Some(contradiction) => Err(invalid("settings_contradict", contradiction.to_string())),
            None => Ok(settings),
        }
    }

    /// The settings of a new tenant, from those that are not the defaults.
    pub fn of_new_tenant(settings: &Object) -> Result<Self, Rejection> {
        let resolved = Self::default().updated(settings)?;
        if resolved.publish_from.is_some() {
            return Err(publish_from_fixed());
        }
        Ok(resolved)
    }

    /// The settings that a profile can have, and what each takes.
    pub(crate) fn of_profiles() -> impl Iterator<Item = (&'static str, &'static str)> {
        SETTINGS.iter().copied().filter(|(name, _)| !NO_PROFILES.contains(name))
    }

    /// Whether there is such a setting.
    pub(crate) fn is_setting(name: &str) -> bool {
        SETTINGS.iter().any(|(known, _)| *known == name)
    }

    pub(crate) fn with(&self, name: &str, value: &Value) -> Result<Self, Rejection> {
        let Some((_, takes)) = SETTINGS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = SETTINGS.iter().map(|(known, _)| *known).collect();
            return Err(invalid(
                "setting_unknown",
                format!("there is no such setting; the settings are {}", known.join(", ")),
            ));
        };
        let mut members = self.to_object();
        merge_patch::apply(&mut members, &Object::from_iter([(name.to_owned(), value.clone())]));
        if let Some(additions) =
            members.get_mut("schemas").filter(|value| name == "schemas" && !value.is_null())
        {
            // Read first, so that an error names the place and what is left out gets its default.
            *additions = serde_json::to_value(Additions::read(additions).map_err(schema_refused)?)
                .expect("schemas have text keys");
        }
        serde_json::from_value(Value::Object(members))
            .map_err(|_| invalid("setting_invalid", format!("the setting {name} takes {takes}")))
    }

    /// Whether names, path and host are such that requests can find the tenant by them, and its schemas make sense.
    pub fn check(&self) -> Result<(), Rejection> {
        check_tenant_name(&self.tenant)?;
        check_base_path(&self.base_path)?;
        if self.host.as_deref().is_some_and(|host| !is_host(host)) {
            return Err(invalid(
                "host_invalid",
                "the host has to be a lower-case host name such as acme.example.com, without scheme or port",
            ));
        }
        let additions = self.schemas.clone().unwrap_or_default();
        additions.check().map_err(schema_refused)?;
        additions
            .check_enforced(self.enforce_canonical_values.as_deref().unwrap_or_default())
            .map_err(schema_refused)?;
        self.check_status(&additions)?;
        if let Some(paths) = &self.attributes {
            Kept::read(paths, &self.all_attributes().user).map_err(schema_refused)?;
        }
        Ok(())
    }

    /// A read-only `status` has no value but the one that tells whether a user was invited.
    pub(crate) fn check_status(&self, additions: &Additions) -> Result<(), Rejection> {
        let core = additions.user.iter().filter(|schema| schema.id.eq_ignore_ascii_case(scim::schemas::USER));
        let mut added = core.flat_map(|schema| &schema.attributes);
        let Some(status) = added.find(|attribute| attribute.name.eq_ignore_ascii_case(STATUS)) else {
            return Ok(());
        };
        let detail = if self.initial == InitialState::Invited {
            "users have a status already where initial is invited; leave it out of schemas, or name it otherwise"
        } else if status.mutability == Mutability::ReadOnly {
            "a status that is read-only is Muster's own: leave it out of schemas and set initial to invited, or let \
             clients write it"
        } else {
            return Ok(());
        };
        Err(invalid("schema_name_taken", detail))
    }
}

/// Whether a tenant may have this name.
pub fn check_tenant_name(name: &str) -> Result<(), Rejection> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if name.is_empty() || name.len() > 63 || !name.bytes().all(plain) {
        return Err(invalid(
            "tenant_name_invalid",
            "the name of a tenant has 1 to 63 characters of a-z, 0-9 and -",
        ));
    }
    if RESERVED_TENANTS.contains(&name) {
        return Err(invalid(
            "tenant_name_invalid",
            format!("these names are reserved and cannot be a tenant's: {}", RESERVED_TENANTS.join(", ")),
        ));
    }
    Ok(())
}

/// Whether a client or an operator may have this name. `code` is the refusal's.
pub(crate) fn check_name(name: &str, code: &'static str) -> Result<(), Rejection> {
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    if !fits || name.trim() != name || name.chars().any(char::is_control) {
        return Err(invalid(
            code,
            format!(
                "a name has 1 to {NAME_CHARS_MAX} characters, no control character and no space at its ends"
            ),
        ));
    }
    Ok(())
}

fn check_base_path(path: &str) -> Result<(), Rejection> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._~-".contains(&c);
    let segment = |text: &str| !matches!(text, "" | "." | "..") && text.bytes().all(allowed);
    let Some(segments) = path.strip_prefix('/').filter(|rest| rest.split('/').all(segment)) else {
        return Err(invalid(
            "base_path_invalid",
            "the base path begins with a slash, ends without one, has no empty, . or .. segment, and is made \
             of letters, digits and the characters . _ ~ - /",
        ));
    };
    if path.len() > BASE_PATH_BYTES_MAX {
        return Err(invalid(
            "base_path_invalid",
            format!("the base path has at most {BASE_PATH_BYTES_MAX} characters"),
        ));
    }
    if segments.split('/').next().is_some_and(|first| RESERVED_PATHS.contains(&first)) {
        return Err(invalid(
            "base_path_invalid",
            format!(
                "the base path cannot begin with one of the service's own: /{}",
                RESERVED_PATHS.join(", /")
            ),
        ));
    }
    Ok(())
}

/// RFC 1123 section 2.1: labels of letters, digits and inner hyphens; a label has at most 63, the whole 253.
fn is_host(host: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(allowed)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

pub(crate) fn publish_from_fixed() -> Rejection {
    invalid(
        "publish_from_fixed",
        "publish_from is said once, together with mode=live of a tenant that observes",
    )
}

pub(crate) fn schema_refused(error: SchemaError) -> Rejection {
    Rejection::Invalid { code: error.code, detail: error.detail }
}

fn invalid(code: &'static str, detail: impl Into<String>) -> Rejection {
    Rejection::Invalid { code, detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::object;

    fn acme() -> Settings {
        Settings { tenant: "acme".to_owned(), base_path: "/acme/scim/v2".to_owned(), ..Settings::default() }
    }

    #[track_caller]
    fn check(patch: Value, code: Option<&str>) {
        let found = match acme().updated(&object(patch)) {
            Ok(_) => None,
            Err(Rejection::Invalid { code, .. }) => Some(code),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(found, code);
    }

    #[test]
    fn every_setting_says_what_it_takes() {
        let names: Vec<_> = Settings::default().to_object().keys().cloned().collect();
        let mut told: Vec<_> = SETTINGS.iter().map(|(name, _)| (*name).to_owned()).collect();
        told.sort();
        assert_eq!(told, names);
    }

    #[test]
    fn a_setting_takes_each_value_that_its_refusal_names() {
        let enumerations = SETTINGS
            .iter()
            .filter(|(_, takes)| [" as ", " of ", " with "].iter().all(|word| !takes.contains(word)));
        assert!(enumerations.clone().count() > 5);
        for (name, takes) in enumerations {
            for value in takes.replace(" or ", ", ").split(", ") {
                let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
                check(json!({ *name: value }), None);
            }
            check(json!({ *name: "nonsense" }), Some("setting_invalid"));
            check(json!({ *name: 1 }), Some("setting_invalid"));
        }
    }

    #[test]
    fn schemas_are_refused_by_what_is_wrong_with_them() {
        let core = "urn:ietf:params:scim:schemas:core:2.0:User";
        let schemas =
            |attribute: Value| json!({"schemas": {"User": [{"id": core, "attributes": [attribute]}]}});
        check(schemas(json!({"name": "role", "canonicalValues": ["owner"]})), None);
        check(schemas(json!({"name": "role", "type": "text"})), Some("schema_malformed"));
        check(schemas(json!({"name": "userName"})), Some("schema_name_taken"));
        check(schemas(json!({"name": "x", "type": "complex"})), Some("schema_invalid"));
        check(json!({"schemas": null, "enforce_canonical_values": null}), None);
        check(json!({"enforce_canonical_values": ["emails.type"]}), None);
        check(json!({"enforce_canonical_values": ["role"]}), Some("schema_invalid"));
        check(json!({"enforce_canonical_values": "role"}), Some("setting_invalid"));
    }

    #[test]
    fn what_is_kept_has_to_be_there() {
        for paths in [
            json!(["userName", "active", "emails[type eq \"work\"].value", "name.givenName"]),
            json!(["USERNAME", "active", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]),
            json!(["userName", "active", "department", "emails[type eq \"work\"]"]),
        ] {
            check(json!({ "attributes": paths }), None);
        }
        for paths in [
            json!([]),
            json!(["userName"]),
            json!(["userName", "active", "nick"]),
            json!(["userName", "active", "name["]),
            json!(["userName", "active", "emails[type sw \"w\"]"]),
        ] {
            check(json!({ "attributes": paths }), Some("attributes_invalid"));
        }
        check(json!({"attributes": "userName"}), Some("setting_invalid"));
        check(json!({"initial": "invited", "attributes": ["userName", "active", "status"]}), None);
    }

    #[test]
    fn where_users_are_invited_status_is_ours_to_tell() {
        let core = "urn:ietf:params:scim:schemas:core:2.0:User";
        let with = |initial: &str, attribute: Value| json!({"initial": initial, "schemas": {"User": [{"id": core, "attributes": [attribute]}]}});
        check(with("active", json!({"name": "Status"})), None);
        check(with("invited", json!({"name": "Status"})), Some("schema_name_taken"));
        check(with("active", json!({"name": "status", "mutability": "readOnly"})), Some("schema_name_taken"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        check(json!({"colour": "red"}), Some("setting_unknown"));
    }

    #[test]
    fn tenants_have_short_plain_names_that_mean_nothing_else() {
        for name in ["a", "acme-2", "x".repeat(63).as_str(), "0"] {
            assert_eq!(check_tenant_name(name), Ok(()), "{name}");
        }
        for name in ["", "Acme", "a_b", "a.b", "ä", "x".repeat(64).as_str(), "admin", "v2", "system"] {
            assert!(check_tenant_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn base_paths_are_plain_and_hide_nothing_of_ours() {
        for path in ["/scim/v2", "/v1/enterprise/scim", "/a", "/A.b_c~d-e", "/acme/admin"] {
            check(json!({ "base_path": path }), None);
        }
        let long = format!("/{}", "x".repeat(256));
        for path in [
            "",
            "/",
            "scim",
            "/scim/",
            "//scim",
            "/a//b",
            "/a/../b",
            "/.",
            "/a?b",
            "/a b",
            "/ä",
            "/admin/v1",
            &long,
        ] {
            check(json!({ "base_path": path }), Some("base_path_invalid"));
        }
    }

    #[test]
    fn hosts_are_lower_case_host_names() {
        for host in ["acme.example.com", "localhost", "a-b.c", "127.0.0.1"] {
            check(json!({ "host": host }), None);
        }
        check(json!({"host": null}), None);
        for host in
            ["", "Acme.example.com", "a..b", "-a.b", "a-.b", "a.b:80", "https://a.b", "a/b", "a.b.", "ä.b"]
        {
            check(json!({ "host": host }), Some("host_invalid"));
        }
    }

    #[test]
    fn names_of_people_and_connections_are_printable() {
        for name in ["default", "Okta (Europe)", "é".repeat(64).as_str()] {
            assert_eq!(check_name(name, "client_name_invalid"), Ok(()), "{name}");
        }
        for name in ["", " ", " a", "a\n", "a\u{7}b", "x".repeat(65).as_str()] {
            assert!(check_name(name, "client_name_invalid").is_err(), "{name}");
        }
    }
}
