//! Rebuilding the views online, and checking them.
//!
//! A rebuild fills new files beside the live ones while everything goes on, catches up the rest under the
//! writer's lock, and swaps by rename. A check does the same up to one revision and compares every row. Both
//! recompute the log's tree. Only one of them runs at a time for a tenant: they use the same files, and no file is
//! swapped while a check reads it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};

use projections::current::CurrentWriter;
use projections::history::HistoryWriter;
use projections::{Position, ViewError};
use provisioning::Revision;
use serde::Serialize;

use super::Directory;
use super::ahead::{self, Step};
use super::catch_up::{self, CatchUpError};
use super::condition::View;
use super::open::remove_view;
use super::writer::Writer;

/// Where a rebuild stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Progress {
    /// `idle`, `running`, `done` or `failed`.
    pub state: RebuildState,
    /// How many of the log's events are taken in; one that only one of the two views has counts half.
    pub events_done: u64,
    /// The log's events when it began.
    pub events_total: u64,
    /// Why it failed.
    pub error: Option<String>,
}

/// The state of a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum RebuildState {
    /// None was asked for since the start.
    #[default]
    Idle,
    /// Under way.
    Running,
    /// The views were swapped.
    Done,
    /// The live views are as they were.
    Failed,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Whether every table of both views equals its rebuilt twin.
    pub equal: bool,
    /// The revision at which they were compared.
    pub position: Revision,
    /// View by view.
    pub views: Vec<ViewReport>,
}

/// What a check found in one view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ViewReport {
    /// `current` or `history`.
    pub view: &'static str,
    /// Whether all tables are equal.
    pub equal: bool,
    /// Why it could not be compared: it is damaged, and made anew without anybody's hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Table by table.
    pub tables: Vec<TableReport>,
}

/// What a check found in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Whether every row is the same.
    pub equal: bool,
}

impl Directory {
    /// Where the rebuild stands.
    pub fn rebuild_progress(&self) -> Progress {
        self.rebuild.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a rebuild of both views; `false` if one is running.
    pub fn start_rebuild(self: &Arc<Self>) -> bool {
        {
            let mut progress = self.rebuild.lock().unwrap_or_else(PoisonError::into_inner);
            if progress.state == RebuildState::Running {
                return false;
            }
            *progress = Progress {
                state: RebuildState::Running,
                events_total: self.position().0,
                ..Progress::default()
            };
        }
        let directory = Arc::clone(self);
        self.tasks.spawn(async move {
            let worker = Arc::clone(&directory);
            let outcome = directory.tasks.block(move || worker.rebuild()).await;
            let mut progress = directory.rebuild.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(()) => {
                    progress.state = RebuildState::Done;
                    progress.events_done = progress.events_total;
                }
                Err(error) => {
                    tracing::error!(tenant.id = directory.tenant, error = %error, "rebuild failed: {error}");
                    progress.state = RebuildState::Failed;
                    progress.error = Some(error.to_string());
                }
            }
        });
        true
    }

    fn rebuild(&self) -> Result<(), CatchUpError> {
        let _alone = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        let total = self.position();
        let (current, history) = (AtomicU64::new(0), AtomicU64::new(0));
        let reached = |view: &AtomicU64, at: Revision| {
            view.store(at.0, Ordering::Relaxed);
            self.rebuilt(current.load(Ordering::Relaxed) + history.load(Ordering::Relaxed));
        };
        let paths = (self.beside("current.db", "rebuild"), self.beside("history.db", "rebuild"));
        let fill_current = |steps: Receiver<Step>| {
            self.build_current(&paths.0, |view| {
                steps.iter().try_for_each(|step| {
                    catch_up::take_in(view, step.events, step.root)?;
                    reached(&current, view.position()?.revision);
                    Ok(())
                })
            })
        };
        let fill_history = |steps: Receiver<Step>| {
            self.build_history(&paths.1, |view| {
                steps.iter().try_for_each(|step| {
                    view.apply(&step.events, step.root)?;
                    reached(&history, view.position()?.revision);
                    Ok(())
                })
            })
        };
        // The views know nothing of the tree beyond its leaves, so it is seen to at the same time.
        let built = std::thread::scope(|scope| {
            let tree = scope.spawn(|| self.log.check_tree(total));
            let built = ahead::feed(self.log.as_ref(), &self.keys, total, fill_current, fill_history);
            let tree = tree.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            built.and(tree.map_err(CatchUpError::from))
        });
        self.halting(built)?;
        self.halting(self.swap_current(&paths.0).and_then(|()| self.swap_history(&paths.1)))
    }

    /// Makes one view anew.
    pub(super) fn make_anew(&self, view: View) -> Result<(), CatchUpError> {
        let _alone = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        match view {
            View::Current => {
                let path = self.beside("current.db", "rebuild");
                self.current_up_to(&path, self.position())?;
                self.swap_current(&path)
            }
            View::History => {
                let path = self.beside("history.db", "rebuild");
                self.history_up_to(&path, self.position())?;
                self.swap_history(&path)
            }
        }
    }

    /// What the log cannot give to a new view, it cannot give to anybody.
    fn halting<T>(&self, built: Result<T, CatchUpError>) -> Result<T, CatchUpError> {
        built.inspect_err(|error| {
            if error.is_final() {
                self.halt(error.to_string());
            }
        })
    }

    /// So many events were taken in, those of both views counted.
    fn rebuilt(&self, events: u64) {
        let mut progress = self.rebuild.lock().unwrap_or_else(PoisonError::into_inner);
        progress.events_done = (events / 2).min(progress.events_total);
    }

    fn beside(&self, view: &str, purpose: &str) -> PathBuf {
        self.folder.join(format!("{view}.{purpose}"))
    }

