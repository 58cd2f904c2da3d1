//! What no single code tells: the traps that identity providers lay for their administrators, as data.

use crate::explanations::Who;

/// What several requests together tell, or one that succeeded.
pub(super) struct Trap {
    /// Its name, stable as the codes of failures are.
    pub(super) name: &'static str,
    /// What happened, and why.
    pub(super) why: &'static str,
    /// Who mends it.
    pub(super) who: Who,
    /// How.
    pub(super) r#do: &'static str,
}

const TRAPS: [Trap; 9] = [
    Trap {
        name: "never_seen",
        why: "No request of this tenant ever named this person, so the identity provider never sent them.",
        who: Who::IdentityProvider,
        r#do: "See that the person is assigned to the application and in the scope of provisioning, and that the \
               name is the one that the provider sends; its own provisioning log says why it skipped somebody.",
    },
    Trap {
        name: "lookup.no_create",
        why: "The identity provider looked for this person, was told that there is nobody (200 and an empty list, \
              as it should be), and never asked to create them.",
        who: Who::IdentityProvider,
        r#do: "See that creating users is switched on, and in the provider's provisioning log why the person was \
               skipped after the look-up: most often an attribute that the mapping requires is empty.",
    },
    Trap {
        name: "rehire.post_conflict",
        why: "The identity provider creates the person anew, but a deactivated account of theirs is still here.",
        who: Who::Operator,
        r#do: "`muster tenant update ID --set post_deactivated=reactivate` lets the next POST bring the account \
               back under the same id.",
    },
    Trap {
        name: "conflict.loop",
        why: "The same request was refused as a conflict again and again; the provider does not stop by itself.",
        who: Who::IdentityProvider,
        r#do: "Resolve the conflict that the detail names, or link the existing account in the provider; then \
               retry the task there.",
    },
    Trap {
        name: "okta.never_deletes",
        why: "Okta takes people away by setting active to false and never by DELETE: the account is deactivated, \
              not deleted.",
        who: Who::Nobody,
        r#do: "Nothing: this is how Okta deprovisions, and the person has no access.",
    },
    Trap {
        name: "ref.order",
        why: "A member was sent before the person was provisioned, or is out of scope; most providers do not send \
              the membership again by themselves.",
        who: Who::IdentityProvider,
        r#do: "Provision the person first, then push the group again (in Entra ID: restart provisioning).",
    },
    Trap {
        name: "quarantine.thresholds",
        why: "Many of the recent requests of this connection failed. Entra ID puts such a job into quarantine, \
              retries ever more rarely and switches it off after four weeks.",
        who: Who::IdentityProvider,
        r#do: "Mend what is named here, then restart provisioning in Entra ID before those four weeks are over.",
    },
    Trap {
        name: "tolerated",
        why: "What was sent deviates from the RFC, was understood and rewritten; the notes name how.",
        who: Who::Nobody,
        r#do: "Nothing.",
    },
    Trap {
        name: "deprovisioned",
        why: "The person was provisioned and the identity provider has taken them away again.",
        who: Who::IdentityProvider,
        r#do: "If that is wrong, see the person's assignment there; `muster timeline` shows when it changed.",
    },
];

/// The trap of that name.
pub(super) fn of(name: &str) -> &'static Trap {
    TRAPS.iter().find(|trap| trap.name == name).expect("every trap that is looked for is in the table")
}
