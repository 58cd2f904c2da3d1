//! Filling a data folder quickly and honestly: commands through the product's own directories, in this process.
//!
//! What lies on disk afterwards is what the service itself would have written; only HTTP is left out.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use muster::app::{Sources, open_directories};
use muster::clock::{IdSource as _, RandomIds};
use muster::directories::{Directories, NewTenant};
use muster::directory::Directory;
use muster::tasks::Tasks;
use provisioning::command::{Change, Command, Origin, Precondition, Provider, ScimCommand};
use provisioning::recorded::{Actor, ActorKind, Via};
use provisioning::tenancy::ClientKind;
use provisioning::{ClientId, ResourceId};
use scim::schemas::Schemas;
use scim::{Object, ResourceType};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::people;
use crate::server::Tenant;

/// So many commands wait for the writer at a time, so that its batches are full.
const CONCURRENT: u64 = 256;
/// How many members one PATCH adds.
const MEMBERS_PER_PATCH: usize = 5_000;
/// How long tasks may take to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open data folder.
pub(crate) struct Folder {
    directories: Arc<Directories>,
    tasks: Arc<Tasks>,
    ids: RandomIds,
}

/// A tenant that is being filled.
pub(crate) struct Filling {
    pub(crate) tenant: Tenant,
    directory: Arc<Directory>,
    client: ClientId,
    domain: String,
    /// The id of each person, by its number.
    pub(crate) ids: Vec<ResourceId>,
}

impl Folder {
    pub(crate) async fn open(data: &Path) -> anyhow::Result<Self> {
        let tasks = Arc::new(Tasks::new(tokio::runtime::Handle::current())?);
        let directories = open_directories(data, None, Arc::clone(&tasks), Sources::default()).await?;
        Ok(Self { directories, tasks, ids: RandomIds::default() })
    }

    /// Makes a tenant with so many people.
    pub(crate) async fn fill(&self, name: &str, people: u64) -> anyhow::Result<Filling> {
        let new = NewTenant {
            tenant: name.to_owned(),
            settings: Object::new(),
            profile: None,
            kind: ClientKind::Generic,
        };
        let actor = Actor { kind: ActorKind::System, id: None, token: None };
        let origin = Origin { actor, via: Via::Admin, request: None, received_at: None, context: None };
        let (directory, secret) = self.directories.create(new, origin).await.context("making a tenant")?;
        let tenancy = directory.tenancy();
        let (client, settings) = tenancy.clients.iter().next().context("a tenant has a client")?;
        let filling = Filling {
            tenant: Tenant { name: name.to_owned(), token: secret.text().to_owned() },
            directory: Arc::clone(&directory),
            client: *client,
            domain: settings.domain.clone(),
            ids: Vec::new(),
        };
        let ids = filling.create_people((0..people).map(|_| ResourceId(self.ids.next())).collect()).await?;
        Ok(Filling { ids, ..filling })
    }

    /// Goes on with a tenant that was filled in an earlier life of the folder.
    pub(crate) fn resume(&self, filling: Filling) -> anyhow::Result<Filling> {
        let directory = self.directories.tenant(&filling.tenant.name).context("the tenant was made")?;
        Ok(Filling { directory, ..filling })
    }

    /// A group with these members.
    pub(crate) async fn group(
        &self,
        filling: &Filling,
        name: &str,
        members: &[ResourceId],
    ) -> anyhow::Result<String> {
        let id = ResourceId(self.ids.next());
        let schemas = Schemas::standard();
        let schema = schemas.of(ResourceType::Group);
        let body = json!({"schemas": [schema.core.id], "displayName": name});
        let (document, _) = scim::resource::read(body, schema).context("a group's document")?;
        filling.submit(ResourceType::Group, id, Change::Create(document)).await?;
        for part in members.chunks(MEMBERS_PER_PATCH) {
            let values: Vec<Value> = part.iter().map(|member| json!({"value": member.to_string()})).collect();
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "add", "path": "members", "value": values}],
            });
            let patch = scim::patch::parse::parse(body, schema).context("a group's PATCH")?;
            filling.submit(ResourceType::Group, id, Change::Patch(patch)).await?;
        }
        Ok(id.to_string())
    }

    /// Stops in order, so that every file is closed.
    pub(crate) async fn close(self) {
        self.tasks.shut_down(PATIENCE).await;
    }
}

impl Filling {
    async fn create_people(&self, ids: Vec<ResourceId>) -> anyhow::Result<Vec<ResourceId>> {
        let ids = Arc::new(ids);
        let next = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..CONCURRENT {
            let (ids, next) = (Arc::clone(&ids), Arc::clone(&next));
            let (directory, client, domain) = (Arc::clone(&self.directory), self.client, self.domain.clone());
            workers.spawn(async move {
                let schemas = Schemas::standard();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(id) = usize::try_from(number).ok().and_then(|place| ids.get(place)) else {
                        return anyhow::Ok(());
                    };
                    let body = serde_json::from_str(&people::document(number)).context("a person")?;
                    let (document, _) = scim::resource::read(body, schemas.of(ResourceType::User))?;
                    let change = Change::Create(document);
                    submit(&directory, client, &domain, ResourceType::User, *id, change).await?;
                }
            });
        }
        while let Some(worked) = workers.join_next().await {
            worked.context("filling a tenant")??;
        }
        // History follows on its own thread; whoever closes the folder now would leave it behind.
        let mut position = self.directory.history_position();
        let committed = self.directory.position();
        position.wait_for(|position| *position >= committed).await.context("history")?;
        Arc::into_inner(ids).context("every worker has ended")
    }

    async fn submit(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        change: Change,
    ) -> anyhow::Result<()> {
        submit(&self.directory, self.client, &self.domain, resource_type, id, change).await
    }
}

async fn submit(
    directory: &Directory,
    client: ClientId,
    domain: &str,
    resource_type: ResourceType,
    id: ResourceId,
    change: Change,
) -> anyhow::Result<()> {
    let via = if matches!(change, Change::Patch(_)) { Via::ScimPatch } else { Via::ScimPost };
    let actor = Actor { kind: ActorKind::Client, id: Some(client.to_string()), token: None };
    let origin = Origin { actor, via, request: None, received_at: None, context: None };
    let provider = Provider { domain: Some(domain.to_owned()), kind: ClientKind::Generic };
    let precondition = Precondition::None;
    let command = ScimCommand { resource_type, id, provider, precondition, change };
    directory.submit(Command::Scim(command), origin).await.context("a command")?;
    Ok(())
}
