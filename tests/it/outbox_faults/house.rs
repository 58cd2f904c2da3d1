//! A broker, a Muster and clients, each of which can die; and the look at what became of it all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::consumer::{self, Heard};
use super::expected;
use super::traffic::{Until, Writer};
use crate::crash::process::{Client, Place, Reply, Running};
use crate::harness::{Nats, PATIENCE};
use crate::soak::{Plan, Tally};

pub(super) const EVENTS: &str = "MUSTER_EVENTS";
pub(super) const DEPROVISIONING: &str = "MUSTER_DEPROVISIONING";
pub(super) const STREAMS: [&str; 2] = [EVENTS, DEPROVISIONING];

/// The shortest time for which a stream can know its messages: whatever keeps a revision from coming twice, it is
/// not this.
const SHORT_WINDOW: Duration = Duration::from_millis(100);

/// How often something is asked that takes its time.
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// What an operator said about a tenant: from then on only these messages count.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Behind {
    /// Sequence of the stream.
    pub(super) sequence: u64,
    pub(super) revision: u64,
}

pub(super) struct House {
    runtime: Runtime,
    /// The broker, unless it is another house's.
    pub(super) nats: Nats,
    pub(super) broker: String,
    pub(super) place: Place,
    running: Option<Running>,
    pub(super) tenants: Vec<String>,
    pub(super) writers: Vec<Writer>,
    /// By tenant and stream.
    pub(super) behind: BTreeMap<(String, &'static str), Behind>,
}

impl House {
    /// Tenants with two clients each, and streams that forget messages at once.
    pub(super) fn new(plan: &Plan, tenants: usize) -> Self {
        let mut house = Self::empty();
        house.make_streams();
        house.move_in(plan, tenants);
        house
    }

    /// A broker without streams, and nobody who writes.
    pub(super) fn empty() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let nats = runtime.block_on(Nats::start());
        let mut place = Place::new();
        let broker = nats.url();
        place.arguments = vec!["--nats".to_owned(), broker.clone()];
        Self {
            runtime,
            nats,
            broker,
            place,
            running: None,
            tenants: Vec::new(),
            writers: Vec::new(),
            behind: BTreeMap::new(),
        }
    }

    /// Publishes to the broker of another house.
    pub(super) fn beside(other: &Self) -> Self {
        let mut house = Self::empty();
        house.nats.kill();
        house.broker.clone_from(&other.broker);
        house.place.arguments = vec!["--nats".to_owned(), other.broker.clone()];
        house
    }

    /// Starts Muster and makes tenants.
    pub(super) fn move_in(&mut self, plan: &Plan, tenants: usize) {
        self.move_in_as(plan, "tenant", tenants, &json!({}));
    }

    /// Starts Muster and makes tenants with these settings, whose names begin like that.
    pub(super) fn move_in_as(&mut self, plan: &Plan, begin: &str, tenants: usize, settings: &Value) {
        const WRITERS: usize = 2;
        self.start_muster();
        for number in 0..tenants {
            let tenant = format!("{begin}-{number}");
            let client = self.operator().create_tenant_with(&tenant, settings);
            for n in 0..WRITERS {
                let dice = plan.dice((number * WRITERS + n) as u64 + 1_000_000);
                let name = format!("{tenant}-{n}");
                self.writers.push(Writer::new(&tenant, client.clone(), &name, dice));
            }
            self.tenants.push(tenant);
        }
    }

    /// Makes both streams as Muster does, but with the shortest memory for messages.
    pub(super) fn make_streams(&self) {
        for name in STREAMS {
            self.make_stream(stream_config(name));
        }
    }

    pub(super) fn make_stream(&self, config: stream::Config) {
        self.ask_broker(async |broker| broker.create_stream(config).await.expect("a stream can be made"));
    }

    /// Lets a client of the broker do something.
    pub(super) fn ask_broker<T>(&self, work: impl AsyncFnOnce(&jetstream::Context) -> T) -> T {
        self.runtime.block_on(async {
            let client = async_nats::connect(&self.broker).await.expect("the broker can be reached");
            work(&jetstream::new(client)).await
        })
    }

    pub(super) fn kill_broker(&mut self) {
        self.nats.kill();
    }

    pub(super) fn resume_broker(&mut self) {
        self.runtime.block_on(self.nats.resume());
    }

    pub(super) fn kill_muster(&mut self) {
        self.running.take().expect("Muster runs").kill();
    }

    pub(super) fn start_muster(&mut self) {
        assert!(self.running.is_none(), "Muster runs already");
        self.running = Some(self.place.start());
    }

    pub(super) fn operator(&self) -> Client {
        Client::new(&self.running.as_ref().expect("Muster runs").url, &self.place.operator())
    }

