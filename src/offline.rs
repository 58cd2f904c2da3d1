//! Reading a data folder whose server is stopped: the same reports, without HTTP.
//!
//! Takes the folder's lock, opens the tenants as `serve` would (views catch up), answers, and lets go.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::app::{DataLock, Sources, open_directories};
use crate::config::Limits;
use crate::reports::{self, EventLimits, Parameters, Report, ReportError};
use crate::tasks::Tasks;

/// How long followers may take to stop.
const TASKS_PATIENCE: Duration = Duration::from_secs(10);

/// Answers a report: the status that the server would give, and the JSON.
pub fn get(
    data: &Path,
    master_key_file: Option<&Path>,
    path_and_query: &str,
) -> anyhow::Result<(u16, Value)> {
    let lock = DataLock::take(data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("runtime")?;
    let answer = runtime.block_on(answer(data, master_key_file, path_and_query));
    drop(lock);
    answer
}

async fn answer(
    data: &Path,
    master_key_file: Option<&Path>,
    path_and_query: &str,
) -> anyhow::Result<(u16, Value)> {
    let tasks = Arc::new(Tasks::new(tokio::runtime::Handle::current())?);
    let directories = open_directories(data, master_key_file, Arc::clone(&tasks), Sources::default()).await?;
    for directory in directories.tenants() {
        let mut position = directory.history_position();
        let up_to = directory.position();
        let _reached =
            position.wait_for(|position| *position >= up_to || directory.halted().is_some()).await?;
    }
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let parameters = crate::query::decode(query)?;
    let limits = Limits::default();
    let limits = EventLimits { default: limits.page_events_default, max: limits.page_events_max };
    let outcome = match segments.as_slice() {
        ["admin", "v1", "outbox"] => reports::outbox(&directories, None),
        ["admin", "v1", "tenants", name, "projections", "check"] => {
            reports::tenant(&directories, name).and_then(|directory| reports::check(&directory))
        }
        // Whoever reads the folder is its operator.
        ["audit", "v1", name, "why"] => {
            let path = ["admin", "v1", "tenants", name, "why"];
            reports::get(&directories, &path, Parameters(&parameters), limits).map(Report::into_value)
        }
        path => reports::get(&directories, path, Parameters(&parameters), limits).map(Report::into_value),
    };
    tasks.shut_down(TASKS_PATIENCE).await;
    match outcome {
        Ok(answer) => Ok((200, answer)),
        Err(ReportError::NotFound { code, detail }) => {
            Ok((404, json!({"error": {"code": code, "detail": detail}})))
        }
        Err(ReportError::Invalid { code, detail }) => {
            Ok((400, json!({"error": {"code": code, "detail": detail}})))
        }
        Err(ReportError::Unavailable { code, detail }) => {
            Ok((503, json!({"error": {"code": code, "detail": detail}})))
        }
        Err(other) => Err(other.into()),
    }
}
