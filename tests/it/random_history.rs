//! A random history of commands on the real engine equals a naive model: answers, refusals, versions, external ids,
//! memberships through time; also across failed appends, restarts and rebuilds. A failing history is shrunk.

mod model;
mod steps;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster::app::Sources;
use muster::directory::rebuild::RebuildState;
use muster::directory::{Directory, WriteError, Written};
use muster::event_log::memory::{Fault, FaultKind};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use provisioning::command::{Change as EngineChange, Command, Precondition, Provider, ScimCommand};
use provisioning::recorded::{Header, Via};
use provisioning::tenancy::{ClientKind, Settings};
use provisioning::{Rejection, ResourceId, Revision};
use scim::schemas::ENTERPRISE_USER;
use scim::{Object, ResourceType};
use serde_json::{Value, json};

use self::model::{Interval, Model, Outcome, Thing, kind};
use self::steps::{Change, DOMAINS, GroupBody, GroupOp, Match, NAMES, Step, TEXTS, UserBody, UserOp};
use crate::engine::{Engine, document, origin, patch};
use crate::faulty_log::FaultyLogs;
use crate::soak::Plan;

/// How often a rebuild is asked whether it is done.
const REBUILD_POLL: Duration = Duration::from_millis(2);

/// One history and what it should come to.
struct History {
    folder: tempfile::TempDir,
    logs: FaultyLogs,
    engine: Option<Engine>,
    model: Model,
    /// Faults to come; true if stored.
    faults: VecDeque<bool>,
    /// What the engine acknowledged and recorded: the revisions that it told.
    acknowledged: Vec<Range<u64>>,
}

/// What a run counted.
#[derive(Default)]
struct Counts {
    acknowledged: AtomicU64,
    refused: AtomicU64,
    faults: AtomicU64,
    lost: Mutex<Vec<String>>,
    doubled: Mutex<Vec<String>>,
}

