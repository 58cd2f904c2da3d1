//! Muster: an event-sourced SCIM 2.0 provisioning engine. The map of the house is `docs/architecture.md`.

pub mod app;
pub mod as_of;
pub mod cli;
pub mod clock;
pub mod config;
pub mod directories;
pub mod directory;
pub mod event_log;
pub mod expiry;
pub mod explanations;
pub mod feed;
pub mod http;
pub mod index;
pub mod merkle;
pub mod offline;
pub mod operations;
pub mod outbox;
pub mod query;
pub mod randomness;
pub mod reports;
pub mod request_log;
pub mod sealing;
pub mod silence;
mod sqlite_file;
pub mod tasks;
pub mod telemetry;
pub mod token;
