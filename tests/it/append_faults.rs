//! The fault table: every place that appends, crossed with every way in which an append can fail.
//!
//! Each row is one place; it is carried out under each fault, on the real engine with real files. What is answered
//! must be true of the log, nothing may be there twice, and the next write goes on without a restart.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use muster::app::Sources;
use muster::clock::ManualClock;
use muster::directory::{Bulk, BulkOperation, Directory, OperationOutcome, WriteError};
use muster::event_log::memory::{Fault, FaultKind};
use provisioning::command::{
    Change, ClientChange, Command, NewClient, NewToken, Precondition, Provider, ScimCommand,
};
use provisioning::event::TokenIssued;
use provisioning::ids::{ClientId, OperatorId, TokenId};
use provisioning::recorded::Via;
use provisioning::tenancy::{ClientKind, Role};
use provisioning::{EventType, ResourceId, Revision, Timestamp};
use scim::{Object, ResourceType};
use serde_json::{Value, json};

use crate::engine::{DOMAIN, Engine, ask, document, origin, patch};
use crate::faulty_log::{Faults, FaultyLogs};

const USER: ResourceType = ResourceType::User;
const GROUP: ResourceType = ResourceType::Group;

/// A way to fail, and what whoever asked is told.
#[derive(Debug, Clone, Copy)]
struct Failure {
    fault: Fault,
    /// The log cannot be read afterwards either, so that nobody knows.
    away: bool,
    answer: Result<(), &'static str>,
}

/// Two that the rows' commands record under other settings, and three in the tests further down.
const ELSEWHERE: [&str; 5] =
    ["tenant.closed", "tenant.created", "tenant.registered", "user.hidden", "user.reactivated"];

const FAILURES: [Failure; 6] = [
    // Surely not stored: it may be tried again.
    failure(Fault::NotStored(FaultKind::Unavailable), false, Err("append_failed")),
    failure(Fault::NotStored(FaultKind::OutcomeUnknown), false, Err("append_failed")),
    // Stored, whatever the error said: the log's tail tells, and the answer is as if nothing had been.
    failure(Fault::Stored(FaultKind::Unavailable), false, Ok(())),
    failure(Fault::Stored(FaultKind::OutcomeUnknown), false, Ok(())),
    // Nobody can tell.
    failure(Fault::NotStored(FaultKind::OutcomeUnknown), true, Err("append_outcome_unknown")),
    failure(Fault::Stored(FaultKind::OutcomeUnknown), true, Err("append_outcome_unknown")),
];

const fn failure(fault: Fault, away: bool, answer: Result<(), &'static str>) -> Failure {
    Failure { fault, away, answer }
}

impl Failure {
    fn stores(self) -> bool {
        matches!(self.fault, Fault::Stored(_))
    }
}

type Asked = BoxFuture<'static, Result<(), WriteError>>;

/// A place that appends: what is asked of the house, in which log, and what it records there.
struct Row {
    name: &'static str,
    log: &'static str,
    ask: Box<dyn Fn(&House) -> Asked>,
    records: &'static [&'static str],
}

fn row<F>(
    name: &'static str,
    log: &'static str,
    records: &'static [&'static str],
    ask: impl Fn(&House) -> F + 'static,
) -> Row
where
    F: Future<Output = Result<(), WriteError>> + Send + 'static,
{
    Row { name, log, ask: Box::new(move |house| Box::pin(ask(house))), records }
}

/// An engine with a tenant, whose logs fail on demand.
struct House {
    engine: Engine,
    acme: Arc<Directory>,
    logs: FaultyLogs,
    clock: Arc<ManualClock>,
    data: PathBuf,
}

impl House {
    async fn new(data: &Path) -> Self {
        let (logs, clock) = (FaultyLogs::default(), Arc::new(ManualClock::default()));
        let engine = Engine::open(data, sources(&logs, &clock)).await;
        let acme = engine.create_tenant("acme").await.unwrap();
        let invites = Object::from_iter([("initial".to_owned(), json!("invited"))]);
        acme.submit(Command::UpdateTenant { settings: invites, profile: None }, origin(Via::Admin))
            .await
            .unwrap();
        Self { engine, acme, logs, clock, data: data.to_owned() }
    }