    /// The folder of a tenant.
    pub(super) fn folder(&self, tenant: &str) -> PathBuf {
        self.place.data().join("tenants").join(tenant)
    }

    /// Lets all clients write so much, and somebody else do something meanwhile.
    pub(super) fn write(&mut self, enough: u64, meanwhile: impl FnOnce(&mut Self, &Until)) {
        let mut writers = std::mem::take(&mut self.writers);
        let until = Until::written(enough);
        thread::scope(|scope| {
            for writer in &mut writers {
                let until = &until;
                scope.spawn(move || writer.write(until));
            }
            let _ended = EndWithPanic(&until);
            meanwhile(self, &until);
        });
        self.writers = writers;
    }

    /// Runs a command on the data folder and reads the JSON that it prints.
    #[track_caller]
    pub(super) fn muster(&self, arguments: &[&str]) -> Value {
        let ran = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(arguments)
            .args(["--output", "json", "--data"])
            .arg(self.place.data())
            .output()
            .expect("the binary was built with the tests");
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice(&ran.stdout).expect("the output is JSON")
    }

    /// Everything that the log of a tenant says.
    pub(super) fn log(&self, tenant: &str) -> Vec<Value> {
        let list = self.muster(&["events", "list", "--tenant", tenant]);
        list["events"].as_array().expect("a list of events").clone()
    }

    /// What a stream holds, of all tenants.
    pub(super) fn hear(&self, stream: &str) -> Vec<Heard> {
        self.ask_broker(async |broker| consumer::read(broker, stream).await)
    }

    /// What `muster outbox status` says about a tenant in a stream.
    pub(super) fn status(&self, tenant: &str, stream: &str) -> Value {
        let all = self.operator().get("/admin/v1/outbox");
        let find = |list: &Value, key: &str, value: &str| {
            let mut items = list.as_array().into_iter().flatten();
            items.find(|item| item[key] == value).cloned().unwrap_or_default()
        };
        find(&find(&all["tenants"], "tenant", tenant)["streams"], "stream", stream)
    }

    /// Waits until a tenant is not published for the reason with that code, and hands on the sentence.
    #[track_caller]
    pub(super) fn await_reason(&self, tenant: &str, stream: &str, code: &str) -> String {
        eventually(&format!("{tenant} in {stream} to say {code}"), || {
            let status = self.status(tenant, stream);
            let reason = status["reason"].as_str()?;
            reason.starts_with(&format!("{code}: ")).then(|| reason.to_owned())
        })
    }

    /// `muster outbox resume`: from now on, only what is behind that revision counts.
    pub(super) fn resume(&mut self, tenant: &str, from: &Value) -> Reply {
        let ends: Vec<_> = STREAMS.map(|stream| (stream, self.end_of(stream))).into();
        let set_aside = STREAMS.map(|stream| self.status(tenant, stream)["state"] != "live");
        let head = self.log(tenant).len() as u64;
        let path = format!("/admin/v1/tenants/{tenant}/outbox/resume");
        let reply = self.operator().send("POST", &path, Some(&json!({"from": from})), &[]);
        let reply = reply.expect("the service answers");
        let revision = match from.as_str() {
            Some("head") => head,
            Some(_) => 0,
            None => from.as_u64().expect("a revision"),
        };
        if reply.status == 200 {
            for ((stream, sequence), _) in ends.into_iter().zip(set_aside).filter(|(_, aside)| *aside) {
                self.behind.insert((tenant.to_owned(), stream), Behind { sequence, revision });
            }
        }
        reply
    }

    /// Makes a tenant that observes live; `from` is where its publishing begins.
    pub(super) fn promote(&mut self, tenant: &str, from: &str) {
        let settings = json!({"settings": {"mode": "live", "publish_from": from}});
        let path = format!("/admin/v1/tenants/{tenant}");
        let reply = self.operator().send("PATCH", &path, Some(&settings), &[]).expect("the service answers");
        assert_eq!(reply.status, 200, "{}", reply.body);
        let log = self.log(tenant);
        let promotion = log.iter().find(|event| event["data"]["settings"]["mode"] == "live");
        let revision = promotion.and_then(|event| event["revision"].as_u64()).expect("it is recorded");
        if from == "here" {
            for stream in STREAMS {
                let withheld = Behind { sequence: 0, revision: revision - 1 };
                self.behind.insert((tenant.to_owned(), stream), withheld);
            }
        }
    }

    pub(super) fn end_of(&self, stream: &str) -> u64 {
        self.ask_broker(async |broker| {
            let found = broker.get_stream(stream).await;
            found.map_or(0, |found| found.cached_info().state.last_sequence)
        })
    }

