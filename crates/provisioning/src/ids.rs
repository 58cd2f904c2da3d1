//! Ids and revisions as types of their own, so that one cannot stand where another belongs.
//!
//! Every id is a canonical lower-case UUID as text. This crate only reads and prints them; the machine makes
//! them (version 7, time-ordered).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_newtype {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl $name {
            /// Reads a canonical lower-case UUID; any other spelling is no id of ours.
            pub fn parse(text: &str) -> Option<Self> {
                let id = Uuid::try_parse(text).ok()?;
                let mut canonical = [0; uuid::fmt::Hyphenated::LENGTH];
                (id.as_hyphenated().encode_lower(&mut canonical) == text).then_some(Self(id))
            }
        }
    )+};
}

uuid_newtype! {
    /// A User or a Group.
    ResourceId,
    /// A tenant's stream, made at creation and never reused.
    StreamId,
    /// A recorded event.
    EventId,
    /// One atomic operation.
    TxnId,
    /// An HTTP request.
    RequestId,
    /// A client: one connection of an identity provider.
    ClientId,
    /// A token of a client.
    TokenId,
    /// An operator of the service.
    OperatorId,
}

/// The number of an event in its stream: 1, 2, 3 … without gaps. 0 stands for the empty stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// Before the first event.
    pub const ZERO: Self = Self(0);

    /// The revision that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let canonical = "01900000-0000-7000-8000-0000000000ab";
        assert_eq!(ResourceId::parse(canonical).map(|id| id.to_string()).as_deref(), Some(canonical));
        for other in [
            "01900000-0000-7000-8000-0000000000AB",
            "019000000000700080000000000000ab",
            "{01900000-0000-7000-8000-0000000000ab}",
            "urn:uuid:01900000-0000-7000-8000-0000000000ab",
            "../01900000-0000-7000-8000-0000000000",
            "",
        ] {
            assert_eq!(ResourceId::parse(other), None, "{other}");
        }
    }
}
