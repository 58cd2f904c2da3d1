//! What the set-up pages of identity providers ask for: their words, in their order.
//!
//! Facts only. What they come to for a tenant, [`super::sheet`] works out.

use provisioning::tenancy::ClientKind;
use scim::dialect::Dialect;

/// An identity provider as its administrator meets it.
pub(super) struct Provider {
    /// As the command and the path name it.
    pub(super) id: &'static str,
    /// As it calls itself.
    pub(super) name: &'static str,
    /// The kind of its clients.
    pub(super) kind: ClientKind,
    /// The application to add there.
    pub(super) application: &'static str,
    /// Where the fields are.
    pub(super) place: &'static str,
    /// The fields, in the order of the page.
    pub(super) fields: &'static [Field],
    /// What can be ticked or chosen.
    pub(super) actions: &'static [Action],
    /// What it sends of users, before anybody changes it.
    pub(super) users: &'static [Mapping],
    /// What it sends of groups.
    pub(super) groups: &'static [Mapping],
    /// Where it is chosen what a userName is, if not by a mapping.
    pub(super) user_name_at: Option<&'static str>,
    /// What of that which it always sends is in no RFC: what it is about, which of its requests, and which deviation.
    pub(super) deviates: &'static [(About, &'static str, Dialect)],
    /// How an attribute gets there that it does not know.
    pub(super) adding: &'static str,
    /// Whether groups can have such attributes too.
    pub(super) adds_to_groups: bool,
    /// What its administrator should know about groups.
    pub(super) group_notes: &'static [&'static str],
    /// What its administrator should know.
    pub(super) notes: &'static [&'static str],
}

/// A field and what belongs into it.
pub(super) struct Field {
    /// Where it is, if elsewhere than the others.
    pub(super) place: Option<&'static str>,
    pub(super) name: &'static str,
    pub(super) value: Value,
    pub(super) why: &'static str,
}

/// What belongs into a field.
pub(super) enum Value {
    /// This text.
    Text(&'static str),
    /// The tenant's base URL with this behind it.
    BaseUrl(&'static str),
    /// The client's token.
    Token,
    /// The one where a userName is an address, else the other.
    UserName { address: &'static str, any: &'static str },
}

/// Something to tick, or to choose.
pub(super) struct Action {
    /// Where it is.
    pub(super) place: &'static str,
    pub(super) name: &'static str,
    pub(super) about: About,
    pub(super) why: &'static str,
}

/// What an action would do, which decides whether a tenant wants it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Users are created, changed or deactivated.
    Users,
    /// Users are deleted.
    UserDeletion,
    /// Groups and their members are pushed.
    Groups,
    /// The groups that are here are read.
    GroupImport,
    /// What no tenant wants.
    Unwanted,
}

/// An attribute there and where it goes here.
pub(super) struct Mapping {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// What should be sent instead of `from`, and why.
    pub(super) instead: Option<(&'static str, &'static str)>,
}

const fn map(from: &'static str, to: &'static str) -> Mapping {
    Mapping { from, to, instead: None }
}

const fn field(name: &'static str, value: Value, why: &'static str) -> Field {
    Field { place: None, name, value, why }
}

const fn action(place: &'static str, name: &'static str, about: About, why: &'static str) -> Action {
    Action { place, name, about, why }
}

/// The provider of that name.
pub(super) fn named(id: &str) -> Option<&'static Provider> {
    ALL.iter().copied().find(|provider| provider.id == id)
}

/// All that are known.
pub(super) const ALL: [&Provider; 3] = [&OKTA, &ENTRA, &ONELOGIN];

macro_rules! enterprise {
    ($name:literal) => {
        concat!("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:", $name)
    };
}

const OKTA_INTEGRATION: &str = "Provisioning > Integration > Supported provisioning actions";
const OKTA_TO_APP: &str = "Provisioning > To App";
const OKTA_SIGN_ON: &str = "Sign On > Credentials Details";

