//! `muster setup watch`: the first steps of a connection, ticked off as they are seen.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::super::call::{Verb, admin, query};
use super::super::exit::{self, Failure};
use super::super::requests::{explained, line};
use super::super::session::{Output, Session};
use super::super::words;

/// How often the service is asked.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(in crate::cli) struct Command {
    /// Name of the tenant.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// Only this client's requests, and those of nobody known.
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// Show it once and end: with 0 if every step has been seen, with 4 if not.
    #[arg(long)]
    once: bool,
}

impl Command {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<u8, Failure> {
        session.refuse_csv()?;
        let path = query(&admin(&self.tenant, &["setup"]), [("client", self.client.as_deref())]);
        let api = session.api()?;
        api.must_run("watch waits for what is asked next")?;
        // What stands on the screen can only be written over where there is one.
        let redraws = session.output == Output::Table && !self.once && std::io::stdout().is_terminal();
        let mut shown: Vec<String> = Vec::new();
        loop {
            let progress = api.send(Verb::Get, &path, None)?;
            let next = match session.output {
                Output::Json => vec![document(&progress)],
                Output::Table | Output::Csv => checklist(&progress, redraws),
            };
            if next != shown {
                session.out.write_all(update(&shown, &next, redraws).as_bytes())?;
                session.out.flush()?;
                shown = next;
            }
            if progress["complete"] == true {
                return Ok(exit::OK);
            }
            if self.once {
                return Ok(exit::FINDINGS);
            }
            wait();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "there is nothing to wait for but time: the next poll")]
fn wait() {
    std::thread::sleep(INTERVAL);
}

/// The document without the log's position, which moves though no step was taken.
fn document(progress: &Value) -> String {
    let mut document = progress.clone();
    if let Some(members) = document.as_object_mut() {
        members.remove("position");
    }
    document.to_string()
}

/// What brings the screen, or a file, from what was shown to what is so now.
fn update(shown: &[String], next: &[String], redraws: bool) -> String {
    let mut text = String::new();
    if redraws && !shown.is_empty() {
        let lines = shown.iter().map(|part| part.lines().count()).sum::<usize>();
        write!(text, "\x1b[{lines}A\x1b[J").expect("writing to a String does not fail");
    }
    let is_new = |part: &&String| redraws || !shown.contains(part);
    for part in next.iter().filter(is_new) {
        text.push_str(part);
        text.push('\n');
    }
    text
}

/// A line for each step, and what was refused last.
fn checklist(progress: &Value, colours: bool) -> Vec<String> {
    let mut parts = Vec::new();
    for step in progress["steps"].as_array().into_iter().flatten() {
        let name = words::value(&step["step"]).replace('_', " ");
        parts.push(match (step["done"] == true, colours) {
            (true, true) => format!("\x1b[32m[x] {name:<24}\x1b[0m {}", words::value(&step["at"])),
            (true, false) => format!("[x] {name:<24} {}", words::value(&step["at"])),
            (false, _) => format!("[ ] {name:<24} {}", words::value(&step["how"])),
        });
    }
    let refused = &progress["refused"];
    if !refused.is_null() {
        let mut text = format!("\nrefused: {}", line(refused));
        for explanation in refused["explanations"].as_array().into_iter().flatten() {
            explained(&mut text, explanation);
        }
        parts.push(text.trim_end().to_owned());
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn progress(done: bool) -> Value {
        let at = done.then_some("2026-11-22T09:31:02.123456Z");
        json!({
            "steps": [
                {"step": "authenticated", "done": true, "at": "2026-11-22T09:31:01.000000Z", "how": "test it"},
                {"step": "user_created", "done": done, "at": at, "how": "assign somebody"},
            ],
            "refused": null, "position": 3,
        })
    }

    #[test]
    fn a_file_gets_each_line_once_and_a_screen_is_written_over() {
        let (before, after) = (checklist(&progress(false), false), checklist(&progress(true), false));
        assert_eq!(
            update(&[], &before, false),
            "[x] authenticated            2026-11-22T09:31:01.000000Z\n[ ] user created             assign somebody\n"
        );
        assert_eq!(
            update(&before, &after, false),
            "[x] user created             2026-11-22T09:31:02.123456Z\n"
        );
        assert!(update(&before, &after, true).starts_with("\x1b[2A\x1b[J[x] authenticated"));
    }

    #[test]
    fn a_refusal_is_shown_with_what_to_do_about_it() {
        let mut progress = progress(false);
        progress["refused"] = json!({
            "at": "2026-11-22T09:31:02.123456Z", "client": null, "method": "GET", "route": "/Users",
            "path": "/acme/scim/v2/Users", "filter": null, "status": 401, "outcome": "refused",
            "code": "token_expired", "results": null, "requests": 1,
            "explanations": [{"code": "token_expired", "why": "Its time is over.", "detail": null,
                              "remedies": [{"who": "operator", "do": "Issue another."}]}],
        });
        let parts = checklist(&progress, false);
        assert!(parts[2].contains("401 refused token_expired"), "{parts:?}");
        assert!(parts[2].ends_with("Do       Issue another."), "{parts:?}");
    }
}