    fn faults(&self, log: &str) -> Arc<Faults> {
        self.logs.of(log)
    }

    /// Events of a log by type, behind a revision.
    fn recorded(&self, log: &str, after: Revision) -> Vec<String> {
        let directory = match log {
            "system" => Some(Arc::clone(self.engine.directories.system())),
            tenant => self.engine.directories.tenant(tenant),
        };
        let recorded = directory.map(|directory| directory.recorded(after, usize::MAX).unwrap());
        recorded.into_iter().flatten().map(|event| event.header.event_type.as_str().to_owned()).collect()
    }

    fn head(&self, log: &str) -> Revision {
        Revision(self.recorded(log, Revision::ZERO).len() as u64)
    }

    /// Lets a writer recover whose log is back, by a command that records nothing.
    async fn recovered(&self, log: &str) {
        let same = Command::AdjustClock { from: ManualClock::START, to: ManualClock::START };
        match log {
            "system" => self.submit_to_system(same).await.unwrap(),
            _ => self.submit(same).await.unwrap(),
        }
    }

    fn submit(&self, command: Command) -> impl Future<Output = Result<(), WriteError>> + use<> {
        let acme = Arc::clone(&self.acme);
        async move { acme.submit(command, origin(Via::Admin)).await.map(drop) }
    }

    fn submit_to_system(&self, command: Command) -> impl Future<Output = Result<(), WriteError>> + use<> {
        let system = Arc::clone(self.engine.directories.system());
        async move { system.submit(command, origin(Via::Admin)).await.map(drop) }
    }

    fn write(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        change: Change,
    ) -> impl Future<Output = Result<(), WriteError>> + use<> {
        let acme = Arc::clone(&self.acme);
        async move { ask(&acme, resource_type, id, Precondition::None, change).await.map(drop) }
    }

    /// One POST for each, in one bulk request, whose operations share an append and hence an answer.
    fn bulk(
        &self,
        new: [(ResourceType, ResourceId); 2],
    ) -> impl Future<Output = Result<(), WriteError>> + use<> {
        let operations = new.map(|(resource_type, id)| BulkOperation {
            command: Some(ScimCommand {
                resource_type,
                id,
                provider: Provider { domain: Some(DOMAIN.to_owned()), kind: ClientKind::Generic },
                precondition: Precondition::None,
                change: Change::Create(named(resource_type, id)),
            }),
            refers_to: BTreeSet::new(),
        });
        let bulk =
            Bulk { operations: operations.into(), origin: origin(Via::ScimBulkPost), fail_on_errors: None };
        let acme = Arc::clone(&self.acme);
        async move {
            let outcomes = acme.submit_bulk(bulk).await?;
            let answers: Vec<_> = outcomes
                .into_iter()
                .map(|outcome| match outcome {
                    OperationOutcome::Answered(answer) => answer.map(drop),
                    other => panic!("{other:?}"),
                })
                .collect();
            let told = |answer: &Result<(), WriteError>| answer.as_ref().map_err(code).copied();
            assert_eq!(told(&answers[0]), told(&answers[1]));
            answers.into_iter().collect()
        }
    }

    fn new_id(&self) -> uuid::Uuid {
        self.engine.directories.shared().ids.next()
    }

    /// Makes somebody or something to change, outside any fault.
    async fn made(&self, resource_type: ResourceType) -> ResourceId {
        let id = ResourceId(self.new_id());
        self.write(resource_type, id, Change::Create(named(resource_type, id))).await.unwrap();
        id
    }
}

fn sources(logs: &FaultyLogs, clock: &Arc<ManualClock>) -> Sources {
    Sources { logs: Arc::new(logs.clone()), clock: Arc::<ManualClock>::clone(clock), ..Sources::default() }
}

/// A document whose name nobody else has.
fn named(resource_type: ResourceType, id: ResourceId) -> scim::resource::Document {
    let name = if resource_type == USER { "userName" } else { "displayName" };
    document(resource_type, json!({name: format!("name of {id}"), "externalId": id.to_string()}))
}

