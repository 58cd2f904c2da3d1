//! The whole house, tested from outside.
#![cfg(test)]

mod event_log_contract;
mod harness;
mod wire;
