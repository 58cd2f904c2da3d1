//! Room on disk: of what is stored, and of write-ahead logs while readers and writers are busy.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use super::writes::{CONNECTIONS, switching};
use crate::bench::{Bench, PAGE};
use crate::load::{Load, Until};
use crate::report::{Figure, Goal};
use crate::scripts::{Access, List};
use crate::server::Muster;

/// Readers that never pause.
const READERS: usize = 4;
/// People who are listed and switched off and on meanwhile.
const PEOPLE: u64 = 20_000;
/// How often the files are looked at.
const GLANCE: Duration = Duration::from_millis(20);
const MIB: f64 = 1_048_576.0;

pub(super) fn disk(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let disk = &bench.town()?.disk;
    Ok(vec![Figure {
        name: "disk",
        what: "bytes of all files of a tenant / of the documents that its clients sent",
        goal: Goal::AtMost(3.5),
        rounds: vec![disk.iter().map(|(_, ratio)| ratio).sum()],
        behind: disk.iter().map(|(file, ratio)| (*file, vec![*ratio])).collect(),
    }])
}

/// Writers at full load and readers that always have a statement running: nothing then ends a checkpoint by chance.
pub(super) fn write_ahead_logs(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let folder = bench.empty("wal")?;
    let muster = Muster::start(&folder.join("data"), None)?;
    let tenant = muster.tenant("bench")?;
    let switches = switching(&muster, &tenant, PEOPLE.min(bench.scale.town))?;
    let access = Access::new(muster.address, &tenant);
    let path = format!("/Users?filter=title%20co%20%22Special%22&count={PAGE}");
    let holding = "\"startIndex\":1,".to_owned();
    let lists = Load::new(muster.address, List { access, path, holding });
    let tenant_folder = muster.data.join("tenants").join("bench");
    let until = Until::Elapsed(2 * bench.scale.round);
    let mut greatest = Vec::new();
    let mut patches = Vec::new();
    for _ in 0..bench.scale.rounds {
        let over = AtomicBool::new(false);
        let peak = std::thread::scope(|scope| {
            let readers = scope.spawn(|| lists.run(READERS, until));
            let watcher = scope.spawn(|| greatest_wal(&tenant_folder, &over));
            let written = switches.run(CONNECTIONS, until);
            over.store(true, Ordering::Relaxed);
            readers.join().ok().context("the readers")??;
            patches.push(written?.per_second());
            watcher.join().ok().context("the watcher")
        })?;
        greatest.push(peak / MIB);
    }
    muster.stop()?;
    Ok(vec![Figure {
        name: "wal",
        what: "MiB of the largest write-ahead log with four busy readers and 64 writing connections",
        goal: Goal::AtMost(80.0),
        rounds: greatest,
        behind: vec![("PATCHes/s meanwhile", patches)],
    }])
}

fn greatest_wal(folder: &Path, over: &AtomicBool) -> f64 {
    let mut greatest = 0;
    while !over.load(Ordering::Relaxed) {
        for name in ["log.db-wal", "current.db-wal", "history.db-wal"] {
            greatest = greatest.max(folder.join(name).metadata().map_or(0, |metadata| metadata.len()));
        }
        std::thread::park_timeout(GLANCE);
    }
    greatest as f64
}