fn members(ids: &[ResourceId]) -> Value {
    ids.iter().map(|id| json!({"value": id.to_string()})).collect()
}

/// Writes of SCIM, each with a resource of its own.
async fn scim_rows(house: &House) -> Vec<Row> {
    let [put, patched, deleted, leaver, invited, member] = [(); 6].map(|()| ResourceId(house.new_id()));
    for id in [put, patched, deleted, leaver, invited, member] {
        house.write(USER, id, Change::Create(named(USER, id))).await.unwrap();
    }
    let (renamed, joined, ended) =
        (house.made(GROUP).await, house.made(GROUP).await, house.made(GROUP).await);
    let join = json!([{"op": "add", "path": "members", "value": members(&[leaver, member])}]);
    for group in [renamed, ended] {
        house.write(GROUP, group, patch(GROUP, join.clone())).await.unwrap();
    }
    let [new_user, new_group, bulk_user, bulk_group] = [(); 4].map(|()| ResourceId(house.new_id()));
    let patch_user = json!([{"op": "replace", "value": {"title": "T", "active": false}}]);
    let patch_group = json!([{"op": "add", "path": "members", "value": members(&[put, patched])},
        {"op": "replace", "path": "displayName", "value": "new"}]);
    vec![
        row("POST of a user", "acme", &["user.created"], move |house| {
            house.write(USER, new_user, Change::Create(named(USER, new_user)))
        }),
        row("PUT of a user", "acme", &["user.updated"], move |house| {
            let body = json!({"userName": format!("name of {put}"), "title": "T"});
            house.write(USER, put, Change::Replace(document(USER, body)))
        }),
        row("PATCH of a user", "acme", &["user.updated", "user.deactivated"], move |house| {
            house.write(USER, patched, patch(USER, patch_user.clone()))
        }),
        row("DELETE of a user", "acme", &["user.deleted"], move |house| {
            house.write(USER, deleted, Change::Delete)
        }),
        row(
            "DELETE of a member",
            "acme",
            &["group.members_removed", "group.members_removed", "user.deleted"],
            move |house| house.write(USER, leaver, Change::Delete),
        ),
        row("first sign-in", "acme", &["user.activated"], move |house| {
            house.submit(Command::ActivateUser(invited))
        }),
        row("POST of a group", "acme", &["group.created", "group.members_added"], move |house| {
            let body = json!({"displayName": "New", "members": members(&[put, member])});
            house.write(GROUP, new_group, Change::Create(document(GROUP, body)))
        }),
        row("PUT of a group", "acme", &["group.updated", "group.members_removed"], move |house| {
            house.write(GROUP, renamed, Change::Replace(document(GROUP, json!({"displayName": "Renamed"}))))
        }),
        row("PATCH of a group", "acme", &["group.updated", "group.members_added"], move |house| {
            house.write(GROUP, joined, patch(GROUP, patch_group.clone()))
        }),
        row("DELETE of a group", "acme", &["group.members_removed", "group.deleted"], move |house| {
            house.write(GROUP, ended, Change::Delete)
        }),
        row("a bulk request", "acme", &["user.created", "group.created"], move |house| {
            house.bulk([(USER, bulk_user), (GROUP, bulk_group)])
        }),
    ]
}

