//! The one connection that writes the view.
//!
//! What changes with every batch or is needed by every decision (position, tenancy) is held in memory and goes
//! back with a rollback, exactly. The view never contradicts itself half-way: an event and the position after it
//! are one transaction.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provisioning::event::Event;
use provisioning::evolve::{evolve, evolve_taking};
use provisioning::tenancy::Tenancy;
use provisioning::{Header, Opened, Recorded, Resource, ResourceId, Revision, StreamId, Subject, Timestamp};
use rusqlite::{Connection, params};
use scim::ResourceType;
use scim::schemas::Schemas;
use write_ahead::{Copying, WriteAhead};

use super::rows::{self, Indexed};
use super::{GroupRef, LAYOUT, broken, failed, membership, tenancy};
use crate::column::{Column, read, read_optional};
use crate::view::{BUSY_TIMEOUT, Layout};
use crate::{Position, ViewError, query, view};

/// The one connection that writes the view. It implements [`provisioning::directory::Directory`], so that
/// commands are decided against the open transaction.
pub struct CurrentWriter {
    /// Before the connection, which closes when nobody copies any more.
    write_ahead: WriteAhead,
    pub(super) connection: Connection,
    path: PathBuf,
    stream: StreamId,
    state: State,
    /// The state at the beginning of the open transaction; `None` outside one.
    saved: Option<State>,
    /// The file is filled from the beginning, in one transaction of SQLite's.
    is_rebuild: bool,
    /// The resource that was read last, as it is in the open transaction: what a command is decided by is what its
    /// events are applied to.
    loaded: RefCell<Option<Resource>>,
}

/// What is held in memory.
#[derive(Debug, Clone)]
struct State {
    position: Position,
    greatest_key: u64,
    last_recorded_at: Option<Timestamp>,
    /// Shared with `saved` until an event changes it.
    tenancy: Arc<Tenancy>,
    /// What the settings in `tenancy` make of the standard schemas.
    schemas: Schemas,
}

/// A part of the write-ahead log's way into the file.
#[derive(Debug)]
pub struct CurrentCopying {
    copying: Copying,
    path: PathBuf,
}

impl CurrentCopying {
    /// Copies what it can. Does nothing when the writer that it comes from has gone.
    pub fn run(self) -> Result<(), ViewError> {
        self.copying.run(|| Layout::open_to_copy(&self.path)).map_err(failed)
    }
}

/// A place in the open transaction to go back to, for what is only tried.
#[derive(Debug)]
pub struct Savepoint(State);

impl CurrentWriter {
    /// Opens or creates the view of `stream`.
    pub fn open(path: &Path, stream: StreamId) -> Result<Self, ViewError> {
        Self::over(LAYOUT.open(path, stream)?, path, stream, false)
    }

    /// Begins a new file that is filled as fast as possible and becomes a view with [`Self::finish`]. A crash
    /// before that leaves rubbish, and so does [`Self::roll_back`]: a failed rebuild is thrown away.
    pub fn open_for_rebuild(path: &Path, stream: StreamId) -> Result<Self, ViewError> {
        Self::over(LAYOUT.open_for_rebuild(path, stream)?, path, stream, true)
    }

    /// Ends a rebuild: makes the indexes that reads need, closes the file and syncs it.
    pub fn finish(self) -> Result<(), ViewError> {
        assert!(self.saved.is_none(), "a rebuild is finished after its last commit");
        LAYOUT.finish(self.connection, &self.path)
    }

    fn over(
        mut connection: Connection,
        path: &Path,
        stream: StreamId,
        is_rebuild: bool,
    ) -> Result<Self, ViewError> {
        let state = State::load(&connection)?;
        let write_ahead = WriteAhead::of(&mut connection, BUSY_TIMEOUT).map_err(failed)?;
        Ok(Self {
            write_ahead,
            connection,
            path: path.to_owned(),
            stream,
            state,
            saved: None,
            is_rebuild,
            loaded: RefCell::default(),
        })
    }

    /// Whether the write-ahead log has become long enough to be copied into the file.
    pub fn is_tending_due(&self) -> bool {
        self.write_ahead.is_due()
    }

    /// What can be copied while this writes on, on another thread. [`Self::tend`] copies the rest.
    pub fn copying(&self) -> CurrentCopying {
        CurrentCopying { copying: self.write_ahead.copying(), path: self.path.clone() }
    }

    /// Keeps the write-ahead log small, when nobody waits for a commit: called after one.
    pub fn tend(&mut self) -> Result<(), ViewError> {
        self.write_ahead.tend(&self.connection).map_err(failed)
    }

    /// How far it has come (the committed or, inside a transaction, the open state).
    pub fn position(&self) -> Result<Position, ViewError> {
        Ok(self.state.position)
    }

