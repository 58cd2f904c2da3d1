//! The whole house, tested from outside.

mod event_log_contract;
mod harness;
mod wire;
