//! From events to views. SQLite, nothing else.
//!
//! Two views, each a file of its own that can be deleted at any time: [`current`] (what is true now; written in
//! the writer's transaction) and [`history`] (who had what, when; a follower). Both call
//! [`provisioning::evolve::evolve`]; neither reads the clock, the network or the other's tables. What a view
//! holds is a function of the log alone: a rebuilt view equals the live one, row for row ([`digest`]).
#![warn(missing_docs, clippy::wildcard_enum_match_arm)]

mod column;
pub mod current;
pub mod digest;
mod filter_sql;
pub mod history;
pub mod position;
mod query;
pub mod view;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod testing;

pub use position::Position;
pub use view::ViewError;