    /// Begins a new file, fills it as fast as possible and closes it.
    fn build_current(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut CurrentWriter) -> Result<(), CatchUpError>,
    ) -> Result<(), CatchUpError> {
        remove_view(path);
        let mut view = CurrentWriter::open_for_rebuild(path, self.stream)?;
        fill(&mut view)?;
        Ok(view.finish()?)
    }

    /// Likewise.
    fn build_history(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut HistoryWriter) -> Result<(), CatchUpError>,
    ) -> Result<(), CatchUpError> {
        remove_view(path);
        let mut view = HistoryWriter::open_for_rebuild(path, self.stream)?;
        fill(&mut view)?;
        Ok(view.finish()?)
    }

    /// Builds one view alone.
    fn current_up_to(&self, path: &Path, up_to: Revision) -> Result<(), CatchUpError> {
        let log = self.log.as_ref();
        self.build_current(path, |view| catch_up::current(view, log, &self.keys, up_to).map(drop))
    }

    /// Likewise.
    fn history_up_to(&self, path: &Path, up_to: Revision) -> Result<(), CatchUpError> {
        let log = self.log.as_ref();
        self.build_history(path, |view| catch_up::history(view, log, &self.keys, up_to, |_| ()).map(drop))
    }

    /// Takes in what was written meanwhile, while no batch runs, and swaps the files.
    fn swap_current(&self, path: &Path) -> Result<(), CatchUpError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rebuilt = CurrentWriter::open(path, self.stream)?;
        let head = self.log.head()?.revision;
        catch_up::current(&mut rebuilt, self.log.as_ref(), &self.keys, head)?;
        drop(rebuilt);
        projections::current::settle(path)?;
        let Some(old) = writer.take() else { return Ok(()) };
        drop(old.view);
        let live = self.folder.join("current.db");
        let view = self
            .current_readers
            .closed(|| {
                projections::current::replace(&live, path)?;
                CurrentWriter::open(&live, self.stream)
            })
            .inspect_err(|error| self.halt(format!("current.db could not be swapped: {error}")))?;
        *writer = Some(Writer { view, ..old });
        self.known.moved(None);
        self.condition.set_sound(View::Current);
        Ok(())
    }

    /// Likewise; the follower waits.
    fn swap_history(&self, path: &Path) -> Result<(), CatchUpError> {
        let mut history = self.history_writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rebuilt = HistoryWriter::open(path, self.stream)?;
        catch_up::history(&mut rebuilt, self.log.as_ref(), &self.keys, self.position(), |_| ())?;
        drop(rebuilt);
        projections::history::settle(path)?;
        drop(history.take());
        let live = self.folder.join("history.db");
        let view = self
            .history_readers
            .closed(|| {
                projections::history::replace(&live, path)?;
                HistoryWriter::open(&live, self.stream)
            })
            .inspect_err(|error| self.halt(format!("history.db could not be swapped: {error}")))?;
        self.history_position.send_replace(view.position()?.revision);
        *history = Some(view);
        self.condition.set_sound(View::History);
        Ok(())
    }

    /// Builds both views aside and compares every table with the live ones. Blocks; writes go on meanwhile.
    pub fn check_views(&self) -> Result<CheckReport, CatchUpError> {
        let _alone = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        let compared = self.compare_views();
        self.halting(compared)
    }

    fn compare_views(&self) -> Result<CheckReport, CatchUpError> {
        self.log.check_tree(self.position())?;
        let mut position = self.position();
        let current = match self.live_tables(View::Current, "current", "current.db") {
            Ok((at, live)) => {
                position = at.revision;
                let aside = self.beside("current.db", "check");
                self.current_up_to(&aside, position)?;
                compare("current", &live, &aside)?
            }
            Err(error) => damaged("current", error)?,
        };
        let history = match self.live_tables(View::History, "history", "history.db") {
            Ok((at, live)) => {
                let aside = self.beside("history.db", "check");
                self.history_up_to(&aside, at.revision)?;
                compare("history", &live, &aside)?
            }
            Err(error) => damaged("history", error)?,
        };
        let equal = current.equal && history.equal;
        Ok(CheckReport { equal, position, views: vec![current, history] })
    }

    /// Reads every page of a live view, which may show that it is damaged.
    fn live_tables(
        &self,
        view: View,
        name: &'static str,
        file: &str,
    ) -> Result<(Position, Tables), ViewError> {
        let path = self.folder.join(file);
        let tables = if path.exists() {
            projections::digest::tables_at(&path)
        } else {
            let reason = "somebody has removed the file".to_owned();
            Err(ViewError::Broken { view: name, reason })
        };
        tables.inspect_err(|error| self.notice(view, Some(error)))
    }
}

/// The report on a view that cannot be compared because it is damaged; any other error stays one.
fn damaged(view: &'static str, error: ViewError) -> Result<ViewReport, CatchUpError> {
    match error {
        ViewError::Broken { .. } | ViewError::Stale { .. } => {
            Ok(ViewReport { view, equal: false, damage: Some(error.to_string()), tables: Vec::new() })
        }
        other => Err(other.into()),
    }
}

type Tables = std::collections::BTreeMap<String, String>;

fn compare(view: &'static str, live: &Tables, aside: &Path) -> Result<ViewReport, CatchUpError> {
    let rebuilt = projections::digest::tables(aside)?;
    remove_view(aside);
    let names: std::collections::BTreeSet<&String> = live.keys().chain(rebuilt.keys()).collect();
    let tables: Vec<TableReport> = names
        .into_iter()
        .map(|table| TableReport { table: table.clone(), equal: live.get(table) == rebuilt.get(table) })
        .collect();
    Ok(ViewReport { view, equal: tables.iter().all(|table| table.equal), damage: None, tables })
}