impl Counts {
    fn add(&self, other: &Self) {
        for (sum, more) in [
            (&self.acknowledged, &other.acknowledged),
            (&self.refused, &other.refused),
            (&self.faults, &other.faults),
        ] {
            sum.fetch_add(more.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        for (all, more) in [(&self.lost, &other.lost), (&self.doubled, &other.doubled)] {
            all.lock().unwrap().append(&mut more.lock().unwrap());
        }
    }
}

fn resource_type(is_user: bool) -> ResourceType {
    if is_user { ResourceType::User } else { ResourceType::Group }
}

impl History {
    async fn begin(settings: &Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let logs = FaultyLogs::default();
        let engine = Engine::open(folder.path(), sources(&logs)).await;
        let acme = engine.create_tenant("acme").await.unwrap();
        let all = serde_json::to_value(settings).unwrap();
        let names =
            ["unknown_members", "delete", "put_omitted", "put_unknown", "post_deactivated", "initial"];
        let wanted: Object = names.into_iter().map(|name| (name.to_owned(), all[name].clone())).collect();
        let update = Command::UpdateTenant { settings: wanted, profile: None };
        acme.submit(update, origin(Via::Admin)).await.unwrap();
        let model = Model::new(settings.clone(), acme.position().0);
        Self { folder, logs, engine: Some(engine), model, faults: VecDeque::new(), acknowledged: Vec::new() }
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it is open between steps")
    }

    fn acme(&self) -> Arc<Directory> {
        self.engine().directories.tenant("acme").expect("the tenant is open")
    }

    async fn step(&mut self, step: &Step, counts: &Counts) -> Result<(), TestCaseError> {
        match step {
            Step::Write { change, domain, if_match } => {
                self.write(change, DOMAINS[*domain], *if_match, counts).await
            }
            Step::Fault { stored } => {
                self.faults.push_back(*stored);
                let fault = if *stored {
                    Fault::Stored(FaultKind::OutcomeUnknown)
                } else {
                    Fault::NotStored(FaultKind::Unavailable)
                };
                self.logs.of("acme").fail_next(fault);
                Ok(())
            }
            Step::Restart => {
                self.engine.take().expect("it is open between steps").close().await;
                self.engine = Some(Engine::open(self.folder.path(), sources(&self.logs)).await);
                self.compare().await
            }
            Step::Rebuild => {
                let acme = self.acme();
                assert!(acme.start_rebuild());
                while acme.rebuild_progress().state == RebuildState::Running {
                    tokio::time::sleep(REBUILD_POLL).await;
                }
                let progress = acme.rebuild_progress();
                proptest::prop_assert_eq!(progress.state, RebuildState::Done, "{:?}", progress.error);
                self.compare().await
            }
        }
    }

    async fn write(
        &mut self,
        change: &Change,
        domain: Option<&str>,
        if_match: Match,
        counts: &Counts,
    ) -> Result<(), TestCaseError> {
        let ids = &self.engine().directories.shared().ids;
        let (new, nobody) = (ResourceId(ids.next()), ResourceId(ids.next()));
        let id = match change {
            Change::CreateUser(_) | Change::CreateGroup(_) => new,
            Change::PutUser(who, _)
            | Change::PatchUser(who, _)
            | Change::PutGroup(who, _)
            | Change::PatchGroup(who, _)
            | Change::DeleteUser(who)
            | Change::DeleteGroup(who)
            | Change::Activate(who) => self.model.id_of(*who, new),
        };
        let now = self.model.version_of(id);
        let creates = matches!(change, Change::CreateUser(_) | Change::CreateGroup(_));
        let answer = self.ask(change, id, nobody, domain, precondition(if_match, now)).await;
        if let Ok(written) = &answer {
            let told = written.revisions.clone();
            self.acknowledged.extend((!told.is_empty()).then_some(told));
        }

        let mut after = self.model.clone();
        let mut expected = after.write(change, id, nobody, domain, if_match);
        let recorded = after.head - self.model.head;
        let fault = if recorded > 0 { self.faults.pop_front() } else { None };
        counts.faults.fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
        if fault == Some(false) {
            expected = Err("append_failed");
        } else if expected.is_ok() {
            self.model = after;
        }
        let counter = if expected.is_ok() { &counts.acknowledged } else { &counts.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        proptest::prop_assert!(creates || now <= self.model.head);
        check_answer(&answer, &expected, recorded)
    }

    async fn ask(
        &self,
        change: &Change,
        id: ResourceId,
        nobody: ResourceId,
        domain: Option<&str>,
        precondition: Precondition,
    ) -> Result<Written, WriteError> {
        let member = |number: &usize| self.model.id_of(*number, nobody).to_string();
        let (is_user, change) = match change {
            Change::Activate(_) => {
                return self.acme().submit(Command::ActivateUser(id), origin(Via::Admin)).await;
            }
            Change::CreateUser(body) => (true, EngineChange::Create(user_document(body))),
            Change::PutUser(_, body) => (true, EngineChange::Replace(user_document(body))),
            Change::PatchUser(_, ops) => {
                (true, patch(ResourceType::User, ops.iter().map(user_operation).collect()))
            }
            Change::DeleteUser(_) => (true, EngineChange::Delete),
            Change::CreateGroup(body) => (false, EngineChange::Create(group_document(body, member))),
            Change::PutGroup(_, body) => (false, EngineChange::Replace(group_document(body, member))),
            Change::PatchGroup(_, ops) => {
                let ops = ops.iter().map(|op| group_operation(op, member)).collect();
                (false, patch(ResourceType::Group, ops))
            }
            Change::DeleteGroup(_) => (false, EngineChange::Delete),
        };
        let via = match change {
            EngineChange::Create(_) => Via::ScimPost,
            EngineChange::Replace(_) => Via::ScimPut,
            EngineChange::Patch(_) => Via::ScimPatch,
            EngineChange::Delete => Via::ScimDelete,
        };
        let provider = Provider { domain: domain.map(str::to_owned), kind: ClientKind::Generic };
        let resource_type = resource_type(is_user);
        let command = ScimCommand { resource_type, id, provider, precondition, change };
        self.acme().submit(Command::Scim(command), origin(via)).await
    }

    /// Everything that the views show.
    async fn compare(&self) -> Result<(), TestCaseError> {
        let acme = self.acme();
        proptest::prop_assert_eq!(acme.position().0, self.model.head);
        proptest::prop_assert!(acme.history_caught_up().await);
        for thing in &self.model.things {
            for domain in DOMAINS {
                let shown =
                    acme.with_current(|view| view.resource(resource_type(thing.is_user), thing.id, domain));
                let shown = shown.unwrap();
                proptest::prop_assert_eq!(shown.is_some(), !thing.hidden && !thing.deleted, "{:?}", thing);
                let Some(shown) = shown else { continue };
                let document: Value = serde_json::from_str(&shown.document).unwrap();
                proptest::prop_assert_eq!(&document, &thing.body);
                proptest::prop_assert_eq!(shown.revision.0, thing.version, "{:?}", thing);
                let external = domain.and_then(|domain| thing.external.get(domain));
                proptest::prop_assert_eq!(shown.external_id.as_ref(), external);
            }
            let groups = acme.with_current(|view| view.groups_of(thing.id)).unwrap();
            let groups: Vec<_> = groups.into_iter().map(|group| group.id).collect();
            let in_model = self.model.things.iter().map(|group| group.id);
            let expected: Vec<_> =
                in_model.filter(|group| self.model.members(*group).contains(&thing.id)).collect();
            proptest::prop_assert_eq!(groups, expected, "groups of {:?}", thing);

            let history = acme.with_history(|view| view.memberships_of(thing.id)).unwrap();
            let mut history: Vec<_> = history
                .into_iter()
                .map(|interval| Interval {
                    group: interval.group,
                    member: interval.member,
                    from: interval.from_revision.0,
                    to: interval.to_revision.map(|to| to.0),
                })
                .collect();
            let of_member = self.model.intervals.iter().filter(|interval| interval.member == thing.id);
            let mut expected: Vec<_> = of_member.cloned().collect();
            history.sort();
            expected.sort();
            proptest::prop_assert_eq!(history, expected, "memberships of {:?}", thing);
        }
        Ok(())
    }

    /// Every acknowledged write is one transaction of the log, and after what the tenant began with the log has no
    /// other.
    fn account(&self, began_with: u64, counts: &Counts) -> Result<(), TestCaseError> {
        let mut unclaimed = BTreeSet::new();
        for recorded in self.acme().recorded(Revision(began_with), usize::MAX).unwrap() {
            let Header { revision, txn, .. } = recorded.header;
            let first = revision.0 + 1 - u64::from(txn.n);
            unclaimed.insert((first, first + u64::from(txn.of)));
        }
        let (mut lost, mut doubled) = (Vec::new(), Vec::new());
        for told in &self.acknowledged {
            if !unclaimed.remove(&(told.start, told.end)) {
                lost.push(format!("what was acknowledged as {told:?}"));
            }
        }
        doubled.extend(unclaimed.iter().map(|(from, to)| format!("{from}..{to}, which nobody was told of")));
        let is_right = lost.is_empty() && doubled.is_empty();
        counts.lost.lock().unwrap().append(&mut lost);
        counts.doubled.lock().unwrap().append(&mut doubled);
        proptest::prop_assert!(is_right, "{:?} {:?}", counts.lost, counts.doubled);
        Ok(())
    }

    /// The live views equal rebuilt ones.
    async fn check_views(&self) -> Result<(), TestCaseError> {
        let acme = self.acme();
        let report = tokio::task::spawn_blocking(move || acme.check_views().unwrap()).await.unwrap();
        proptest::prop_assert!(report.equal, "{:?}", report);
        Ok(())
    }
}

fn sources(logs: &FaultyLogs) -> Sources {
    Sources { logs: Arc::new(logs.clone()), ..Sources::default() }
}

fn precondition(if_match: Match, now: u64) -> Precondition {
    match if_match {
        Match::No => Precondition::None,
        Match::Any => Precondition::Exists,
        Match::Now => Precondition::OneOf(vec!["x".to_owned(), now.to_string()]),
        Match::Other => Precondition::OneOf(vec![(now + 1).to_string(), String::new()]),
    }
}

fn check_answer(
    answer: &Result<Written, WriteError>,
    expected: &Outcome,
    recorded: u64,
) -> Result<(), TestCaseError> {
    let (written, expected) = match (answer, expected) {
        (Ok(written), Ok(expected)) => (written, expected),
        (Err(error), Err(expected)) => {
            proptest::prop_assert_eq!(code(error), *expected, "{}", error);
            return Ok(());
        }
        _ => return Err(TestCaseError::fail(format!("{answer:?} instead of {expected:?}"))),
    };
    proptest::prop_assert_eq!(written.revisions.end - written.revisions.start, recorded, "{:?}", written);
    proptest::prop_assert_eq!(written.created, expected.created, "{:?}", written);
    let (Some(resource), Some(thing)) = (&written.resource, &expected.thing) else {
        proptest::prop_assert_eq!(written.resource.is_some(), expected.thing.is_some(), "{:?}", written);
        return Ok(());
    };
    let Thing { id, is_user, body, external, invited, hidden, deleted: _, version } = thing;
    proptest::prop_assert_eq!(&Value::Object(resource.attributes.clone()), body);
    proptest::prop_assert_eq!(&resource.external_ids, external);
    proptest::prop_assert_eq!(resource.revision.0, *version, "{:?}", resource);
    let active = body.get("active").is_none_or(|active| active == true);
    proptest::prop_assert_eq!(
        (resource.id, resource.resource_type, resource.active, resource.invited, resource.hidden),
        (*id, resource_type(*is_user), active, *invited, *hidden)
    );
    Ok(())
}

fn code(error: &WriteError) -> &'static str {
    match error {
        WriteError::Unavailable { code, .. } => code,
        WriteError::Rejected(rejection) => match rejection {
            Rejection::NotFound(_) => "not_found",
            Rejection::PreconditionFailed(_) => "precondition",
            Rejection::Scim(error) => error.code,
            Rejection::Deviation(note) => note.dialect.name(),
            Rejection::Forbidden { code, .. }
            | Rejection::Invalid { code, .. }
            | Rejection::Conflict { code, .. } => code,
        },
    }
}

fn user_document(body: &UserBody) -> scim::resource::Document {
    let mut json = body.json();
    if let Some(external) = body.external {
        json["externalId"] = json!(TEXTS[external]);
    }
    document(ResourceType::User, json)
}

fn group_document(body: &GroupBody, member: impl Fn(&usize) -> String) -> scim::resource::Document {
    let mut json = json!({"displayName": NAMES[body.name]});
    if let Some(external) = body.external {
        json["externalId"] = json!(TEXTS[external]);
    }
    if let Some(members) = &body.members {
        json["members"] = elements(members, member);
    }
    document(ResourceType::Group, json)
}

fn elements(members: &[usize], member: impl Fn(&usize) -> String) -> Value {
    members.iter().map(|number| json!({"value": member(number)})).collect()
}

fn user_operation(op: &UserOp) -> Value {
    let at = |path: &str, text: &Option<usize>| match text {
        Some(text) => json!({"op": "replace", "path": path, "value": TEXTS[*text]}),
        None => json!({"op": "remove", "path": path}),
    };
    match op {
        UserOp::Title(text) => at("title", text),
        UserOp::GivenName(text) => at("name.givenName", text),
        UserOp::Department(text) => at(&format!("{ENTERPRISE_USER}:department"), text),
        UserOp::External(text) => at("externalId", text),
        UserOp::Name(name) => json!({"op": "add", "path": "userName", "value": NAMES[*name]}),
        UserOp::Active(active) => json!({"op": "replace", "path": "active", "value": active}),
        UserOp::TitleAndActive(title, active) => {
            json!({"op": "replace", "value": {"title": TEXTS[*title], "active": active}})
        }
        UserOp::AddEmail(value, work) => {
            json!({"op": "add", "path": "emails", "value": [{"value": TEXTS[*value], "type": kind(*work)}]})
        }
        UserOp::RemoveEmails(work) => {
            json!({"op": "remove", "path": format!("emails[type eq \"{}\"]", kind(*work))})
        }
        UserOp::ReplaceEmails(value, work) => json!({
            "op": "replace", "path": format!("emails[type eq \"{}\"].value", kind(*work)), "value": TEXTS[*value]
        }),
    }
}

fn group_operation(op: &GroupOp, member: impl Fn(&usize) -> String) -> Value {
    match op {
        GroupOp::Name(name) => json!({"op": "replace", "path": "displayName", "value": NAMES[*name]}),
        GroupOp::Add(members) => json!({"op": "add", "path": "members", "value": elements(members, member)}),
        GroupOp::Remove(number) => {
            json!({"op": "remove", "path": format!("members[value eq \"{}\"]", member(number))})
        }
        GroupOp::RemoveAll => json!({"op": "remove", "path": "members"}),
        GroupOp::Replace(members) => {
            json!({"op": "replace", "path": "members", "value": elements(members, member)})
        }
    }
}

async fn live(settings: &Settings, steps: &[Step], counts: &Counts) -> Result<(), TestCaseError> {
    let mut history = History::begin(settings).await;
    let began_with = history.model.head;
    for step in steps {
        history.step(step, counts).await?;
    }
    history.compare().await?;
    history.check_views().await?;
    history.step(&Step::Restart, counts).await?;
    history.account(began_with, counts)?;
    history.engine.take().expect("it is open between steps").close().await;
    Ok(())
}

#[test]
fn a_random_history_of_commands_equals_a_naive_model() {
    let plan = Plan::of("random_history", 48, 3_000);
    let mut tally = plan.tally();
    let config = Config {
        cases: u32::try_from(plan.rounds).expect("so many rounds"),
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&plan.seed.to_be_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let counts = Counts::default();
    let failed = AtomicBool::new(false);
    let outcome = runner.run(&steps::history(), |(settings, steps)| {
        let of_case = Counts::default();
        let lived = runtime.block_on(live(&settings, &steps, &of_case));
        // What shrinks a failing history is no round of its own.
        if !failed.fetch_or(lived.is_err(), Ordering::Relaxed) {
            counts.add(&of_case);
        }
        lived
    });
    let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    tally.rounds = plan.rounds;
    (tally.faults, tally.acknowledged) = (counted(&counts.faults), counted(&counts.acknowledged));
    tally.note(&format!("refused={}", counted(&counts.refused)));
    counts.lost.lock().unwrap().drain(..).for_each(|what| tally.lost(what));
    counts.doubled.lock().unwrap().drain(..).for_each(|what| tally.doubled(what));
    if let Err(error) = outcome {
        panic!("{error}");
    }
    // Both outcomes are common enough to mean something.
    assert!(tally.acknowledged > plan.rounds * 5 && counted(&counts.refused) > plan.rounds * 2);
    tally.finish();
}
