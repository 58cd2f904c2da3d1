//! What may happen to users, groups and tenants: the decisions of Muster, pure and synchronous.
//!
//! The decider pattern in ten lines: a [`command::Command`] asks for a change. [`decide::decide`] looks at
//! the [`directory::Directory`] (what is true now) and answers with events to record, or with a
//! [`Rejection`]. [`evolve`] says what a recorded event means for a resource, and is the only code that says
//! so: the decider, the projections, time travel and the rebuild all call it. `decide` may refuse; `evolve`
//! never does.
//!
//! No clock, no random ids, no I/O: ids and instants come in with the command or are put on by the writer.
//! Stored bytes are fixed in [`recorded`] (headers) and [`event::stored`] (payloads).
#![warn(missing_docs, clippy::wildcard_enum_match_arm)]

pub mod command;
pub mod decide;
pub mod difference;
pub mod directory;
pub mod event;
pub mod evolve;
pub mod ids;
pub mod merge_patch;
pub mod profile;
pub mod recorded;
pub mod rejection;
pub mod resource;
pub mod tenancy;
pub mod timestamp;

#[cfg(test)]
mod testing;

pub use event::{Event, EventType};
pub use ids::{ClientId, EventId, RequestId, ResourceId, Revision, StreamId, TokenId, TxnId};
pub use recorded::{Header, Opened, Recorded, Subject};
pub use rejection::Rejection;
pub use resource::{Resource, Status};
pub use timestamp::Timestamp;