    /// The greatest data key number that the log named up to the position.
    pub fn greatest_key(&self) -> Result<u64, ViewError> {
        Ok(self.state.greatest_key)
    }

    /// The `recorded_at` of the last event taken in.
    pub fn last_recorded_at(&self) -> Result<Option<Timestamp>, ViewError> {
        Ok(self.state.last_recorded_at)
    }

    /// Begins a transaction.
    pub fn begin(&mut self) -> Result<(), ViewError> {
        assert!(self.saved.is_none(), "one transaction ends before the next begins");
        self.loaded.take();
        if !self.is_rebuild {
            self.execute("BEGIN IMMEDIATE")?;
        }
        self.saved = Some(self.state.clone());
        Ok(())
    }

    /// Takes in one event, inside a transaction, and returns the resource's new state (`None` if there is none or
    /// the event is not about a user or group). Revisions must follow each other without a gap.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<Option<Resource>, ViewError> {
        self.apply_by(recorded, |old, recorded| evolve(old, recorded))
    }

    /// The same for whoever needs what the event says no more: no value of it is copied.
    pub fn apply_taking(&mut self, recorded: &mut Recorded) -> Result<Option<Resource>, ViewError> {
        self.apply_by(recorded, |old, recorded| evolve_taking(old, recorded))
    }

    fn apply_by<R: Borrow<Recorded>>(
        &mut self,
        mut recorded: R,
        evolve: impl FnOnce(Option<Resource>, &mut R) -> Option<Resource>,
    ) -> Result<Option<Resource>, ViewError> {
        assert!(self.saved.is_some(), "events are applied inside a transaction");
        self.check_that_it_follows(&recorded.borrow().header)?;
        let resource = match recorded.borrow().header.subject {
            Subject::User(id) => self.apply_to(ResourceType::User, id, &mut recorded, evolve)?,
            Subject::Group(id) => self.apply_to(ResourceType::Group, id, &mut recorded, evolve)?,
            Subject::Client(_)
            | Subject::Token(_)
            | Subject::Tenant
            | Subject::RegisteredTenant(_)
            | Subject::Operator(_) => {
                let recorded = recorded.borrow();
                let subject = recorded.header.subject;
                Arc::make_mut(&mut self.state.tenancy).apply(recorded);
                tenancy::store(&self.connection, &self.state.tenancy, subject).map_err(failed)?;
                if subject == Subject::Tenant {
                    self.state.schemas = self.state.tenancy.settings.schemas();
                }
                None
            }
        };
        let header = &recorded.borrow().header;
        self.state.position.revision = header.revision;
        self.state.greatest_key = self.state.greatest_key.max(header.key.unwrap_or(0));
        self.state.last_recorded_at = Some(header.recorded_at);
        Ok(resource)
    }

    /// Notes the root at the position, before the commit.
    pub fn set_root(&mut self, root: [u8; 32]) -> Result<(), ViewError> {
        self.state.position.root = root;
        Ok(())
    }

    /// Commits. After an error the transaction is still open: roll it back.
    pub fn commit(&mut self) -> Result<(), ViewError> {
        assert!(self.saved.is_some(), "only what was begun can be committed");
        self.state.store(&self.connection).map_err(failed)?;
        if !self.is_rebuild {
            self.execute("COMMIT")?;
        }
        self.saved = None;
        Ok(())
    }

    /// Gives up the transaction; what is held in memory (tenancy) goes back too. Does nothing outside one.
    pub fn roll_back(&mut self) {
        self.loaded.take();
        let Some(saved) = self.saved.take() else { return };
        self.state = saved;
        if !self.connection.is_autocommit() {
            // SQLite documents that a ROLLBACK which reports an error has rolled back nevertheless; what could
            // still be open makes the next BEGIN fail.
            self.execute("ROLLBACK").ok();
        }
    }

    /// Marks a place in the open transaction. One trial ends before the next begins.
    pub fn savepoint(&mut self) -> Result<Savepoint, ViewError> {
        assert!(self.saved.is_some(), "a savepoint lies inside a transaction");
        self.execute("SAVEPOINT trial")?;
        Ok(Savepoint(self.state.clone()))
    }

    /// Forgets everything behind the place, what is held in memory too. After an error the whole transaction has
    /// to be rolled back.
    pub fn return_to(&mut self, savepoint: Savepoint) -> Result<(), ViewError> {
        self.loaded.take();
        self.execute("ROLLBACK TO trial")?;
        self.execute("RELEASE trial")?;
        self.state = savepoint.0;
        Ok(())
    }

    /// Settings, clients, tokens, and in the registry tenants and operators.
    pub fn tenancy(&self) -> &Tenancy {
        &self.state.tenancy
    }

    /// What the tenant's users and groups look like.
    pub fn schemas(&self) -> &Schemas {
        &self.state.schemas
    }

    /// The groups that have this resource as a direct member, with their names, in order of their creation.
    pub fn groups_of(&self, id: ResourceId) -> Result<Vec<GroupRef>, ViewError> {
        membership::groups_of(&self.connection, id).map_err(failed)
    }

    /// A live resource, hidden or not, in the open transaction.
    pub(super) fn live(&self, id: ResourceId) -> Result<Option<Resource>, ViewError> {
        if let Some(resource) = &*self.loaded.borrow()
            && resource.id == id
        {
            return Ok(Some(resource.clone()));
        }
        let found = rows::load(&self.connection, id)?;
        self.loaded.replace(found.clone());
        Ok(found)
    }

    /// The number of the data key of a live resource.
    pub fn key_of(&self, id: ResourceId) -> Result<Option<u64>, ViewError> {
        match &*self.loaded.borrow() {
            Some(resource) if resource.id == id => Ok(resource.key),
            _ => rows::key(&self.connection, id).map_err(failed),
        }
    }

    fn check_that_it_follows(&self, header: &Header) -> Result<(), ViewError> {
        let expected = self.state.position.revision.next();
        if header.stream == self.stream && header.revision == expected {
            return Ok(());
        }
        let (stream, found) = (self.stream, header.revision);
        Err(broken(format!(
            "after stream {stream} revision {expected} is due, not revision {found} of stream {}",
            header.stream
        )))
    }

    fn apply_to<R: Borrow<Recorded>>(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        recorded: &mut R,
        evolve: impl FnOnce(Option<Resource>, &mut R) -> Option<Resource>,
    ) -> Result<Option<Resource>, ViewError> {
        let old = match self.loaded.take() {
            Some(resource) if resource.id == id => Some(resource),
            _ => rows::load(&self.connection, id)?,
        };
        if old.as_ref().is_some_and(|old| old.resource_type != resource_type) {
            let revision = (*recorded).borrow().header.revision;
            return Err(broken(format!("resources: {id} is of another type than revision {revision} says")));
        }
        let before = old.as_ref().map(Indexed::of);
        let new = evolve(old, recorded);
        match (&before, &new) {
            (None, None) => {}
            (None, Some(new)) => rows::insert(&self.connection, new).map_err(failed)?,
            (Some(before), Some(new)) => rows::update(&self.connection, before, new).map_err(failed)?,
            (Some(before), None) => rows::delete(&self.connection, before, id).map_err(failed)?,
        }
        if let Some(group) = &new {
            self.apply_to_members(group.created_revision, (*recorded).borrow())?;
        }
        Ok(new)
    }

    fn apply_to_members(&self, group_rid: Revision, recorded: &Recorded) -> Result<(), ViewError> {
        let (change, members) = match &recorded.event {
            Opened::Event(Event::GroupMembersAdded(members)) => (membership::ADD, members),
            Opened::Event(Event::GroupMembersRemoved(members)) => (membership::REMOVE, members),
            Opened::Event(_) | Opened::Erased => return Ok(()),
        };
        let mut change = self.connection.prepare_cached(change).map_err(failed)?;
        for (member, _) in &members.members {
            let Some(member_rid) = rows::rid(&self.connection, *member).map_err(failed)? else {
                let revision = recorded.header.revision;
                return Err(broken(format!("resources: no {member}, which revision {revision} names")));
            };
            change.execute(params![Column(group_rid), Column(member_rid)]).map_err(failed)?;
        }
        Ok(())
    }

    fn execute(&self, statement: &str) -> Result<(), ViewError> {
        query::execute(&self.connection, statement, []).map_err(failed)
    }
}

impl State {
    fn load(connection: &Connection) -> Result<Self, ViewError> {
        let position = view::position(connection).map_err(failed)?;
        let (greatest_key, last_recorded_at) = connection
            .query_row("SELECT greatest_key, last_recorded_at FROM meta", [], |row| {
                Ok((read(row, 0)?, read_optional(row, 1)?))
            })
            .map_err(failed)?;
        let tenancy = Arc::new(tenancy::load(connection)?);
        let schemas = tenancy.settings.schemas();
        Ok(Self { position, greatest_key, last_recorded_at, tenancy, schemas })
    }

    fn store(&self, connection: &Connection) -> rusqlite::Result<()> {
        let Position { revision, root } = self.position;
        query::execute(
            connection,
            "UPDATE meta SET revision = ?1, root = ?2, greatest_key = ?3, last_recorded_at = ?4",
            params![Column(revision), root, Column(self.greatest_key), self.last_recorded_at.map(Column)],
        )
    }
}
