//! The whole house, tested from outside.
#![cfg(test)]

mod audited;
mod bad_input;
mod dice;
mod event_log_contract;
mod evidence;
mod golden;
mod groups;
mod harness;
mod lists;
mod users;
mod views;
mod wire;
