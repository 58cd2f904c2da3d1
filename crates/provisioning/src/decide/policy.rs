//! What a tenant's settings forbid an identity provider, whatever the schemas allow: names that are no addresses, and
//! groups that are not its to make.
//!
//! An operator, who has no provisioning domain, makes the groups that an identity provider only links.

use scim::fold::fold;
use scim::patch::Target;
use scim::{ScimError, ScimType};
use serde_json::Value;

use super::decision::DecideError;
use super::scope::Scope;
use crate::directory::Directory;
use crate::rejection::Rejection;
use crate::tenancy::{GroupPolicy, UserNameForm};

const USER_NAME: &str = "userName";
const DISPLAY_NAME: &str = "displayName";

/// Refuses a `userName` that is given anew and does not have the form that the tenant wants.
pub(super) fn check_user_name<D: Directory>(
    scope: &Scope<'_, D>,
    old: &Target,
    new: &Target,
) -> Result<(), ScimError> {
    let given = new.attributes.get(USER_NAME);
    let given = given.filter(|name| old.attributes.get(USER_NAME) != Some(name)).and_then(Value::as_str);
    match (scope.settings().user_name, given) {
        (Some(UserNameForm::Email), Some(name)) if !is_address(name) => {
            let detail = "userName has to be the user's e-mail address: in Entra ID map userName from mail instead of \
                          userPrincipalName, in Okta set the application's user name format to Email, elsewhere map it \
                          from the address; a user without an address cannot be provisioned";
            Err(ScimError::new(ScimType::InvalidValue, "user_name_not_address", detail))
        }
        _ => Ok(()),
    }
}

/// Refuses every write to a group where there are none.
pub(super) fn check_groups_offered<D: Directory>(scope: &Scope<'_, D>) -> Result<(), Rejection> {
    if scope.settings().groups != Some(GroupPolicy::Off) {
        return Ok(());
    }
    let detail = "there are no groups here: switch provisioning of groups off (in Entra ID the mapping of groups, in \
                  Okta Push Groups); users are provisioned without them";
    Err(forbidden("groups_off", detail))
}

/// Refuses to make a group that is the operator's to make.
pub(super) fn check_may_create<D: Directory>(scope: &Scope<'_, D>) -> Result<(), Rejection> {
    if !links_only(scope) {
        return Ok(());
    }
    let detail = "groups are not created from here: link to one that exists, in Okta by Link Group instead of Create \
                  Group, in Entra ID by giving the group the displayName that one has here; ask the operator for a \
                  group that is missing";
    Err(forbidden("group_create_refused", detail))
}

/// Refuses to make a second group of a name where groups are found and linked by their names, whatever their case.
pub(super) fn check_group_name<D: Directory>(
    scope: &Scope<'_, D>,
    new: &Target,
) -> Result<(), DecideError<D::Error>> {
    let name = new.attributes.get(DISPLAY_NAME).and_then(Value::as_str);
    let Some(name) = name.filter(|_| scope.settings().groups == Some(GroupPolicy::LinkOnly)) else {
        return Ok(());
    };
    let holders = scope.directory.groups_named(&fold(name)).map_err(DecideError::Directory)?;
    let Some(holder) = holders.first() else { return Ok(()) };
    let detail = format!(
        "the group {holder} has this name already, and identity providers link groups of this tenant by their names; \
         link to that one, or choose another name"
    );
    Err(Rejection::Conflict { code: "group_name_taken", detail }.into())
}

/// Refuses to delete a group that is the operator's.
pub(super) fn check_may_delete<D: Directory>(scope: &Scope<'_, D>) -> Result<(), Rejection> {
    if !links_only(scope) {
        return Ok(());
    }
    let detail = "groups are only linked from here and not deleted: unlink the group without deleting it, in Okta by \
                  Leave the group in the target app; its members can be removed";
    Err(forbidden("group_delete_refused", detail))
}

/// Refuses another name for a group that is the operator's. The name that it has, which Okta sends with every push of
/// members, passes whatever its case, and stays as it is.
pub(super) fn keep_name<D: Directory>(
    scope: &Scope<'_, D>,
    old: &Target,
    new: &mut Target,
) -> Result<(), Rejection> {
    let (Some(Value::String(before)), Some(Value::String(after))) =
        (old.attributes.get(DISPLAY_NAME), new.attributes.get_mut(DISPLAY_NAME))
    else {
        return Ok(());
    };
    if before == after || !links_only(scope) {
        return Ok(());
    }
    if fold(before.trim()) == fold(after.trim()) {
        after.clone_from(before);
        return Ok(());
    }
    let detail = "groups are only linked from here and not renamed: give the group in the identity provider the \
                  displayName that it has here, or link it to another";
    Err(forbidden("group_rename_refused", detail))
}

fn links_only<D: Directory>(scope: &Scope<'_, D>) -> bool {
    scope.settings().groups == Some(GroupPolicy::LinkOnly) && scope.provider.domain.is_some()
}

fn forbidden(code: &'static str, detail: &str) -> Rejection {
    Rejection::Forbidden { code, detail: detail.to_owned() }
}

/// A local part, `@`, and a domain of labels (RFC 5321 section 4.1.2, without quotes and address literals, and with
/// what RFC 6531 adds).
fn is_address(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "\"(),:;<>@[\\]".contains(c);
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || (!c.is_ascii() && !odd(c)))
    };
    text.split_once('@').is_some_and(|(local, domain)| {
        let dots = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        !local.is_empty() && dots && !local.contains(odd) && domain.split('.').all(label)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_local_part_and_a_domain() {
        for text in [
            "alice@example.com",
            "a.b+c@sub.example.co",
            "o'hara@example.com",
            "x@localhost",
            "zoë@exämple.com",
            "guest_gmail.com#EXT#@contoso.onmicrosoft.com",
            "d-e@1.2",
        ] {
            assert!(is_address(text), "{text}");
        }
        for text in [
            "",
            "alice",
            "@example.com",
            "alice@",
            "alice@example..com",
            "alice@-x.com",
            "alice@x-",
            "a@b@c",
            "a b@example.com",
            "CONTOSO\\alice",
            ".a@example.com",
            "a.@example.com",
            "a..b@example.com",
            "a@exam ple.com",
            "a@example.com ",
            "Alice <alice@example.com>",
        ] {
            assert!(!is_address(text), "{text}");
        }
    }
}