    /// Waits until everything of these tenants is published, and that in evidence, and looks at what the consumer
    /// heard of them.
    #[track_caller]
    pub(super) fn check_tenants(&mut self, tenants: &[String], tally: &mut Tally) {
        let mut logs = BTreeMap::new();
        for tenant in tenants {
            let log =
                eventually(&format!("everything of {tenant} to be published"), || self.published(tenant));
            logs.insert(tenant, log);
        }
        let heard = STREAMS.map(|stream| (stream, self.hear(stream)));
        for (tenant, log) in logs {
            for (stream, heard) in &heard {
                let due = match *stream {
                    EVENTS => expected::events(tenant, &log),
                    _ => expected::deprovisioning(tenant, &log),
                };
                let behind = self.behind(tenant, stream).sequence;
                let heard = heard.iter().filter(|heard| heard.tenant() == tenant && heard.sequence > behind);
                let due = self.counted(tenant, stream, due);
                expected::compare(stream, &due, &heard.collect::<Vec<_>>(), tally);
            }
            for (revision, times) in evidence(&log).into_iter().filter(|(_, times)| *times > 1) {
                tally.doubled(format!("{tenant}: revision {revision} is {times} times in evidence"));
            }
            for writer in self.writers.iter_mut().filter(|writer| writer.tenant == *tenant) {
                writer.settle(&log, tally);
            }
        }
    }

    /// The log of a tenant, if everything in it is said to be published, that in evidence, and as much was heard.
    fn published(&self, tenant: &str) -> Option<Vec<Value>> {
        let revisions = STREAMS.map(|stream| {
            let status = self.status(tenant, stream);
            let done = status["state"] == "live" && status["lag_events"] == 0;
            if done { status["revision"].as_u64() } else { None }
        });
        let log = self.log(tenant);
        let told = self.counted(tenant, DEPROVISIONING, expected::deprovisioning(tenant, &log));
        let evidence = evidence(&log);
        let recorded = told.iter().all(|due| evidence.contains_key(&due.revision));
        let due = [self.counted(tenant, EVENTS, expected::events(tenant, &log)).len(), told.len()];
        // A stream that was removed a moment ago is perhaps not missed yet.
        let heard = STREAMS.map(|stream| {
            let behind = self.behind(tenant, stream).sequence;
            let heard = self.hear(stream);
            heard.iter().filter(|heard| heard.tenant() == tenant && heard.sequence > behind).count()
        });
        let enough = heard.iter().zip(due).all(|(heard, due)| *heard >= due);
        (revisions == [Some(log.len() as u64); 2] && recorded && enough).then_some(log)
    }

    #[track_caller]
    pub(super) fn check(&mut self, tally: &mut Tally) {
        let tenants = self.tenants.clone();
        self.check_tenants(&tenants, tally);
    }

    fn behind(&self, tenant: &str, stream: &'static str) -> Behind {
        self.behind.get(&(tenant.to_owned(), stream)).copied().unwrap_or_default()
    }

    fn counted(&self, tenant: &str, stream: &'static str, mut due: Vec<expected::Due>) -> Vec<expected::Due> {
        let behind = self.behind(tenant, stream).revision;
        due.retain(|due| due.revision > behind);
        due
    }
}

/// Lets the clients stop when a check fails: otherwise nobody would hear of it.
struct EndWithPanic<'u>(&'u Until);

impl Drop for EndWithPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// A stream as Muster makes it, but with the shortest memory for messages.
pub(super) fn stream_config(name: &str) -> stream::Config {
    let subject = match name {
        EVENTS => "muster.v1.*.events.>",
        _ => "muster.v1.*.deprovisioning.>",
    };
    stream::Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        discard: stream::DiscardPolicy::New,
        duplicate_window: SHORT_WINDOW,
        ..stream::Config::default()
    }
}

/// How often the log has each revision in evidence.
fn evidence(log: &[Value]) -> BTreeMap<u64, u64> {
    let mut times = BTreeMap::new();
    let published = log.iter().filter(|event| event["type"] == "deprovisioning.published");
    for entry in published.flat_map(|event| event["data"]["published"].as_array().into_iter().flatten()) {
        *times.entry(entry[0].as_u64().expect("a revision")).or_default() += 1;
    }
    times
}

/// Asks until the answer is `Some`, or gives up naming what it waited for.
#[track_caller]
pub(super) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "gave up waiting for {what}");
        thread::park_timeout(ASKED_EVERY);
    }
}

/// Waits until clients have written so much.
pub(super) fn await_written(until: &Until, writes: u64) {
    eventually("writes", || (until.so_far() >= writes.min(until.enough)).then_some(()));
}

/// Lets time pass: a fault lasts as long as it lasts.
pub(super) fn pass(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}
