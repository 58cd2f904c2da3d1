//! Which tenants there are: the registry in `system/`, and the open directories.
//!
//! The registry is a directory like the others. A tenant is made folder first, registered last: a folder that
//! the registry does not know is finished or removed at start.

mod closing;
mod leftover;
mod open;
mod reopening;
mod unregistered;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use provisioning::command::{Command, NewClient, NewToken, Origin};
use provisioning::event::TokenIssued;
use provisioning::tenancy::{ClientKind, ProfileStamp, Role, Settings};
use provisioning::{ClientId, Rejection, StreamId, TokenId};
use scim::Object;
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use crate::directory::{Directory, OpenError, Shared, WriteError, halted_error};
use crate::feed::JETSTREAM_STREAMS;
use crate::token::NewSecret;
use leftover::Leftover;
pub use open::HouseError;

/// Every open tenant, and the registry.
pub struct Directories {
    shared: Arc<Shared>,
    data: PathBuf,
    system: Arc<Directory>,
    tenants: RwLock<BTreeMap<String, Arc<Directory>>>,
    /// Registered tenants that could not be opened.
    closed: RwLock<BTreeMap<String, Closed>>,
    changes: watch::Sender<u64>,
    /// Held while a tenant is made: of two requests for one name, the second must find the first one's folder.
    creation: Mutex<()>,
}

/// Why a registered tenant is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// A view knows more than the log, or something else.
    LogBehindViews(String),
    /// Something else is wrong with its files.
    Halted(String),
    /// Its files cannot be opened now, though nothing is known to be wrong with them: it is tried again.
    Waiting(String),
}

impl Closed {
    /// How the tenant is shown.
    pub fn state(&self) -> &'static str {
        match self {
            Self::LogBehindViews(_) => "log_behind_views",
            Self::Halted(_) => "halted",
            Self::Waiting(_) => "waiting",
        }
    }

    /// The code of the answers to whoever asks for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::LogBehindViews(_) => "log_behind_views",
            Self::Halted(_) => "tenant_halted",
            Self::Waiting(_) => "tenant_unavailable",
        }
    }

    /// What is wrong.
    pub fn reason(&self) -> &str {
        match self {
            Self::LogBehindViews(reason) | Self::Halted(reason) | Self::Waiting(reason) => reason,
        }
    }

    /// What whoever wants something of the tenant itself is told, who may not be told the reason.
    pub fn refusal(&self) -> WriteError {
        match self {
            Self::LogBehindViews(_) | Self::Halted(_) => halted_error(),
            Self::Waiting(_) => {
                let detail = "the tenant's files cannot be opened now; it is tried again every second";
                WriteError::Unavailable { code: self.code(), detail: detail.into() }
            }
        }
    }
}

/// What `tenant create` asks for.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// The tenant's name.
    pub tenant: String,
    /// Resolved settings as an object; `tenant` and `base_path` are filled in.
    pub settings: Object,
    /// The profile that they came from.
    pub profile: Option<ProfileStamp>,
    /// The kind of the client `default`.
    pub kind: ClientKind,
}

impl Directories {
    /// The registry.
    pub fn system(&self) -> &Arc<Directory> {
        &self.system
    }

