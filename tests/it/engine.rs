//! The engine without HTTP: a data folder opened in this process, and commands as a client would send them.
//!
//! For runs of very many commands, and for those that need to put something else in the engine's place of the log,
//! the clock or the ids.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use muster::app::{Sources, open_directories};
use muster::directories::{Directories, NewTenant};
use muster::directory::{Directory, WriteError, Written};
use muster::tasks::Tasks;
use provisioning::ResourceId;
use provisioning::command::{Change, Command, Origin, Precondition, Provider, ScimCommand};
use provisioning::recorded::{Actor, ActorKind, Via};
use provisioning::tenancy::ClientKind;
use scim::schemas::Schemas;
use scim::{Object, ResourceType};
use serde_json::{Value, json};

/// How long tasks may take to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// The provisioning domain of every command here.
pub(crate) const DOMAIN: &str = "client";

/// An open data folder.
pub(crate) struct Engine {
    pub(crate) directories: Arc<Directories>,
    tasks: Arc<Tasks>,
}

impl Engine {
    pub(crate) async fn open(data: &Path, sources: Sources) -> Self {
        Self::try_open(data, sources).await.expect("the folder can be opened")
    }

    pub(crate) async fn try_open(data: &Path, sources: Sources) -> anyhow::Result<Self> {
        let tasks = Arc::new(Tasks::new(tokio::runtime::Handle::current())?);
        match open_directories(data, None, Arc::clone(&tasks), sources).await {
            Ok(directories) => Ok(Self { directories, tasks }),
            Err(error) => {
                tasks.shut_down(PATIENCE).await;
                Err(error)
            }
        }
    }

    pub(crate) async fn create_tenant(&self, name: &str) -> Result<Arc<Directory>, WriteError> {
        let new = NewTenant {
            tenant: name.to_owned(),
            settings: Object::new(),
            profile: None,
            kind: ClientKind::Generic,
        };
        self.directories.create(new, origin(Via::Admin)).await.map(|(directory, _)| directory)
    }

    /// Stops in order, so that every file is closed.
    pub(crate) async fn close(self) {
        self.tasks.shut_down(PATIENCE).await;
    }
}

/// Who asks, in these tests.
pub(crate) fn origin(via: Via) -> Origin {
    let actor = Actor { kind: ActorKind::Client, id: Some("client".to_owned()), token: None };
    Origin { actor, via, request: None, received_at: None, context: None }
}

/// Carries out a SCIM command.
pub(crate) async fn ask(
    directory: &Directory,
    resource_type: ResourceType,
    id: ResourceId,
    precondition: Precondition,
    change: Change,
) -> Result<Written, WriteError> {
    let via = match change {
        Change::Create(_) => Via::ScimPost,
        Change::Replace(_) => Via::ScimPut,
        Change::Patch(_) => Via::ScimPatch,
        Change::Delete => Via::ScimDelete,
    };
    let provider = Provider { domain: Some(DOMAIN.to_owned()), kind: ClientKind::Generic };
    let command = ScimCommand { resource_type, id, provider, precondition, change };
    directory.submit(Command::Scim(command), origin(via)).await
}

/// A document as POST and PUT bring it.
#[track_caller]
pub(crate) fn document(resource_type: ResourceType, mut body: Value) -> scim::resource::Document {
    let schema = Schemas::standard();
    let schema = schema.of(resource_type);
    body["schemas"] = json!([schema.core.id]);
    scim::resource::read(body, schema).expect("the document is right").0
}

/// A PATCH.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "callers write the operations in place")]
pub(crate) fn patch(resource_type: ResourceType, operations: Value) -> Change {
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    let schemas = Schemas::standard();
    let request = scim::patch::parse::parse(body, schemas.of(resource_type));
    Change::Patch(request.expect("the PATCH is right"))
}
