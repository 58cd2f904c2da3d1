//! What is told to the log about one request: facts, as they were known when it was answered.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use provisioning::{ClientId, RequestId, ResourceId, Timestamp, TokenId};
use scim::dialect::Notes;
use serde::Serialize;

use crate::directory::Directory;

/// Whose request it is, beside the tenant in whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sender {
    /// Somebody who showed a token of that tenant, whether it counts or not.
    Own,
    /// Nobody knows who it was.
    #[default]
    Stranger,
    /// Somebody who showed a token of that tenant at another tenant's address. What it says is meant for that one.
    Astray,
}

/// One request and its answer.
pub struct Entry {
    /// In whose log it belongs: a tenant's, or the registry's if it reached none.
    pub directory: Arc<Directory>,
    /// Whose request it is.
    pub sender: Sender,
    /// The tenant to whose address it came, if that is another than the token's.
    pub addressee: Option<Arc<Directory>>,
    /// The client, if the token was known.
    pub client: Option<ClientId>,
    /// The token, if it was known.
    pub token: Option<TokenId>,
    /// The request's id.
    pub id: RequestId,
    /// When its headers were read.
    pub received_at: Timestamp,
    /// How long answering took.
    pub duration: Duration,
    /// The method.
    pub method: Cow<'static, str>,
    /// The template of the path.
    pub route: &'static str,
    /// The path as it came.
    pub path: String,
    /// The query as it came.
    pub query: String,
    /// The answer's status.
    pub status: u16,
    /// The codes of what failed.
    pub code: Option<String>,
    /// What the caller was told about it.
    pub detail: Option<String>,
    /// Which operations of a bulk request were not carried out.
    pub operations: Vec<Undone>,
    /// How many resources a list found.
    pub results: Option<u64>,
    /// The resource that was made, or that the path names.
    pub resource: Option<ResourceId>,
    /// What was recorded; `None` if nothing was asked to be written, empty if nothing changed.
    pub revisions: Option<Range<u64>>,
    /// What was tolerated, or refused by a strict tenant.
    pub notes: Notes,
    /// Where it came from.
    pub source_ip: Option<IpAddr>,
    /// What sent it, as it says itself.
    pub user_agent: Option<String>,
    /// The body, if it was read and is small enough.
    pub body: Option<Vec<u8>>,
    /// How large the body was.
    pub body_bytes: usize,
}

/// An operation of a bulk request that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// Its place in the request, from 1.
    pub number: usize,
    /// The status that it was answered with; none if it was left because others had failed.
    pub status: Option<u16>,
    /// Why it failed.
    pub code: Option<&'static str>,
    /// What the caller was told about it.
    pub detail: Option<String>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something was read.
    Read,
    /// Events were recorded.
    Recorded,
    /// A write changed nothing.
    Unchanged,
    /// It was refused.
    Refused,
    /// It could not be carried out now.
    Failed,
}

impl Outcome {
    /// As it is stored and answered.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Recorded => "recorded",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Entry {
    /// What became of it.
    pub fn outcome(&self) -> Outcome {
        match (self.status, &self.revisions) {
            (500.., _) => Outcome::Failed,
            (400.., _) => Outcome::Refused,
            (_, Some(revisions)) if revisions.is_empty() => Outcome::Unchanged,
            (_, Some(_)) => Outcome::Recorded,
            (_, None) => Outcome::Read,
        }
    }

    /// A client can invent methods, and words of its own have no place in the clear.
    pub(super) fn known_method(&self) -> &'static str {
        const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        KNOWN.into_iter().find(|known| *known == self.method).unwrap_or("other")
    }

    /// The minute in which it came.
    pub(super) fn minute(&self) -> Timestamp {
        const MINUTE_MICROS: i64 = 60_000_000;
        Timestamp(self.received_at.0 - self.received_at.0.rem_euclid(MINUTE_MICROS))
    }

    /// The second in which it came, since 1970.
    pub(super) fn second(&self) -> i64 {
        self.received_at.0.div_euclid(1_000_000)
    }
}