    /// What all directories share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// All tenants that could be opened, closed ones too, without the registry, by name.
    pub fn tenants(&self) -> Vec<Arc<Directory>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The tenant of that name, closed ones too.
    pub fn tenant(&self, name: &str) -> Option<Arc<Directory>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Registered tenants that could not be opened.
    pub fn closed(&self) -> BTreeMap<String, Closed> {
        self.closed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why a registered tenant is not open, if it could not be opened.
    pub fn why_closed(&self, tenant: &str) -> Option<Closed> {
        self.closed.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }

    /// Changes whenever a tenant is opened or closed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Makes a tenant with its client `default` and that client's token, and opens it. The token is returned
    /// this once.
    pub async fn create(
        self: &Arc<Self>,
        new: NewTenant,
        origin: Origin,
    ) -> Result<(Arc<Directory>, NewSecret), WriteError> {
        let mut settings = new.settings;
        settings.insert("tenant".into(), new.tenant.clone().into());
        let base_path =
            settings.entry("base_path").or_insert_with(|| format!("/{}/scim/v2", new.tenant).into());
        if let Some(text) = base_path.as_str().filter(|text| text.len() > 1) {
            *base_path = text.trim_end_matches('/').into();
        }
        // Before a folder is made: what an operator got wrong is no failure of ours.
        Settings::of_new_tenant(&settings)?;
        self.check_base_path(&new.tenant, settings.get("base_path"))?;
        let _alone = self.creation.lock().await;
        let folder = self.folder_of(&new.tenant);
        if folder.exists() {
            self.make_room(&new.tenant, &folder, origin.clone()).await?;
        }
        let ids = &self.shared.ids;
        let stream = StreamId(ids.next());
        let (client, token) = (ClientId(ids.next()), TokenId(ids.next()));
        let secret = self.shared.new_secret()?;
        let first = Command::CreateTenant {
            settings,
            profile: new.profile,
            client: NewClient {
                id: client,
                name: "default".into(),
                kind: new.kind,
                domain: client.to_string(),
            },
            token: NewToken {
                id: token,
                issued: TokenIssued {
                    client: Some(client),
                    label: secret.label(),
                    role: Role::Client,
                    expires_at: None,
                    sha256: secret.sha256(),
                },
            },
        };
        let directory = self.begin_tenant(&new.tenant, stream, folder, first, origin.clone()).await?;
        let register = Command::RegisterTenant { tenant: new.tenant.clone(), stream };
        if let Err(error) = self.system.submit(register, origin).await {
            directory.halt("the tenant could not be registered; it will be when it is asked for again");
            self.shared.index.remove(&new.tenant);
            return Err(error);
        }
        self.admit(directory.clone());
        Ok((directory, secret))
    }

    /// Makes a tenant's folder and first events. If nothing is recorded nothing is left, so that the name can be
    /// tried again.
    async fn begin_tenant(
        &self,
        tenant: &str,
        stream: StreamId,
        folder: PathBuf,
        first: Command,
        origin: Origin,
    ) -> Result<Arc<Directory>, WriteError> {
        let (shared, name, place) = (Arc::clone(&self.shared), tenant.to_owned(), folder.clone());
        let begin = move || {
            let directory = Directory::begin(&shared, &name, stream, place)
                .map_err(|error| unavailable("tenant_unavailable", &error))?;
            let began = directory.operations().begin_outbox(&JETSTREAM_STREAMS);
            began.map_err(|error| unavailable("operations_unavailable", &error))?;
            Ok(directory)
        };
        let outcome = match self.shared.tasks.block(begin).await {
            Ok(directory) => {
                let recorded = directory.submit(first, origin).await;
                recorded.inspect_err(|_| directory.halt("the tenant could not be made")).map(|_| directory)
            }
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            self.shared.index.remove(tenant);
            let forget = move || match leftover::look_at(&folder) {
                Ok(Leftover::Empty) => drop(std::fs::remove_dir_all(&folder)),
                // Finished or named at the next start.
                Ok(Leftover::Begun(_) | Leftover::Foreign(_)) | Err(_) => {}
            };
            self.shared.tasks.block(forget).await;
        }
        outcome
    }

    /// A base path at an endpoint of another tenant would take that endpoint over. Sharing one is fine: then the
    /// token decides.
    pub fn check_base_path(&self, tenant: &str, base_path: Option<&Value>) -> Result<(), Rejection> {
        let Some(base_path) = base_path.and_then(Value::as_str) else { return Ok(()) };
        if !self.shared.index.covers_endpoint(tenant, base_path) {
            return Ok(());
        }
        let detail = "the base path covers an endpoint of another tenant, or another's covers one of its own; share a \
                      base path as it is, or choose another";
        Err(Rejection::Invalid { code: "base_path_taken", detail: detail.into() })
    }

    fn folder_of(&self, tenant: &str) -> PathBuf {
        self.data.join("tenants").join(tenant)
    }

    async fn open_tenant(
        &self,
        tenant: &str,
        stream: StreamId,
        folder: PathBuf,
    ) -> Result<Arc<Directory>, OpenError> {
        let (shared, name) = (Arc::clone(&self.shared), tenant.to_owned());
        self.shared.tasks.block(move || Directory::open(&shared, &name, stream, folder)).await
    }

    /// Makes an open tenant reachable.
    fn admit(&self, directory: Arc<Directory>) {
        self.shared.index.put(directory.tenant(), &directory.tenancy());
        self.keep(directory);
    }

    /// Makes a tenant known to followers and readers.
    fn keep(&self, directory: Arc<Directory>) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let name = directory.tenant().to_owned();
        tenants.insert(name.clone(), directory);
        drop(tenants);
        self.closed.write().unwrap_or_else(PoisonError::into_inner).remove(&name);
        self.changes.send_modify(|change| *change += 1);
    }
}

fn unavailable(code: &'static str, error: &dyn std::error::Error) -> WriteError {
    tracing::error!(error = %error, error.code = code, "tenant could not be made: {error}");
    WriteError::Unavailable { code, detail: error.to_string() }
}

/// There is no open tenant of that name.
pub fn tenant_not_found(tenant: &str) -> Rejection {
    Rejection::NotFound(format!("there is no open tenant `{tenant}`"))
}
