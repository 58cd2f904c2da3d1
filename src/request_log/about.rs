//! What a request asked of whom, worked out when it is logged: from its body as it came, before anything of that is
//! cut or taken out. It stays as long as the request's row.
//!
//! One entry stands for each operation. Its subject is whom it is about, and nobody else who is named in it: the id
//! in the path; of a create the userName and the externalId, and where it has no userName or was refused, the e-mail
//! addresses by which it may mean somebody; of a write to a group each member. A manager, a title are no subject, nor
//! is an address beside a userName for whoever is known here. What a look-up names in path or filter is looked for, which its row says already.
//!
//! Nothing that a client wrote is kept as it was: whoever is named, filters, values, and attributes that no schema of
//! the tenant has are keyed fingerprints.

mod changes;
mod created;
mod groups;
mod print;
mod read;

use serde::{Deserialize, Serialize};

use super::{address, keeping};

pub(super) use changes::canonical;
pub use changes::{Change, member};
pub use groups::Member;
pub(super) use groups::are_cut;
pub use print::Print;
pub(super) use read::Request;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// To create a user.
    #[serde(rename = "+")]
    Create,
    /// To give a user exactly these attributes.
    #[serde(rename = "=")]
    Replace,
    /// To change these attributes of a user.
    #[serde(rename = "~")]
    Change,
    /// To delete a user.
    #[serde(rename = "-")]
    Delete,
    /// To write a group.
    #[serde(rename = "g")]
    Group,
}

/// Why an operation of a bulk request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The status that it was answered with.
    #[serde(rename = "s")]
    pub status: u16,
    /// What failed.
    #[serde(rename = "e")]
    pub code: String,
}

/// One operation. `N` is how names stand in it: as text while a request is taken apart, as fingerprints in its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation<N = Print> {
    /// Its place in a bulk request, from 1; 0 of a request of its own.
    #[serde(rename = "o", default, skip_serializing_if = "is_zero")]
    pub number: usize,
    /// What was asked.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// The id of the user or the group: in the path, or given to whoever was created.
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    pub id: Option<N>,
    /// The `userName`; of a group the `displayName`.
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    pub name: Option<N>,
    /// The `externalId`.
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<N>,
    /// The e-mail addresses of a create without a `userName`, or of a refused one.
    #[serde(rename = "e", default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<N>,
    /// The attributes that were to change.
    #[serde(rename = "c", default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change<N>>,
    /// What `active` was to become.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Who was to be in the group, or out of it.
    #[serde(rename = "m", default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member<N>>,
    /// Why a bulk request did not carry it out.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    pub undone: Option<Undone>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl<N> Operation<N> {
    fn new(kind: Kind) -> Self {
        Self {
            number: 0,
            kind,
            id: None,
            name: None,
            external_id: None,
            addresses: Vec::new(),
            changes: Vec::new(),
            active: None,
            members: Vec::new(),
            undone: None,
        }
    }
}

impl Operation<String> {
    /// Whom the operation is about, by names by which they are to be found; of a group its members are named in the
    /// body and found by that.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &String> {
        let own = self.id.iter().chain(&self.name).chain(&self.external_id);
        own.chain(&self.addresses).filter(|_| self.kind != Kind::Group)
    }

    /// Takes out by what nobody may be looked for: a secret could stand where a name does.
    pub(super) fn forget_secrets(&mut self) {
        self.id.take_if(|id| !address::may_name(id));
        for name in [&mut self.name, &mut self.external_id] {
            name.take_if(|name| !keeping::may_name(name));
        }
        self.addresses.retain(|address| keeping::may_name(address));
        self.members.retain_mut(|member| {
            member.display.take_if(|display| !keeping::may_name(display));
            keeping::may_name(&member.value)
        });
    }

    /// The same with fingerprints.
    pub(super) fn printed(self, print: &impl Fn(&str) -> Print) -> Operation {
        let one = |name: Option<String>| name.map(|name| print(&name));
        Operation {
            number: self.number,
            kind: self.kind,
            id: one(self.id),
            name: one(self.name),
            external_id: one(self.external_id),
            addresses: self.addresses.iter().map(|name| print(name)).collect(),
            changes: self.changes.into_iter().map(|change| change.printed(print)).collect(),
            active: self.active,
            members: self.members.into_iter().map(|member| member.printed(print)).collect(),
            undone: self.undone,
        }
    }
}

/// As it is stored.
pub(super) fn encode(operations: &[Operation]) -> Vec<u8> {
    serde_json::to_vec(operations).expect("fingerprints, names and numbers can be written")
}

/// What was stored; none if nobody can read it.
pub(super) fn decode(stored: &[u8]) -> Option<Vec<Operation>> {
    serde_json::from_slice(stored).ok()
}
