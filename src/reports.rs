//! Everything that can be asked without changing anything: tenants and their settings, events, timelines, access.
//!
//! One entry, [`get`], serves the admin and audit interfaces of a running server and the CLI on a stopped
//! folder alike, so that both give the same JSON. It blocks, and knows neither HTTP nor who asks.

mod access;
mod events;
mod observe;
mod outbox;
mod remedies;
mod requests;
mod setup;
mod tenants;
mod timeline;
mod why;

use std::sync::Arc;

use projections::ViewError;
use serde_json::{Value, json};

use crate::directories::{Closed, Directories};
use crate::directory::catch_up::CatchUpError;
use crate::directory::{Directory, ReadingError};
pub use outbox::status as outbox;
pub use setup::{Address, progress as setup_progress, sheet as setup_sheet};
pub use tenants::client;

/// A request for a report that cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no such thing.
    #[error("{detail}")]
    NotFound {
        /// Stable code.
        code: &'static str,
        /// One sentence.
        detail: String,
    },
    /// A parameter is missing or cannot be read.
    #[error("{detail}")]
    Invalid {
        /// Stable code.
        code: &'static str,
        /// One sentence.
        detail: String,
    },
    /// The tenant answers nothing.
    #[error("{detail}")]
    Unavailable {
        /// Stable code.
        code: &'static str,
        /// One sentence.
        detail: String,
    },
    /// A view failed.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] CatchUpError),
}

impl ReadingError for ReportError {
    fn view_error(&self) -> Option<&ViewError> {
        match self {
            Self::View(error) => Some(error),
            Self::NotFound { .. } | Self::Invalid { .. } | Self::Unavailable { .. } | Self::Log(_) => None,
        }
    }
}

impl ReportError {
    fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid { code, detail: detail.into() }
    }

    fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::NotFound { code, detail: detail.into() }
    }
}

/// The parameters of a request for a report.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'p>(pub &'p [(String, String)]);

impl<'p> Parameters<'p> {
    /// The value of a parameter; the first one counts.
    pub fn get(self, name: &str) -> Option<&'p str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn number(self, name: &str, default: u64) -> Result<u64, ReportError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let wrong = || ReportError::invalid("parameter_invalid", format!("`{name}` must be a whole number"));
        text.parse().map_err(|_| wrong())
    }
}

/// How many events an answer has.
#[derive(Debug, Clone, Copy)]
pub struct EventLimits {
    /// When nobody says.
    pub default: usize,
    /// Whatever is asked for.
    pub max: usize,
}

/// A report, which is one JSON document.
#[derive(Debug)]
pub enum Report {
    /// As a value.
    Value(Value),
    /// As text: a long one takes no more memory than it has bytes.
    Text(String),
}

impl Report {
    /// The document, whichever way it was put together.
    pub fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Text(text) => serde_json::from_str(&text).expect("a report is JSON"),
        }
    }
}

/// What traps tell people to do, by their names.
#[cfg(test)]
pub fn told_by_traps() -> Vec<(&'static str, &'static str)> {
    why::told_by_traps()
}

/// Answers a report; `path` are the segments behind `/`, beginning with `admin`/`audit` and `v1`.
pub fn get(
    directories: &Directories,
    path: &[&str],
    parameters: Parameters<'_>,
    limits: EventLimits,
) -> Result<Report, ReportError> {
    if let ["audit", "v1", name, "events"] = path {
        return events::page(&*tenant(directories, name)?, parameters, limits).map(Report::Text);
    }
    value(directories, path, parameters, limits).map(Report::Value)
}

fn value(
    directories: &Directories,
    path: &[&str],
    parameters: Parameters<'_>,
    limits: EventLimits,
) -> Result<Value, ReportError> {
    let now = || directories.shared().clock.now();
    match path {
        ["admin", "v1", "tenants"] => Ok(tenants::list(directories)),
        ["admin", "v1", "tenants", name] => tenants::show(directories, name),
        ["admin", "v1", "tenants", name, "clients"] => Ok(tenants::clients(&*tenant(directories, name)?)),
        ["admin", "v1", "tenants", name, "tokens"] => {
            Ok(tenants::tokens(&*tenant(directories, name)?, now()))
        }
        ["admin", "v1", "operators"] => Ok(tenants::operators(directories)),
        ["audit", "v1", name, "timeline"] => timeline::of(directories, name, parameters),
        ["audit", "v1", name, "observe"] => observe::report(directories, name, parameters, limits),
        ["audit", "v1", name, "access"] => access::at(&*tenant(directories, name)?, parameters),
        ["audit", "v1", name, "requests"] => requests::list(&*tenant(directories, name)?, parameters),
        ["audit", "v1", name, "requests", id] => requests::show(&*tenant(directories, name)?, id),
        ["audit", "v1", name, "why"] => why::of(&*tenant(directories, name)?, None, now(), parameters),
        ["admin", "v1", "requests"] => requests::list(directories.system(), parameters),
        ["admin", "v1", "requests", id] => requests::show(directories.system(), id),
        // What an operator is answered at the auditors' path.
        ["admin", "v1", "tenants", name, "why"] => {
            why::of(&*tenant(directories, name)?, Some(directories.system()), now(), parameters)
        }
        _ => Err(ReportError::not_found("route_not_found", "there is nothing at this path")),
    }
}

/// The views of a tenant checked against a rebuild.
pub fn check(directory: &Directory) -> Result<Value, ReportError> {
    let report = directory.check_views()?;
    Ok(json!(report))
}

/// An open tenant that is not halted.
pub fn tenant(directories: &Directories, name: &str) -> Result<Arc<Directory>, ReportError> {
    let unavailable = |closed: &Closed| {
        let how = if let Closed::Waiting(_) = closed { "cannot be opened now" } else { "is halted" };
        let detail = format!("tenant `{name}` {how}: {}", closed.reason());
        ReportError::Unavailable { code: closed.code(), detail }
    };
    let Some(directory) = directories.tenant(name) else {
        let not_found =
            || ReportError::not_found("tenant_not_found", format!("there is no open tenant `{name}`"));
        return Err(directories.why_closed(name).as_ref().map_or_else(not_found, unavailable));
    };
    match directory.halted() {
        Some(reason) => Err(unavailable(&Closed::Halted(reason))),
        None => Ok(directory),
    }
}