/// What operators and the house itself write to a tenant.
fn tenant_rows(house: &House) -> Vec<Row> {
    let (client, token) = (ClientId(house.new_id()), TokenId(house.new_id()));
    let new_client = NewClient {
        id: client,
        name: "second".to_owned(),
        kind: ClientKind::Entra,
        domain: client.to_string(),
    };
    let issued = TokenIssued {
        client: Some(client),
        label: "mst_1".to_owned(),
        role: Role::Client,
        expires_at: None,
        sha256: "00".repeat(32),
    };
    let settings = Object::from_iter([("delete".to_owned(), json!("deactivate"))]);
    let present = move |silent| Command::NotePresence {
        id: client,
        silent,
        seen_at: ManualClock::START,
        usual_seconds: 2_400,
    };
    vec![
        row("a tenant's settings", "acme", &["tenant.updated"], move |house| {
            house.submit(Command::UpdateTenant { settings: settings.clone(), profile: None })
        }),
        row("a new client", "acme", &["client.created"], move |house| {
            house.submit(Command::CreateClient(new_client.clone()))
        }),
        row("a token", "acme", &["token.issued"], move |house| {
            house.submit(Command::IssueToken(NewToken { id: token, issued: issued.clone() }))
        }),
        row("a client that is silent", "acme", &["client.silent"], move |house| house.submit(present(true))),
        row("a client that is heard", "acme", &["client.heard"], move |house| house.submit(present(false))),
        row("a client that is switched off", "acme", &["client.updated"], move |house| {
            house.submit(Command::UpdateClient {
                id: client,
                change: ClientChange { enabled: Some(false), ..ClientChange::default() },
            })
        }),
        row("a token's end", "acme", &["token.revoked"], move |house| {
            house.submit(Command::RevokeToken(token))
        }),
        row("what the broker accepted", "acme", &["deprovisioning.published"], move |house| {
            let published = vec![(Revision(7), 1, ManualClock::START)];
            house.submit(Command::RecordPublished(published))
        }),
        row("an accepted clock", "acme", &["clock.adjusted"], move |house| {
            let (from, to) = (Timestamp(ManualClock::START.0), Timestamp(ManualClock::START.0 - 1));
            house.clock.set(to);
            house.submit(Command::AdjustClock { from, to })
        }),
    ]
}

/// What is written to the registry.
fn registry_rows(house: &House) -> Vec<Row> {
    let operator = OperatorId(house.new_id());
    vec![
        row("an operator", "system", &["operator.created"], move |house| {
            let (name, sha256) = ("second".to_owned(), "00".repeat(32));
            house.submit_to_system(Command::CreateOperator { id: operator, name, sha256 })
        }),
        row("an operator's end", "system", &["operator.revoked"], move |house| {
            house.submit_to_system(Command::RevokeOperator(operator))
        }),
    ]
}

/// Carries a row out under a fault, and again if it was not stored; then the house goes on.
async fn meet(house: &House, row: &Row, failure: Failure) {
    let what = format!("{} under {failure:?}", row.name);
    let (faults, before) = (house.faults(row.log), house.head(row.log));
    let met = faults.met();
    if failure.away {
        faults.leave_then();
    }
    faults.fail_next(failure.fault);
    let answer = (row.ask)(house).await;
    assert_eq!(faults.met(), met + 1, "{what}: it appends once");
    assert_eq!(answer.as_ref().map_err(code).copied(), failure.answer, "{what}: {answer:?}");
    if failure.away {
        assert_eq!((row.ask)(house).await.as_ref().map_err(code), Err("log_unavailable"), "{what}");
        faults.back();
        house.recovered(row.log).await;
    }
    let records: &[&str] = if failure.stores() { row.records } else { &[] };
    assert_eq!(house.recorded(row.log, before), records, "{what}");
    if !failure.stores() {
        (row.ask)(house).await.unwrap_or_else(|error| panic!("{what}, tried again: {error}"));
        assert_eq!(house.recorded(row.log, before), row.records, "{what}, tried again");
    }
}

fn code(error: &WriteError) -> &'static str {
    match error {
        WriteError::Unavailable { code, .. } => code,
        WriteError::Rejected(_) => "rejected",
    }
}

