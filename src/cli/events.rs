//! `muster events …`: what was recorded, in the order of the log.
//!
//! Both commands read page by page and print as they read, so that a log of any length passes through.

use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use provisioning::Header;
use serde::Deserialize as _;
use serde_json::Value;

use super::api::Api;
use super::call::{Verb, audit, query};
use super::exit::{self, Failure};
use super::session::{Output, Session};
use super::table::{csv_header, csv_line, row};
use super::words::{self, shell};

/// Events on a page; the service gives no more than 10,000.
const PAGE_EVENTS: u64 = 1_000;
/// How often `tail` asks for more.
const TAIL_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists events.
    List {
        #[command(flatten)]
        which: Which,
        /// At most that many events.
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Prints events as they are recorded, until it is interrupted.
    Tail {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Name of the tenant.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// Only events behind this revision [default: list from the start, tail from now on].
    #[arg(long, value_name = "REVISION")]
    after: Option<u64>,
    /// Only events about this subject, such as `users/<id>` or `tenant`.
    #[arg(long, value_name = "S")]
    subject: Option<String>,
    /// Only events of this type, such as `user.deactivated`.
    #[arg(long = "type", value_name = "T")]
    r#type: Option<String>,
}

impl Command {
    pub(super) fn run(self, session: &mut Session) -> Result<u8, Failure> {
        match self {
            Self::List { which, limit } => list(session, &which, limit),
            Self::Tail { which } => tail(session, &which),
        }
    }
}

/// Events and the position that an answer speaks up to.
struct Page {
    events: Vec<Value>,
    position: u64,
}

impl Which {
    fn page(&self, api: &Api, after: u64, limit: u64) -> Result<Page, Failure> {
        let (after, limit) = (after.to_string(), limit.to_string());
        let parameters = [
            ("after", Some(after.as_str())),
            ("limit", Some(limit.as_str())),
            ("subject", self.subject.as_deref()),
            ("type", self.r#type.as_deref()),
        ];
        let mut answer = api.send(Verb::Get, &query(&audit(&self.tenant, &["events"]), parameters), None)?;
        let position = answer["position"].as_u64().unwrap_or(0);
        match answer["events"].take() {
            Value::Array(events) => Ok(Page { events, position }),
            _ => Err(Failure::new(exit::FAILURE, "the answer holds no list of events")),
        }
    }
}

fn list(session: &mut Session, which: &Which, limit: Option<u64>) -> Result<u8, Failure> {
    let api = session.api()?;
    let mut left = limit.unwrap_or(u64::MAX);
    let mut after = which.after.unwrap_or(0);
    let mut list = List::new(session.output);
    loop {
        let asked = left.min(PAGE_EVENTS);
        let page = which.page(&api, after, asked)?;
        for event in &page.events {
            session.out.write_all(list.item(event).as_bytes())?;
        }
        left -= asked.min(page.events.len() as u64);
        // A page can be shorter than was asked for, so only one with the last event, or none, is the end.
        match page.events.last().and_then(revision) {
            Some(reached) if left > 0 && reached < page.position => after = reached,
            _ => {
                session.out.write_all(list.end(page.position).as_bytes())?;
                session.out.flush()?;
                return Ok(exit::OK);
            }
        }
    }
}

fn tail(session: &mut Session, which: &Which) -> Result<u8, Failure> {
    let api = session.api()?;
    api.must_run("tail waits for what is recorded next")?;
    let mut after = match which.after {
        Some(after) => after,
        None => which.page(&api, 0, 1)?.position,
    };
    if session.output == Output::Csv {
        session.out.write_all(csv_header(COLUMNS).as_bytes())?;
    }
    loop {
        let page = which.page(&api, after, PAGE_EVENTS).map_err(|failure| {
            let tenant = shell(&which.tenant);
            failure.hint(format!("muster events tail --tenant {tenant} --after {after}"))
        })?;
        for event in &page.events {
            let line = match session.output {
                Output::Json => as_recorded(event) + "\n",
                Output::Csv => csv_line(&row(event, COLUMNS)),
                Output::Table => line(event),
            };
            session.out.write_all(line.as_bytes())?;
        }
        session.out.flush()?;
        match page.events.last().and_then(revision) {
            Some(reached) => after = reached,
            None => wait(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "there is nothing to wait for but time: the next poll")]
fn wait() {
    std::thread::sleep(TAIL_INTERVAL);
}

fn revision(event: &Value) -> Option<u64> {
    event["revision"].as_u64()
}

/// The columns of a list of events.
const COLUMNS: &[&str] =
    &["revision", "recorded_at", "type", "subject", "via", "actor.kind", "actor.id", "active", "attributes"];

/// A list that is printed item by item, as one JSON document with an event a line, as CSV or as text.
struct List {
    output: Output,
    items: usize,
}

impl List {
    fn new(output: Output) -> Self {
        Self { output, items: 0 }
    }

    fn item(&mut self, event: &Value) -> String {
        let first = self.items == 0;
        self.items += 1;
        match self.output {
            Output::Json => (if first { "{\"events\":[\n" } else { ",\n" }).to_owned() + &as_recorded(event),
            Output::Csv => {
                (if first { csv_header(COLUMNS) } else { String::new() }) + &csv_line(&row(event, COLUMNS))
            }
            Output::Table => line(event),
        }
    }

    fn end(&self, position: u64) -> String {
        match (self.output, self.items) {
            (Output::Json, 0) => format!("{{\"events\":[],\"position\":{position}}}\n"),
            (Output::Json, _) => format!("\n],\"position\":{position}}}\n"),
            (Output::Csv, 0) => csv_header(COLUMNS),
            (Output::Csv, _) => String::new(),
            (Output::Table, 0) => format!("no events, log position {position}\n"),
            (Output::Table, _) => format!("\nlog position {position}\n"),
        }
    }
}

/// An event as JSON, in the order in which the header's bytes were stored: `docs/events.md` reads so. A header of
/// a format that this program does not know comes as it came.
fn as_recorded(event: &Value) -> String {
    let header = match Header::deserialize(event) {
        Ok(header) if header.v == Header::FORMAT => header,
        _ => return event.to_string(),
    };
    let header = String::from_utf8(header.to_bytes()).expect("JSON is UTF-8");
    let header = header.strip_suffix('}').expect("a header is an object");
    format!("{header},\"data\":{}}}", event["data"])
}

/// An event as a line for people: which, when, what, about whom, by whom.
fn line(event: &Value) -> String {
    let [revision, recorded_at, r#type, subject, via, kind] =
        [&COLUMNS[0], &COLUMNS[1], &COLUMNS[2], &COLUMNS[3], &COLUMNS[4], &COLUMNS[5]]
            .map(|column| words::value(&row(event, &[column])[0]));
    format!("{revision:<8}  {recorded_at}  {type:<27}  {subject:<43}  {via} by {kind}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(revision: u64, r#type: &str) -> Value {
        json!({
            "revision": revision, "recorded_at": "2026-11-22T09:31:02.123456Z", "type": r#type,
            "subject": "users/01931d3c-0000-7000-8000-000000000001", "via": "scim.patch",
            "actor": { "kind": "client", "id": "c1", "token": "t1" }, "active": [true, false],
            "attributes": ["displayName"], "data": { "patch": { "displayName": "A" } },
        })
    }

    fn printed(output: Output, events: &[Value]) -> String {
        let mut list = List::new(output);
        let items: String = events.iter().map(|event| list.item(event)).collect();
        items + &list.end(7)
    }

    #[test]
    fn a_list_is_one_json_document_as_the_service_answers_it() {
        let events = [event(1, "user.created"), event(2, "user.deactivated")];
        let read: Value = serde_json::from_str(&printed(Output::Json, &events)).unwrap();
        assert_eq!(read, json!({ "events": events, "position": 7 }));
        let read: Value = serde_json::from_str(&printed(Output::Json, &[])).unwrap();
        assert_eq!(read, json!({ "events": [], "position": 7 }));
    }

    #[test]
    fn json_has_the_headers_fields_in_the_order_of_the_log_and_data_last() {
        let stored = r#"{"v":1,"stream":"01931d3c-0000-7000-8000-000000000001","revision":7,"id":"01931d3c-0000-7000-8000-000000000002","type":"user.deactivated","format":1,"subject":"users/01931d3c-0000-7000-8000-000000000003","attributes":["active"],"active":[true,false],"received_at":null,"recorded_at":"2026-11-22T09:31:02.123456Z","actor":{"kind":"system","id":null,"token":null},"via":"system","request":null,"txn":{"id":"01931d3c-0000-7000-8000-000000000004","n":1,"of":1},"cause":null,"key":3,"payload":"sha256:00"}"#;
        let mut event: Value = serde_json::from_str(stored).unwrap();
        event["data"] = json!({"patch": {"active": false}});
        let whole = format!("{},\"data\":{{\"patch\":{{\"active\":false}}}}}}", &stored[..stored.len() - 1]);
        assert_eq!(
            printed(Output::Json, &[event.clone()]),
            format!("{{\"events\":[\n{whole}\n],\"position\":7}}\n")
        );
        event["v"] = json!(2);
        event["new"] = json!("kept");
        let read: Value = serde_json::from_str(&as_recorded(&event)).unwrap();
        assert_eq!(read, event, "what is not known is not left out");
    }

    #[test]
    fn people_see_a_line_for_each_event() {
        insta::assert_snapshot!(printed(Output::Table, &[event(1, "user.created"), event(12, "user.deactivated")]), @r"
        1         2026-11-22T09:31:02.123456Z  user.created                 users/01931d3c-0000-7000-8000-000000000001   scim.patch by client
        12        2026-11-22T09:31:02.123456Z  user.deactivated             users/01931d3c-0000-7000-8000-000000000001   scim.patch by client

        log position 7
        ");
        assert_eq!(printed(Output::Table, &[]), "no events, log position 7\n");
    }

    #[test]
    fn csv_has_its_header_once() {
        insta::assert_snapshot!(printed(Output::Csv, &[event(1, "user.created"), event(2, "user.updated")]), @r#"
        revision,recorded_at,type,subject,via,actor.kind,actor.id,active,attributes
        1,2026-11-22T09:31:02.123456Z,user.created,users/01931d3c-0000-7000-8000-000000000001,scim.patch,client,c1,"true, false",displayName
        2,2026-11-22T09:31:02.123456Z,user.updated,users/01931d3c-0000-7000-8000-000000000001,scim.patch,client,c1,"true, false",displayName
        "#);
    }
}