const OKTA: Provider = Provider {
    id: "okta",
    name: "Okta",
    kind: ClientKind::Okta,
    application: "SCIM 2.0 Test App (Header Auth), or the SCIM provisioning of an app integration of your own",
    place: "Provisioning > Integration",
    fields: &[
        field("SCIM connector base URL", Value::BaseUrl(""), "without a slash at the end"),
        field(
            "Unique identifier field for users",
            Value::Text("userName"),
            "Okta then looks people up by `userName eq`; with `email` it does the same with the address",
        ),
        field("Authentication Mode", Value::Text("HTTP Header"), ""),
        field("Authorization", Value::Token, "with or without `Bearer ` in front"),
        Field {
            place: Some(OKTA_SIGN_ON),
            name: "Application username format",
            value: Value::UserName { address: "Email", any: "Okta username" },
            why: "what Okta sends as `userName`",
        },
    ],
    actions: &[
        action(
            OKTA_INTEGRATION,
            "Import New Users and Profile Updates",
            About::Users,
            "inactive users come too",
        ),
        action(OKTA_INTEGRATION, "Push New Users", About::Users, ""),
        action(OKTA_INTEGRATION, "Push Profile Updates", About::Users, ""),
        action(OKTA_INTEGRATION, "Push Groups", About::Groups, "then choose them under Push Groups"),
        action(
            OKTA_INTEGRATION,
            "Import Groups",
            About::GroupImport,
            "so that Okta can link a group to one that is here already",
        ),
        action(OKTA_TO_APP, "Create Users", About::Users, ""),
        action(OKTA_TO_APP, "Update User Attributes", About::Users, ""),
        action(
            OKTA_TO_APP,
            "Deactivate Users",
            About::Users,
            "a leaver arrives as `active` false; Okta never deletes a user",
        ),
        action(OKTA_TO_APP, "Sync Password", About::Unwanted, "a password is never kept"),
    ],
    users: &[
        map("user.login", "userName"),
        map("user.firstName", "name.givenName"),
        map("user.lastName", "name.familyName"),
        map("user.middleName", "name.middleName"),
        map("user.honorificPrefix", "name.honorificPrefix"),
        map("user.honorificSuffix", "name.honorificSuffix"),
        map("user.email", "emails[type eq \"work\"].value"),
        map("user.displayName", "displayName"),
        map("user.nickName", "nickName"),
        map("user.title", "title"),
        map("user.profileUrl", "profileUrl"),
        map("user.primaryPhone", "phoneNumbers[type eq \"work\"].value"),
        map("user.preferredLanguage", "preferredLanguage"),
        map("user.locale", "locale"),
        map("user.timezone", "timezone"),
        map("user.userType", "userType"),
        map("user.streetAddress", "addresses[type eq \"work\"].streetAddress"),
        map("user.city", "addresses[type eq \"work\"].locality"),
        map("user.state", "addresses[type eq \"work\"].region"),
        map("user.zipCode", "addresses[type eq \"work\"].postalCode"),
        map("user.countryCode", "addresses[type eq \"work\"].country"),
        map("user.employeeNumber", enterprise!("employeeNumber")),
        map("user.costCenter", enterprise!("costCenter")),
        map("user.organization", enterprise!("organization")),
        map("user.division", enterprise!("division")),
        map("user.department", enterprise!("department")),
        map("user.managerId", enterprise!("manager.value")),
    ],
    groups: &[map("name", "displayName"), map("members", "members")],
    user_name_at: Some("Application username format, under Sign On"),
    deviates: &[
        (About::Groups, "each push of a group names its id", Dialect::OktaReadOnlyValue),
        (About::Groups, "a group comes with people who were not sent yet", Dialect::MembersUnknownSkipped),
    ],
    adding: "an attribute to add is made in the app's profile (Directory > Profile Editor > Add Attribute): External \
             name is its name without a URN, External namespace the URN in front of it, or else \
             `urn:ietf:params:scim:schemas:core:2.0:User`; then map it",
    adds_to_groups: false,
    group_notes: &[],
    notes: &["Okta takes a refusal with 400 as final; its text is in the System Log, so read it there"],
};

const ENTRA_MAPPINGS: &str = "Provisioning > Mappings";

