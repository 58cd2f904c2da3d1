//! Every measurement with the figures that it gives.

mod bulk;
mod groups;
mod lists;
mod long_log;
mod outbox;
mod reads;
mod room;
mod writes;

use crate::bench::Bench;
use crate::report::Figure;

/// Figures that are measured together.
pub(crate) struct Measurement {
    pub(crate) figures: &'static [&'static str],
    pub(crate) measure: fn(&Bench) -> anyhow::Result<Vec<Figure>>,
}

/// In the order in which they run.
pub(crate) const ALL: &[Measurement] = &[
    Measurement { figures: &["create", "create_scaling", "lone_create"], measure: writes::creates },
    Measurement { figures: &["patch"], measure: writes::patches },
    Measurement { figures: &["bulk"], measure: bulk::creates },
    Measurement { figures: &["get"], measure: reads::by_id },
    Measurement { figures: &["eq"], measure: reads::by_name },
    Measurement { figures: &["request_log"], measure: reads::logged },
    Measurement { figures: &["outbox", "relay"], measure: outbox::relays },
    Measurement { figures: &["member", "member_event", "member_page"], measure: groups::members },
    Measurement { figures: &["page_deep"], measure: lists::pages },
    Measurement { figures: &["search_contains", "search_complex", "search_delay"], measure: lists::searches },
    Measurement { figures: &["disk"], measure: room::disk },
    Measurement { figures: &["wal"], measure: room::write_ahead_logs },
    Measurement { figures: &["memory"], measure: long_log::memory },
    Measurement { figures: &["start"], measure: long_log::start },
    Measurement { figures: &["rebuild"], measure: long_log::rebuild },
];
