//! What failed, each with its meaning, as it is answered.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::acts::Failed;
use crate::directory::Directory;
use crate::explanations::{self, Remedy, Who};
use crate::reports::remedies::Names;
use crate::request_log::{Reader, Row};

/// One failure of one request.
pub(super) struct Failure<'r> {
    pub(super) row: &'r Row,
    pub(super) code: String,
    pub(super) status: Option<u64>,
    pub(super) detail: Value,
    /// `person`, or `membership` of them in a group.
    pub(super) about: Option<&'static str>,
    pub(super) settled: bool,
}

impl<'r> Failure<'r> {
    pub(super) fn new(row: &'r Row, failed: &Failed) -> Self {
        Self {
            row,
            code: failed.code.clone(),
            status: failed.status,
            detail: failed.detail.clone(),
            about: None,
            settled: false,
        }
    }

    /// The failures of a request, whomever it was about.
    pub(super) fn of(reader: &Reader, row: &'r Row) -> Vec<Self> {
        let contents = reader.detail(row).unwrap_or_default();
        let codes = row.code.as_deref().unwrap_or_default().split(", ");
        codes
            .map(|code| Self {
                row,
                code: code.to_owned(),
                status: row.status.map(u64::from),
                detail: contents["detail"].clone(),
                about: None,
                settled: false,
            })
            .collect()
    }
}

/// What is done about a failure instead of what its explanation says.
pub(super) type Advice<'a> = &'a dyn Fn(&Failure<'_>, Vec<Remedy>) -> Vec<Remedy>;

/// Failures by what failed, each with its meaning: what is not settled first, and the last one first.
pub(super) fn of(directory: &Directory, failures: &[Failure<'_>], advice: Advice<'_>) -> Vec<Value> {
    let mut by_code: BTreeMap<(&str, Option<&str>), Vec<&Failure<'_>>> = BTreeMap::new();
    for failure in failures {
        by_code.entry((&failure.code, failure.about)).or_default().push(failure);
    }
    let mut found: Vec<((bool, u64), Value)> = by_code
        .into_values()
        .filter_map(|mut all| {
            let is_open = all.iter().any(|failure| !failure.settled);
            all.retain(|failure| failure.settled != is_open);
            let (first, last) = (all.first()?, all.last()?);
            let explanation = explanations::of(&last.code);
            let names = Names::of(directory, Some(last.row));
            let remedies: Option<Vec<Remedy>> = explanation.map(|it| advice(last, names.remedies(it)));
            let who: Option<Who> = remedies.as_ref().and_then(|all| Some(all.first()?.who));
            let mut finding = json!({
                "code": last.code,
                "status": last.status,
                "why": explanation.map(|it| &it.why),
                "detail": last.detail,
                "who": who,
                "remedies": remedies,
                "requests": all.len(),
                "first_at": first.row.at,
                "last_at": last.row.at,
                "request": last.row.id,
            });
            if let Some(about) = last.about {
                finding["about"] = about.into();
                finding["settled"] = (!is_open).into();
            }
            Some(((is_open, last.row.number), finding))
        })
        .collect();
    found.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// What the table of codes says.
pub(super) fn as_explained(_: &Failure<'_>, remedies: Vec<Remedy>) -> Vec<Remedy> {
    remedies
}