const ENTRA: Provider = Provider {
    id: "entra",
    name: "Microsoft Entra ID",
    kind: ClientKind::Entra,
    application: "Enterprise applications > New application > Create your own application (non-gallery)",
    place: "Provisioning > Admin Credentials",
    fields: &[
        field("Provisioning Mode", Value::Text("Automatic"), ""),
        field(
            "Tenant URL",
            Value::BaseUrl("?aadOptscim062020"),
            "the flag makes Entra send what the RFC says; provisioning on demand ignores it, and works too",
        ),
        field("Secret Token", Value::Token, ""),
        Field {
            place: Some("Provisioning > Settings"),
            name: "Scope",
            value: Value::Text("Sync only assigned users and groups"),
            why: "whoever is not assigned is never sent",
        },
    ],
    actions: &[
        action(
            ENTRA_MAPPINGS,
            "Provision Microsoft Entra ID Users: Create, Update",
            About::Users,
            "somebody who is unassigned or disabled arrives as `active` false",
        ),
        action(
            ENTRA_MAPPINGS,
            "Provision Microsoft Entra ID Users: Delete",
            About::UserDeletion,
            "sent when the account is deleted for good, thirty days after it was disabled",
        ),
        action(ENTRA_MAPPINGS, "Provision Microsoft Entra ID Groups", About::Groups, ""),
    ],
    users: &[
        map("userPrincipalName", "userName"),
        map("Switch([IsSoftDeleted], , \"False\", \"True\", \"True\", \"False\")", "active"),
        map("displayName", "displayName"),
        map("jobTitle", "title"),
        map("mail", "emails[type eq \"work\"].value"),
        map("preferredLanguage", "preferredLanguage"),
        map("givenName", "name.givenName"),
        map("surname", "name.familyName"),
        map("Join(\" \", [givenName], [surname])", "name.formatted"),
        map("physicalDeliveryOfficeName", "addresses[type eq \"work\"].formatted"),
        map("streetAddress", "addresses[type eq \"work\"].streetAddress"),
        map("city", "addresses[type eq \"work\"].locality"),
        map("state", "addresses[type eq \"work\"].region"),
        map("postalCode", "addresses[type eq \"work\"].postalCode"),
        map("country", "addresses[type eq \"work\"].country"),
        map("telephoneNumber", "phoneNumbers[type eq \"work\"].value"),
        map("mobile", "phoneNumbers[type eq \"mobile\"].value"),
        map("facsimileTelephoneNumber", "phoneNumbers[type eq \"fax\"].value"),
        Mapping {
            from: "mailNickname",
            to: "externalId",
            instead: Some(("objectId", "a nickname can change and go to somebody else, an objectId never")),
        },
        map("employeeId", enterprise!("employeeNumber")),
        map("department", enterprise!("department")),
        map("manager", enterprise!("manager")),
    ],
    groups: &[map("displayName", "displayName"), map("objectId", "externalId"), map("members", "members")],
    user_name_at: None,
    deviates: &[
        (About::Users, "each request comes with the flag of the Tenant URL", Dialect::EntraUrlFlag),
        (About::Users, "without the flag each change says `Replace` for `replace`", Dialect::EntraOpCase),
    ],
    adding: "an attribute to add is entered by its SCIM name under Mappings > Show advanced options > Edit attribute \
             list; then map it",
    adds_to_groups: true,
    group_notes: &[
        "a member who is not in scope is left out, and is not sent again until provisioning is restarted",
    ],
    notes: &[
        "Test Connection asks for somebody who does not exist, and passes when the answer is an empty list",
        "Entra comes about every 40 minutes; Provision on demand sends one person at once",
        "a manager who is not in scope is left out, and is not sent again until provisioning is restarted",
    ],
};

const ONELOGIN_WORKFLOW: &str = "Provisioning > Workflow";

const ONELOGIN: Provider = Provider {
    id: "onelogin",
    name: "OneLogin",
    kind: ClientKind::OneLogin,
    application: "SCIM Provisioner with SAML (SCIM v2 Enterprise, full SAML)",
    place: "Configuration > API Connection",
    fields: &[
        field("SCIM Base URL", Value::BaseUrl(""), "without a slash at the end"),
        field("SCIM Bearer Token", Value::Token, "then API Status: Enable"),
        field("Custom Headers", Value::Text("Content-Type: application/scim+json"), ""),
    ],
    actions: &[
        action(ONELOGIN_WORKFLOW, "Enable provisioning", About::Users, ""),
        action(
            ONELOGIN_WORKFLOW,
            "Require admin approval: Create user, Update user",
            About::Unwanted,
            "ticked, each change waits there until somebody approves it",
        ),
        action(
            ONELOGIN_WORKFLOW,
            "When users are deleted in OneLogin, or their access is removed: Delete",
            About::UserDeletion,
            "OneLogin cannot bring back somebody whom it deleted",
        ),
        action(ONELOGIN_WORKFLOW, "When user accounts are suspended in OneLogin: Suspend", About::Users, ""),
        action("Parameters > Groups", "Include in User Provisioning", About::Groups, ""),
    ],
    users: &[
        map("{$parameters.scimusername}", "userName"),
        map("{$user.firstname}", "name.givenName"),
        map("{$user.lastname}", "name.familyName"),
        map("{$user.display_name}", "displayName"),
        map("{$user.email}", "emails[type eq \"work\"].value"),
        map("{$user.phone}", "phoneNumbers[type eq \"work\"].value"),
        map("{$user.title}", "title"),
        map("{$user.department}", enterprise!("department")),
        map("{$user.manager_id}", enterprise!("manager.value")),
        map("{$user.id}", "externalId"),
    ],
    groups: &[map("name", "displayName"), map("members", "members")],
    user_name_at: None,
    deviates: &[
        (About::Users, "each look-up ends in `&`, each update in `?`", Dialect::OneLoginDanglingQuery),
        (About::Users, "each update names the schemas of SCIM 1", Dialect::OneLoginScim1Urn),
    ],
    adding: "an attribute to add is a line of that template, with a field of the user or a parameter as its value",
    adds_to_groups: false,
    group_notes: &[],
    notes: &[
        "users go out only after their rows under Users are approved, unless approval is unticked",
        "the mappings are a JSON template there (Configuration > SCIM JSON Template), one line for each",
    ],
};
