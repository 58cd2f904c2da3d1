//! Groups: adding one member, and pages of users who are in them, at two sizes.

use std::path::Path;

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags};

use crate::bench::{Bench, PAGE, SPARE};
use crate::load::{Load, Until};
use crate::report::{Figure, Goal};
use crate::rounds::{interleaved, ratios};
use crate::scripts::{Access, ChangeMember, List};
use crate::server::Muster;

/// Changes in a round, a half of them additions.
const CHANGES: u64 = 400;
/// Pages in a round.
const PAGES: u64 = 200;

pub(super) fn members(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let town = bench.town()?;
    let muster = Muster::start(&town.data, None)?;
    let spare = town.ids[town.ids.len() - SPARE..].to_vec();
    let access = Access::new(muster.address, &town.large);
    let changes = |group: &str| {
        let (access, group, members) = (access.clone(), group.to_owned(), spare.clone());
        Load::new(muster.address, ChangeMember { access, group, members })
    };
    let (large, small) = (changes(&town.large_group), changes(&town.small_group));
    let log = muster.file(&town.large.name, "log.db");
    let median_ms = |load: &Load, count| Ok(load.run(1, Until::Asked(count))?.quantile_ms(0.5));
    let (mut bytes, mut small_bytes) = (Vec::new(), Vec::new());
    let [large_ms, small_ms] = interleaved(
        bench.scale.rounds,
        &mut [
            &mut || {
                let median = median_ms(&large, CHANGES)?;
                bytes.push(last_addition_bytes(&log)?);
                Ok(median)
            },
            &mut || {
                let median = median_ms(&small, CHANGES)?;
                small_bytes.push(last_addition_bytes(&log)?);
                Ok(median)
            },
        ],
    )?;

    let page = |start: usize, holding: &str| {
        let path = format!("/Users?startIndex={start}&count={PAGE}");
        Load::new(muster.address, List { access: access.clone(), path, holding: holding.to_owned() })
    };
    let (in_large, in_small) = (page(1, "\"Everybody\""), page(PAGE + 1, "\"Team 0\""));
    let [in_large_ms, in_small_ms] = interleaved(
        bench.scale.rounds,
        &mut [&mut || median_ms(&in_large, PAGES), &mut || median_ms(&in_small, PAGES)],
    )?;
    muster.stop()?;
    Ok(vec![
        Figure {
            name: "member",
            what: "median of adding (removing) one member of a group of 100,000 / of 10",
            goal: Goal::AtMost(1.3),
            rounds: ratios(&large_ms, &small_ms),
            behind: vec![("ms, group of 100,000", large_ms), ("ms, group of 10", small_ms)],
        },
        Figure {
            name: "member_event",
            what: "bytes of the event that adds one member to a group of 100,000 / of 10",
            goal: Goal::AtMost(1.01),
            rounds: ratios(&bytes, &small_bytes),
            behind: vec![("bytes, group of 100,000", bytes)],
        },
        Figure {
            name: "member_page",
            what: "a page of 100 users who are in a group of 100,000 / who are in groups of 10",
            goal: Goal::AtMost(1.15),
            rounds: ratios(&in_large_ms, &in_small_ms),
            behind: vec![("ms, in a group of 100,000", in_large_ms), ("ms, in groups of 10", in_small_ms)],
        },
    ])
}

/// What the log holds of the last addition of members.
fn last_addition_bytes(log: &Path) -> anyhow::Result<f64> {
    let log = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_ONLY).context("log.db")?;
    let bytes = log.query_row(
        "SELECT length(header) + length(payload) FROM events
         WHERE header ->> 'type' = 'group.members_added' ORDER BY revision DESC LIMIT 1",
        [],
        |row| row.get::<_, i64>(0),
    );
    Ok(bytes.context("no member was added")? as f64)
}
