//! `muster projections …`: builds the views anew while they are in use, or proves that they are what the log says.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::call::{Call, Verb, View, admin};
use super::exit::{self, Failure};
use super::session::Session;
use super::words;

/// How often a running rebuild is asked how far it is.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Builds a tenant's views anew from its log, while reads go on.
    Rebuild {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
    },
    /// Rebuilds aside and compares every table; exit code 3 if one differs.
    Check {
        /// Name of the tenant.
        #[arg(long, value_name = "ID")]
        tenant: String,
    },
}

impl Command {
    pub(super) fn run(self, session: &mut Session) -> Result<u8, Failure> {
        match self {
            Self::Rebuild { tenant } => rebuild(session, &tenant),
            Self::Check { tenant } => {
                let path = admin(&tenant, &["projections", "check"]);
                let call = Call { verdict, ..Call::new(Verb::Examine, path, View::Text(compared)) };
                session.perform(&call)
            }
        }
    }
}

fn rebuild(session: &mut Session, tenant: &str) -> Result<u8, Failure> {
    session.refuse_csv()?;
    let path = admin(tenant, &["projections", "rebuild"]);
    let api = session.api()?;
    api.send(Verb::Post, &path, None)?;
    let mut progress = Progress::new();
    let finished = loop {
        let status = api.send(Verb::Get, &path, None)?;
        match status["state"].as_str() {
            Some("done") => break status,
            Some("failed") => {
                let error = words::value(&status["error"]);
                return Err(Failure::new(exit::FAILURE, format!("the views were not replaced: {error}")));
            }
            Some("running") => progress.show(&status),
            _ => {
                let message = "the rebuild was lost: the service must have been started again";
                return Err(Failure::new(exit::FAILURE, message));
            }
        }
        wait();
    };
    progress.end();
    session.show(View::Text(rebuilt), &finished)?;
    Ok(exit::OK)
}

#[expect(clippy::disallowed_methods, reason = "there is nothing to wait for but time: the next poll")]
fn wait() {
    std::thread::sleep(POLL_INTERVAL);
}

/// How far a rebuild is: a bar on a terminal, a line for every tenth where stderr is a file or a pipe.
enum Progress {
    Bar(ProgressBar),
    Lines { tenths: u64 },
}

impl Progress {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { tenths: 0 };
        }
        let style = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} events, {eta} left")
            .expect("the template is well formed");
        Self::Bar(ProgressBar::no_length().with_style(style))
    }

    fn show(&mut self, status: &Value) {
        let done = status["events_done"].as_u64().unwrap_or(0);
        let total = status["events_total"].as_u64().unwrap_or(0).max(1);
        match self {
            Self::Bar(bar) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            Self::Lines { tenths } => {
                let reached = done.saturating_mul(10) / total;
                if reached > *tenths {
                    *tenths = reached;
                    // Progress that cannot be shown must not end the rebuild's watching.
                    let _unheard = std::io::Write::write_all(
                        &mut std::io::stderr(),
                        format!("rebuilt {done} of {total} events\n").as_bytes(),
                    );
                }
            }
        }
    }

    fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn rebuilt(status: &Value) -> String {
    format!("the views are built anew from {} events\n", words::value(&status["events_done"]))
}

fn verdict(answer: &Value) -> u8 {
    if answer["equal"] == true { exit::OK } else { exit::VERIFICATION_FAILED }
}

fn compared(answer: &Value) -> String {
    let views = answer["views"].as_array().into_iter().flatten();
    let damaged = views.clone().filter(|view| !view["damage"].is_null()).map(|view| {
        let [name, damage] = ["view", "damage"].map(|key| words::value(&view[key]));
        format!("DAMAGED  {name}: {damage}; it is made anew by itself, check again then\n")
    });
    let lines = views.flat_map(|view| {
        view["tables"].as_array().into_iter().flatten().map(|table| {
            let state = if table["equal"] == true { "equal" } else { "DIFFERS" };
            format!("{state:<7}  {}.{}\n", words::value(&view["view"]), words::value(&table["table"]))
        })
    });
    let text = damaged.chain(lines).collect::<String>();
    let position = words::value(&answer["position"]);
    let conclusion = if answer["equal"] == true {
        "the views equal what the log says"
    } else {
        "the views are not what the log says; mend them by `muster projections rebuild`"
    };
    format!("{text}\n{conclusion}, log position {position}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_that_differs_is_named_and_fails_the_check() {
        let answer = json!({ "equal": false, "position": 12, "views": [
            { "view": "current", "equal": false, "tables": [
                { "table": "users", "equal": true }, { "table": "memberships", "equal": false }] },
            { "view": "history", "equal": true, "tables": [{ "table": "versions", "equal": true }] },
        ] });
        insta::assert_snapshot!(compared(&answer), @r"
        equal    current.users
        DIFFERS  current.memberships
        equal    history.versions

        the views are not what the log says; mend them by `muster projections rebuild`, log position 12
        ");
        assert_eq!(verdict(&answer), exit::VERIFICATION_FAILED);
        let damaged = json!({ "equal": false, "position": 12, "views": [
            { "view": "history", "equal": false, "damage": "history.db cannot be read", "tables": [] },
        ] });
        assert!(
            compared(&damaged).starts_with("DAMAGED  history: history.db cannot be read; it is made anew")
        );
        assert_eq!(verdict(&json!({ "equal": true })), exit::OK);
        assert_eq!(verdict(&json!({})), exit::VERIFICATION_FAILED);
    }
}