/// The views equal rebuilt ones, and a new start finds the same events.
async fn stands(house: House) {
    let House { engine, acme, logs, clock, data } = house;
    assert!(acme.history_caught_up().await);
    let check = engine.directories.tenants().into_iter().map(|tenant| async move {
        assert!(tenant.history_caught_up().await);
        let report = tokio::task::spawn_blocking(move || tenant.check_views().unwrap()).await.unwrap();
        assert!(report.equal, "{report:?}");
    });
    join_all(check).await;
    let all = |directory: &Directory| directory.recorded(Revision::ZERO, usize::MAX).unwrap();
    let (events, registry) = (all(&acme), all(engine.directories.system()));
    let ids: BTreeSet<_> = events.iter().map(|event| event.header.id).collect();
    assert_eq!(ids.len(), events.len(), "nothing is there twice");
    drop(acme);
    engine.close().await;
    let engine = Engine::open(&data, sources(&logs, &clock)).await;
    assert_eq!(all(&engine.directories.tenant("acme").unwrap()), events);
    assert_eq!(all(engine.directories.system()), registry);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_place_that_appends_copes_with_every_failed_append() {
    for failure in FAILURES {
        let folder = tempfile::tempdir().unwrap();
        let house = House::new(folder.path()).await;
        let mut rows = scim_rows(&house).await;
        rows.extend(tenant_rows(&house));
        rows.extend(registry_rows(&house));
        for row in &rows {
            meet(&house, row, failure).await;
        }
        let met: BTreeSet<_> = rows.iter().flat_map(|row| row.records).copied().collect();
        let all: BTreeSet<_> = EventType::ALL.iter().map(|event_type| event_type.as_str()).collect();
        let without_a_row: Vec<_> = all.difference(&met).copied().collect();
        assert_eq!(without_a_row, ELSEWHERE, "every type of event has a row, or a test of its own");
        stands(house).await;
    }
}

/// A batch under a fault: somebody is refused in it and somebody changes nothing, and each of them is told the same,
/// for what they were to be told was true only if what came before them was stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_fails_or_holds_as_a_whole() {
    for failure in FAILURES {
        let folder = tempfile::tempdir().unwrap();
        let house = House::new(folder.path()).await;
        let known = house.made(USER).await;
        let (faults, before) = (house.faults("acme"), house.head("acme"));
        let new: Vec<_> = (0..5).map(|_| ResourceId(house.new_id())).collect();

        // While one append waits, everything else queues up behind it.
        faults.hold();
        let plug = house.made(USER);
        let rest = async {
            faults.holding().await;
            if failure.away {
                faults.leave_then();
            }
            let creates = new.iter().map(|id| house.write(USER, *id, Change::Create(named(USER, *id))));
            let taken = house.write(USER, ResourceId(house.new_id()), Change::Create(named(USER, new[0])));
            let same = json!([{"op": "replace", "path": "active", "value": true}]);
            let unchanged = house.write(USER, known, patch(USER, same));
            let release = async {
                // The first one passes, the second one fails.
                faults.release();
                faults.hold();
                faults.holding().await;
                faults.fail_next(failure.fault);
                faults.release();
            };
            tokio::join!(join_all(creates), taken, unchanged, release)
        };
        let (_, (creates, taken, unchanged, ())) = tokio::join!(plug, rest);

        let told = |answer: &Result<(), WriteError>| answer.as_ref().map_err(code).copied();
        for answer in creates.iter().chain([&unchanged]) {
            assert_eq!(told(answer), failure.answer, "{failure:?}: {answer:?}");
        }
        assert_eq!(told(&taken), failure.answer.and(Err("rejected")), "{failure:?}: {taken:?}");
        faults.back();
        house.recovered("acme").await;
        let recorded = house.recorded("acme", before).len();
        assert_eq!(recorded, if failure.stores() { 6 } else { 1 }, "{failure:?}");
        stands(house).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_first_events_fail_is_made_whole_or_not_at_all() {
    for failure in FAILURES {
        let folder = tempfile::tempdir().unwrap();
        let house = House::new(folder.path()).await;
        let faults = house.faults("globex");
        if failure.away {
            faults.leave_then();
        }
        faults.fail_next(failure.fault);
        let made = house.engine.create_tenant("globex").await.map(drop);
        assert_eq!(made.as_ref().map_err(code).copied(), failure.answer, "{failure:?}: {made:?}");
        faults.back();
        match (failure.answer, failure.stores()) {
            (Ok(()), _) => {}
            // Nothing was stored, so the name is free.
            (Err(_), false) => drop(house.engine.create_tenant("globex").await.unwrap()),
            (Err(_), true) => begun_before(&house).await,
        }
        let first = ["tenant.created", "client.created", "token.issued"];
        assert_eq!(house.recorded("globex", Revision::ZERO), first, "{failure:?}");
        assert_eq!(house.recorded("system", Revision(2)), ["tenant.registered"], "{failure:?}");
        stands(house).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_registration_fails_is_registered_when_it_is_asked_for_again() {
    for failure in FAILURES {
        let folder = tempfile::tempdir().unwrap();
        let house = House::new(folder.path()).await;
        let faults = house.faults("system");
        if failure.away {
            faults.leave_then();
        }
        faults.fail_next(failure.fault);
        let made = house.engine.create_tenant("globex").await.map(drop);
        assert_eq!(made.as_ref().map_err(code).copied(), failure.answer, "{failure:?}: {made:?}");
        faults.back();
        if failure.answer.is_err() {
            begun_before(&house).await;
        }
        assert_eq!(house.recorded("system", Revision(2)), ["tenant.registered"], "{failure:?}");
        stands(house).await;
    }
}

/// Asking again for a tenant that was begun finishes it; its first token is lost, which the answer says.
async fn begun_before(house: &House) {
    match house.engine.create_tenant("globex").await.map(drop) {
        Err(WriteError::Rejected(rejection)) => {
            assert!(rejection.to_string().contains("muster token issue"), "{rejection}");
        }
        other => panic!("{other:?}"),
    }
    let globex = house.engine.directories.tenant("globex").expect("it is open");
    assert_eq!(globex.tenancy().tokens.len(), 1);
}

/// A closed tenant's stream gets no event any more, also while nobody can tell whether it is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_closed_or_open_whatever_becomes_of_the_append() {
    for failure in FAILURES {
        let folder = tempfile::tempdir().unwrap();
        let house = House::new(folder.path()).await;
        let (faults, before, registry) = (house.faults("system"), house.head("acme"), house.head("system"));
        let write = || house.submit(Command::RecordPublished(vec![(Revision(1), 1, ManualClock::START)]));
        if failure.away {
            faults.leave_then();
        }
        faults.fail_next(failure.fault);
        let closed = house.engine.directories.close("acme", origin(Via::Admin)).await;
        assert_eq!(closed.as_ref().map_err(code).copied(), failure.answer, "{failure:?}: {closed:?}");
        let late = write().await;
        let surely_open = failure.answer == Err("append_failed");
        assert_eq!(late.is_ok(), surely_open, "{failure:?}: {late:?}");
        assert_eq!(house.head("acme").0, before.0 + u64::from(surely_open), "{failure:?}");
        if surely_open {
            house.engine.directories.close("acme", origin(Via::Admin)).await.unwrap();
        }
        faults.back();
        let mut committed = house.engine.directories.system().committed();
        committed.wait_for(|position| *position > registry).await.unwrap();
        assert_eq!(house.recorded("system", registry), ["tenant.closed"], "{failure:?}");
        stands(house).await;
    }
}

/// A start that fails at an append is a start that can be tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_cannot_append_can_be_repeated() {
    for failure in FAILURES {
        let folder = tempfile::tempdir().unwrap();
        let (logs, clock) = (FaultyLogs::default(), Arc::new(ManualClock::default()));
        let faults = logs.of("system");
        if failure.away {
            faults.leave_then();
        }
        faults.fail_next(failure.fault);
        let first = Engine::try_open(folder.path(), sources(&logs, &clock)).await;
        assert_eq!(first.is_ok(), failure.answer.is_ok(), "{failure:?}");
        if let Ok(engine) = first {
            engine.close().await;
        }
        faults.back();
        let engine = Engine::open(folder.path(), sources(&logs, &clock)).await;
        let tenancy = engine.directories.system().tenancy();
        assert_eq!(tenancy.operators.len(), 1, "{failure:?}");
        let token = std::fs::read_to_string(folder.path().join("operator.token")).unwrap();
        let held = tenancy.operators.values().next().unwrap();
        assert_eq!(
            held.sha256,
            hex::encode(<sha2::Sha256 as sha2::Digest>::digest(token.trim())),
            "{failure:?}"
        );
        engine.close().await;
    }
}
