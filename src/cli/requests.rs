//! `muster requests …`: what identity providers asked, and what became of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::Api;
use super::call::{Call, Verb, View, audit, path, query};
use super::exit::Failure;
use super::session::{Output, Session};
use super::table::{Table, csv_header, csv_line, row};
use super::words::{self, shell};

/// Requests on a page of `tail`; the service gives no more.
const PAGE_REQUESTS: u64 = 1_000;
/// How often `tail` asks for more.
const TAIL_INTERVAL: Duration = Duration::from_millis(500);

const COLUMNS: &[&str] = &[
    "number",
    "at",
    "client.name",
    "method",
    "route",
    "filter",
    "status",
    "outcome",
    "code",
    "requests",
    "id",
];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the newest requests, oldest first.
    List {
        #[command(flatten)]
        which: Which,
        /// At most that many requests [default: 100].
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Shows one request with everything that is kept of it, and what its codes mean.
    Show {
        /// Name of the tenant; without it, a request that reached none.
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// Id of the request, as `X-Request-Id` has it.
        request: String,
    },
    /// Prints requests as they are answered, until it is interrupted.
    Tail {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Name of the tenant; without it, requests that reached none.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Only requests that name this person: an id, userName or e-mail address.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only requests that were refused or failed.
    #[arg(long)]
    failed: bool,
    /// Only requests behind this number.
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
}

fn log_of(tenant: Option<&str>, rest: &[&str]) -> String {
    match tenant {
        Some(tenant) => audit(tenant, &[&["requests"], rest].concat()),
        None => path(&[&["admin", "v1", "requests"], rest].concat()),
    }
}

impl Which {
    fn path(&self, after: Option<u64>, limit: Option<u64>) -> String {
        let (after, limit) = (after.map(|it| it.to_string()), limit.map(|it| it.to_string()));
        let parameters = [
            ("after", after.as_deref()),
            ("limit", limit.as_deref()),
            ("user", self.user.as_deref()),
            ("failed", self.failed.then_some("true")),
        ];
        query(&log_of(self.tenant.as_deref(), &[]), parameters)
    }
}

impl Command {
    pub(super) fn run(self, session: &mut Session) -> Result<u8, Failure> {
        match self {
            Self::List { which, limit } => {
                session.perform(&Call::new(Verb::Get, which.path(which.after, limit), View::Rows(rows)))
            }
            Self::Show { tenant, request } => {
                let path = log_of(tenant.as_deref(), &[&request]);
                session.perform(&Call::new(Verb::Get, path, View::Text(text)))
            }
            Self::Tail { which } => tail(session, &which),
        }
    }
}

fn rows(answer: &Value) -> Table {
    let [logged, dropped, pruned] = ["logged", "dropped", "pruned"].map(|name| words::value(&answer[name]));
    Table::of(&answer["requests"], COLUMNS)
        .summary(format!("{logged} requests logged, {dropped} dropped, {pruned} removed since"))
}

fn tail(session: &mut Session, which: &Which) -> Result<u8, Failure> {
    let api = session.api()?;
    api.must_run("tail waits for what is asked next")?;
    let ask = |api: &Api, after, limit| api.send(Verb::Get, &which.path(after, Some(limit)), None);
    let mut after = match which.after {
        Some(after) => after,
        None => ask(&api, None, 0)?["last"].as_u64().unwrap_or(0),
    };
    if session.output == Output::Csv {
        session.out.write_all(csv_header(COLUMNS).as_bytes())?;
    }
    loop {
        let answer = ask(&api, Some(after), PAGE_REQUESTS).map_err(|failure| {
            let tenant = which.tenant.as_deref().map(|tenant| format!(" --tenant {}", shell(tenant)));
            failure.hint(format!("muster requests tail{} --after {after}", tenant.unwrap_or_default()))
        })?;
        let requests = answer["requests"].as_array().map_or(&[][..], Vec::as_slice);
        for request in requests {
            let line = match session.output {
                Output::Json => format!("{request}\n"),
                Output::Csv => csv_line(&row(request, COLUMNS)),
                Output::Table => line(request),
            };
            session.out.write_all(line.as_bytes())?;
        }
        session.out.flush()?;
        after = requests.last().and_then(|request| request["number"].as_u64()).unwrap_or(after);
        if (requests.len() as u64) < PAGE_REQUESTS {
            wait();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "there is nothing to wait for but time: the next poll")]
fn wait() {
    std::thread::sleep(TAIL_INTERVAL);
}

/// A request as a line for people: when, by whom, what, and what became of it.
pub(super) fn line(request: &Value) -> String {
    let [at, client, method, status, outcome] =
        [&["at"], &["client.name"], &["method"], &["status"], &["outcome"]]
            .map(|column| words::value(&row(request, column)[0]));
    let asked = match &request["path"] {
        Value::Null => words::value(&request["route"]),
        path => words::value(path),
    };
    let filter = request["filter"].as_str().map(|filter| format!("?filter={}", words::printable(filter)));
    let code = request["code"].as_str().map(|code| format!(" {}", words::printable(code)));
    let results = request["results"].as_u64().map(|results| format!(", {results} found"));
    let times = request["requests"].as_u64().filter(|times| *times > 1).map(|times| format!(" x{times}"));
    format!(
        "{at}  {client:<12}  {method:<6} {asked}{}  {status} {outcome}{}{}{}\n",
        filter.unwrap_or_default(),
        code.unwrap_or_default(),
        results.unwrap_or_default(),
        times.unwrap_or_default(),
    )
}

fn text(request: &Value) -> String {
    let contents = &request["contents"];
    let shown = |name: &str| request[name].clone();
    let lines = [
        ("request", shown("id")),
        ("at", shown("at")),
        ("client", shown("client")),
        ("token", row(request, &["token.label"]).remove(0)),
        ("from", contents["source_ip"].clone()),
        ("sent by", contents["user_agent"].clone()),
        ("method", shown("method")),
        ("path", contents["path"].clone()),
        ("filter", shown("filter")),
        ("status", shown("status")),
        ("outcome", shown("outcome")),
        ("code", shown("code")),
        ("detail", contents["detail"].clone()),
        ("microseconds", shown("duration_micros")),
        ("found", shown("results")),
        ("resource", shown("resource")),
        ("revisions", shown("revisions")),
        ("notes", shown("notes")),
        ("body bytes", contents["body_bytes"].clone()),
    ];
    let lines: Vec<(&str, &Value)> = lines.iter().map(|(label, value)| (*label, value)).collect();
    let mut text = words::fields(&lines);
    for note in contents["notes"].as_array().into_iter().flatten() {
        let [dialect, place] = [&note["dialect"], &note["place"]].map(words::value);
        writeln!(text, "  {dialect} at {place}").expect("writing to a String does not fail");
    }
    if !contents["body"].is_null() {
        let body = format!("{:#}", contents["body"]);
        text.extend(["\nbody\n"]);
        body.lines().for_each(|line| text.extend(["  ", &words::printable(line), "\n"]));
    }
    for explanation in request["explanations"].as_array().into_iter().flatten() {
        text.push('\n');
        explained(&mut text, explanation);
    }
    text
}

/// What happened, how often, why, who mends it and how.
pub(super) fn explained(text: &mut String, finding: &Value) {
    let settled = if finding["settled"] == true { "  (settled: it has succeeded since)" } else { "" };
    writeln!(text, "{}{settled}", words::value(&finding["code"])).expect("writing to a String does not fail");
    let mut field = |label: &str, value: &Value| {
        if !value.is_null() {
            writeln!(text, "  {label:<8} {}", words::value(value))
                .expect("writing to a String does not fail");
        }
    };
    field("Happened", &finding["detail"]);
    field("When", &counted(finding).into());
    field("Why", &finding["why"]);
    field("Notes", finding.get("notes").filter(|notes| **notes != json!([])).unwrap_or(&Value::Null));
    for remedy in finding["remedies"].as_array().into_iter().flatten() {
        field("Who", &who(remedy).into());
        field("Do", &remedy["do"]);
    }
}

/// Who mends something.
pub(super) fn who(remedy: &Value) -> &'static str {
    match remedy["who"].as_str() {
        Some("identity_provider") => "the administrator of the identity provider",
        Some("operator") => "the operator of Muster",
        _ => "nobody",
    }
}

/// How many requests it was, when the last one came, and its id; `None` where there is nothing to count.
pub(super) fn counted(finding: &Value) -> Option<String> {
    let requests = finding["requests"].as_u64();
    let at = finding["last_at"].as_str().map(|at| format!("the last at {}", words::printable(at)));
    let id = finding["request"].as_str().map(|id| format!("request {}", words::printable(id)));
    let requests =
        requests.map(|requests| format!("{requests} request{}", if requests == 1 { "" } else { "s" }));
    let at = if requests.is_some() { at } else { finding["last_at"].as_str().map(words::printable) };
    let told: Vec<String> = [requests, at, id].into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_as_a_line() {
        let request = json!({
            "at": "2026-11-22T09:31:02.123456Z", "client": {"id": "c", "name": "default"}, "method": "GET",
            "route": "/Users", "path": "/acme/scim/v2/Users", "filter": "userName eq ?", "status": 200,
            "outcome": "read", "code": null, "results": 0, "requests": 1,
        });
        assert_eq!(
            line(&request),
            "2026-11-22T09:31:02.123456Z  default       GET    /acme/scim/v2/Users?filter=userName eq ?  200 read, 0 \
             found\n"
        );
    }

    #[test]
    fn requests_that_reached_no_tenant_are_asked_for_without_one() {
        let which = Which { tenant: None, user: Some("a@b".into()), failed: true, after: None };
        assert_eq!(which.path(None, Some(5)), "/admin/v1/requests?limit=5&user=a%40b&failed=true");
        let which = Which { tenant: Some("acme".into()), user: None, failed: false, after: None };
        assert_eq!(which.path(Some(7), None), "/audit/v1/acme/requests?after=7");
    }
}
