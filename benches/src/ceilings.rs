//! What the machine can do without the product: the limits that its figures are divided by.

mod disk;
mod fixed;
mod nats;
mod sqlite;

pub(crate) use disk::fdatasync_ms;
pub(crate) use fixed::{Fixed, GetFixed, serve as serve_fixed};
pub(crate) use nats::{Broker, publish_per_second};
pub(crate) use sqlite::{RawSqlite, Shape};
