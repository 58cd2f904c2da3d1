//! The whole house, tested from outside.
#![cfg(test)]

mod addresses;
mod append_faults;
mod architecture;
mod audited;
mod bad_input;
mod bulk;
mod cli;
mod conditions;
mod crash;
mod dice;
mod docs;
mod engine;
mod event_log_contract;
mod evidence;
mod faulty_log;
mod golden;
mod groups;
mod harness;
mod history;
mod isolation;
mod lists;
mod openapi;
mod outbox;
mod outbox_faults;
mod privacy;
mod registry;
mod schemas;
mod soak;
mod suites;
mod tenants;
mod tokens;
mod users;
mod views;
mod wire;
mod writer;
