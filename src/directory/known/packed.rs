//! A user as it is kept: its texts in one compressed piece, everything else beside it.

use std::borrow::Cow;

use projections::current::{GroupRef, StoredResource};
use provisioning::{ResourceId, Revision, Status, Timestamp};
use scim::ResourceType;
use scim::fold::fold;
use serde::Deserialize;
use uuid::Uuid;

use super::KnownUser;
use super::forms::Forms;
use super::names::NameKey;

const ID_BYTES: usize = 16;
/// The smallest step in which an allocator hands out bytes; greater ones are an eighth of the size.
const STEP_BYTES: usize = 16;
const LENGTH_BYTES: usize = 2;

/// A user, as a client of one domain sees it.
#[derive(Debug)]
pub(super) struct Packed {
    /// The number of moves of its tenant before it was read.
    pub(super) read_at: u64,
    created_revision: Revision,
    revision: Revision,
    created_at: Timestamp,
    modified_at: Timestamp,
    /// What the user is found by, if its name stands in the document as it is.
    name_key: NameKey,
    /// The domain's name, then the text: document, `externalId`, groups.
    bytes: Box<[u8]>,
    text_bytes: u16,
    document_bytes: u16,
    external_id_bytes: Option<u16>,
    name_at: u16,
    /// 0: it is not found by name.
    name_bytes: u16,
    domain_bytes: u8,
    /// What the text is compressed against; `None`: it is not compressed.
    form: Option<u8>,
    status: Status,
}

/// A name that leads to a user, and where in the document it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub(super) key: NameKey,
    at: u16,
    bytes: u16,
}

impl Name {
    /// The name itself.
    pub(super) fn text(self, document: &str) -> Option<&str> {
        let at = usize::from(self.at);
        document.get(at..at + usize::from(self.bytes))
    }
}

impl Packed {
    /// `None` if it is too large to be kept. `key_of` makes the key of a folded name.
    pub(super) fn of(
        user: &KnownUser,
        domain: &str,
        read_at: u64,
        forms: &Forms,
        key_of: impl FnOnce(&str) -> NameKey,
    ) -> Option<Self> {
        let KnownUser { stored, groups } = user;
        let length = |text: &str| u16::try_from(text.len()).ok();
        let external_id_bytes = match &stored.external_id {
            Some(id) => Some(length(id)?),
            None => None,
        };
        let mut text = Vec::with_capacity(stored.document.len() + 64 * (1 + groups.len()));
        text.extend_from_slice(stored.document.as_bytes());
        text.extend_from_slice(stored.external_id.as_deref().unwrap_or_default().as_bytes());
        for group in groups {
            text.extend_from_slice(group.id.0.as_bytes());
            text.extend_from_slice(&length(&group.display)?.to_le_bytes());
            text.extend_from_slice(group.display.as_bytes());
        }
        let text_bytes = u16::try_from(text.len()).ok()?;
        let domain_bytes = u8::try_from(domain.len()).ok()?;
        let (name_at, name) = name_in(&stored.document).unwrap_or_default();
        let (form, kept) = match forms.compress(&text, &stored.document) {
            Some((form, compressed)) => (Some(form), compressed),
            None => (None, text),
        };
        Some(Self {
            read_at,
            created_revision: stored.created_revision,
            revision: stored.revision,
            created_at: stored.created_at,
            modified_at: stored.modified_at,
            name_key: key_of(&fold(name)),
            bytes: [domain.as_bytes(), &kept].concat().into_boxed_slice(),
            text_bytes,
            document_bytes: length(&stored.document)?,
            external_id_bytes,
            name_at: u16::try_from(name_at).ok()?,
            name_bytes: length(name)?,
            domain_bytes,
            form,
            status: stored.status,
        })
    }

    /// How many bytes its texts take at most, as the allocator hands them out.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.bytes.len() / 8 + STEP_BYTES
    }

    /// What the user is found by.
    pub(super) fn name(&self) -> Option<Name> {
        let name = Name { key: self.name_key, at: self.name_at, bytes: self.name_bytes };
        (self.name_bytes > 0).then_some(name)
    }

    pub(super) fn is_of(&self, domain: &str) -> bool {
        self.bytes[..usize::from(self.domain_bytes)] == *domain.as_bytes()
    }

    /// The user with that id. `None` never happens; if it did, the user would be read again.
    pub(super) fn unpack(&self, id: ResourceId, forms: &Forms) -> Option<KnownUser> {
        let kept = &self.bytes[usize::from(self.domain_bytes)..];
        let mut text = match self.form {
            Some(form) => forms.decompress(form, kept, usize::from(self.text_bytes))?,
            None => kept.to_vec(),
        };
        let (external_id, mut rest) = match self.external_id_bytes {
            Some(length) => {
                let behind = text.get(usize::from(self.document_bytes)..)?;
                let (id, rest) = behind.split_at_checked(usize::from(length))?;
                (Some(str::from_utf8(id).ok()?.to_owned()), rest)
            }
            None => (None, text.get(usize::from(self.document_bytes)..)?),
        };
        let mut groups = Vec::new();
        while !rest.is_empty() {
            let (group, behind) = next_group(rest)?;
            groups.push(group);
            rest = behind;
        }
        text.truncate(usize::from(self.document_bytes));
        let stored = StoredResource {
            created_revision: self.created_revision,
            id,
            resource_type: ResourceType::User,
            document: String::from_utf8(text).ok()?,
            external_id,
            revision: self.revision,
            created_at: self.created_at,
            modified_at: self.modified_at,
            status: self.status,
        };
        Some(KnownUser { stored, groups })
    }
}

/// Where the `userName` stands in a document, and what it is, unless something in it is escaped there.
fn name_in(document: &str) -> Option<(usize, &str)> {
    #[derive(Deserialize)]
    struct Named<'d> {
        #[serde(borrow, rename = "userName")]
        user_name: Cow<'d, str>,
    }
    match serde_json::from_str::<Named<'_>>(document).ok()?.user_name {
        Cow::Borrowed(name) => Some((name.as_ptr().addr() - document.as_ptr().addr(), name)),
        Cow::Owned(_) => None,
    }
}

fn next_group(bytes: &[u8]) -> Option<(GroupRef, &[u8])> {
    let (id, rest) = bytes.split_first_chunk::<ID_BYTES>()?;
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let (display, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let display = str::from_utf8(display).ok()?.to_owned();
    Some((GroupRef { id: ResourceId(Uuid::from_bytes(*id)), display }, rest))
}
