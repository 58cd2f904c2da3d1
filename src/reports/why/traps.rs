//! What no single code tells: the traps that identity providers lay for their administrators, as data.

use crate::explanations::Who;

/// What several requests together tell, or one that succeeded.
pub(super) struct Trap {
    /// Its name, stable as the codes of failures are.
    pub(super) name: &'static str,
    /// What happened, and why.
    pub(super) why: &'static str,
    /// Who mends it, and how.
    pub(super) remedies: &'static [(Who, &'static str)],
}

static TRAPS: [Trap; 12] = [
    Trap {
        name: "never_seen",
        why: "Every request that this tenant's log covers could be looked at, and none named this person.",
        remedies: &[(
            Who::IdentityProvider,
            "See that the person is assigned to the application and in the scope of provisioning, and that the name \
             is the one that the provider sends; its own provisioning log says why it skipped somebody.",
        )],
    },
    Trap {
        name: "not_seen",
        why: "No request that could be looked at named this person, but some could not be: the person may have been \
              in one of them.",
        remedies: &[
            (
                Who::IdentityProvider,
                "Look up in the provider's own provisioning log whether it sent the person, when, and what it was \
                 answered.",
            ),
            (
                Who::Operator,
                "`muster requests list --tenant <tenant> --failed` shows what was refused at that time.",
            ),
        ],
    },
    Trap {
        name: "reached_no_tenant",
        why: "Requests named the person, but reached no tenant: their address or token was wrong.",
        remedies: &[
            (Who::IdentityProvider, "Enter base URL and token as they were shown for this tenant."),
            (
                Who::Operator,
                "`muster tenant show <tenant>` tells the base URL, `muster token list --tenant <tenant>` which tokens \
                 count.",
            ),
        ],
    },
    Trap {
        name: "lookup.no_create",
        why: "The identity provider looked for this person, was told that there is nobody (200 and an empty list, \
              as it should be), and no request that could be looked at asked to create them.",
        remedies: &[(
            Who::IdentityProvider,
            "See that creating users is switched on, and in the provider's provisioning log why the person was \
             skipped after the look-up: most often an attribute that the mapping requires is empty.",
        )],
    },
    Trap {
        name: "rehire.post_conflict",
        why: "The identity provider creates the person anew, but a deactivated account of theirs is still here.",
        remedies: &[(
            Who::Operator,
            "`muster tenant update <tenant> --set post_deactivated=reactivate` lets the next POST bring the account \
             back under the same id.",
        )],
    },
    Trap {
        name: "conflict.loop",
        why: "The same request was refused as a conflict again and again; the provider does not stop by itself.",
        remedies: &[(
            Who::IdentityProvider,
            "Resolve the conflict that the detail names, or link the existing account in the provider; then retry \
             the task there.",
        )],
    },
    Trap {
        name: "okta.never_deletes",
        why: "Okta takes people away by setting active to false and never by DELETE: the account is deactivated, \
              not deleted.",
        remedies: &[(Who::Nobody, "Nothing: this is how Okta deprovisions, and the person has no access.")],
    },
    Trap {
        name: "ref.order",
        why: "The person was sent as a member of a group before being provisioned, or is out of scope; the membership \
              does not count, and most providers do not send it again by themselves.",
        remedies: &[(
            Who::IdentityProvider,
            "Provision the person first, then push the group again (in Entra ID: restart provisioning).",
        )],
    },
    Trap {
        name: "quarantine.thresholds",
        why: "At least four of ten requests of the connection <client> have failed since <since>. Entra ID puts such \
              a job into quarantine, tries ever more rarely, and switches it off after four weeks: on <date>.",
        remedies: &[(
            Who::IdentityProvider,
            "Mend what is named here, then restart provisioning in Entra ID; before <date> if that is still to come.",
        )],
    },
    Trap {
        name: "tolerated",
        why: "What was sent deviates from the RFC, was understood and rewritten; the notes name how.",
        remedies: &[(Who::Nobody, "Nothing.")],
    },
    Trap {
        name: "created_inactive",
        why: "The identity provider created this account as inactive, and has not activated it since.",
        remedies: &[(
            Who::IdentityProvider,
            "If the person is to have access, activate them there; see also what the mapping of `active` sends.",
        )],
    },
    Trap {
        name: "deprovisioned",
        why: "The person was provisioned and the identity provider has taken them away again.",
        remedies: &[(
            Who::IdentityProvider,
            "If that is wrong, see the person's assignment there; `muster timeline --tenant <tenant> <user>` shows when it \
             changed.",
        )],
    },
];

/// The trap of that name.
pub(super) fn of(name: &str) -> &'static Trap {
    TRAPS.iter().find(|trap| trap.name == name).expect("every trap that is looked for is in the table")
}

/// What people are told to do, by the names of the traps.
#[cfg(test)]
pub(in crate::reports) fn told() -> Vec<(&'static str, &'static str)> {
    let told = |trap: &'static Trap| trap.remedies.iter().map(|(_, text)| (trap.name, *text));
    TRAPS.iter().flat_map(told).collect()
}
