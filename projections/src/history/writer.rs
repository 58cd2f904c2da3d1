//! The one connection that writes the view: whole transactions of the log, one after the other.
//!
//! Nothing is held in memory but the position: whatever fails is rolled back by SQLite, and the same events can
//! be given again.

use std::path::{Path, PathBuf};

use provisioning::event::{Event, Members, Published};
use provisioning::{Header, Opened, Recorded, ResourceId, Revision, StreamId, Subject};
use rusqlite::{Connection, TransactionBehavior, params};
use write_ahead::WriteAhead;

use super::{LAYOUT, broken, failed, fold, instants, intervals};
use crate::column::{Column, read};
use crate::view::BUSY_TIMEOUT;
use crate::{Position, ViewError, query, view};

/// The one connection that writes the view.
pub struct HistoryWriter {
    connection: Connection,
    write_ahead: WriteAhead,
    path: PathBuf,
    stream: StreamId,
    position: Position,
    /// The file is filled from the beginning, in one transaction of SQLite's.
    is_rebuild: bool,
}

impl HistoryWriter {
    /// Opens or creates the view of `stream`.
    pub fn open(path: &Path, stream: StreamId) -> Result<Self, ViewError> {
        Self::over(LAYOUT.open(path, stream)?, path, stream, false)
    }

    /// Begins a new file that is filled as fast as possible and becomes a view with [`Self::finish`]. A crash or
    /// an error before that leaves rubbish: a failed rebuild is thrown away.
    pub fn open_for_rebuild(path: &Path, stream: StreamId) -> Result<Self, ViewError> {
        Self::over(LAYOUT.open_for_rebuild(path, stream)?, path, stream, true)
    }

    /// Ends a rebuild: makes the indexes that reads need, closes the file and syncs it.
    pub fn finish(self) -> Result<(), ViewError> {
        LAYOUT.finish(self.connection, &self.path)
    }

    fn over(
        mut connection: Connection,
        path: &Path,
        stream: StreamId,
        is_rebuild: bool,
    ) -> Result<Self, ViewError> {
        let position = view::position(&connection).map_err(failed)?;
        let write_ahead = WriteAhead::of(&mut connection, BUSY_TIMEOUT).map_err(failed)?;
        Ok(Self { connection, write_ahead, path: path.to_owned(), stream, position, is_rebuild })
    }

    /// Keeps the write-ahead log small: called after a commit.
    pub fn tend(&mut self) -> Result<(), ViewError> {
        self.write_ahead.tend(&self.connection).map_err(failed)
    }

    /// How far it has come.
    pub fn position(&self) -> Result<Position, ViewError> {
        Ok(self.position)
    }

    /// Takes in whole transactions (never half of one) in one SQLite transaction and notes the position.
    pub fn apply(&mut self, events: &[Recorded], root: [u8; 32]) -> Result<(), ViewError> {
        let Some(last) = events.last() else { return Ok(()) };
        check_that_they_follow(self.stream, self.position.revision, events)?;
        let position = Position { revision: last.header.revision, root };
        if self.is_rebuild {
            take_in_all(&self.connection, events, position)?;
        } else {
            let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
            let transaction = begun.map_err(failed)?;
            take_in_all(&transaction, events, position)?;
            transaction.commit().map_err(failed)?;
        }
        self.position = position;
        Ok(())
    }
}

fn take_in_all(connection: &Connection, events: &[Recorded], position: Position) -> Result<(), ViewError> {
    let mut latest = instants::latest(connection).map_err(failed)?;
    for recorded in events {
        take_in(connection, recorded)?;
        let Header { revision, recorded_at, txn, .. } = recorded.header;
        if txn.n == txn.of {
            instants::note(connection, revision, recorded_at, &mut latest).map_err(failed)?;
        }
    }
    let Position { revision, root } = position;
    query::execute(connection, "UPDATE meta SET revision = ?1, root = ?2", params![Column(revision), root])
        .map_err(failed)
}

fn check_that_they_follow(
    stream: StreamId,
    position: Revision,
    events: &[Recorded],
) -> Result<(), ViewError> {
    let mut revision = position;
    let mut due = 1;
    for Recorded { header, .. } in events {
        revision = revision.next();
        if header.stream != stream || header.revision != revision {
            return Err(broken(format!(
                "in stream {stream} revision {revision} is due, not revision {} of stream {}",
                header.revision, header.stream
            )));
        }
        if header.txn.n != due {
            return Err(half(stream, revision));
        }
        due = if header.txn.n == header.txn.of { 1 } else { due + 1 };
    }
    if due == 1 { Ok(()) } else { Err(half(stream, revision)) }
}

fn half(stream: StreamId, revision: Revision) -> ViewError {
    broken(format!("in stream {stream} a transaction is cut at revision {revision}"))
}

fn take_in(connection: &Connection, recorded: &Recorded) -> Result<(), ViewError> {
    let header = &recorded.header;
    match &recorded.event {
        Opened::Erased => fold::take_in(connection, recorded).map_err(failed)?,
        Opened::Event(event) => match event {
            Event::GroupMembersAdded(members) => {
                change_members(connection, header, members, intervals::BEGIN)?;
            }
            Event::GroupMembersRemoved(members) => {
                change_members(connection, header, members, intervals::END)?;
            }
            Event::DeprovisioningPublished(published) => {
                note_published(connection, published).map_err(failed)?;
            }
            Event::UserCreated(_)
            | Event::UserUpdated(_)
            | Event::UserActivated(_)
            | Event::UserDeactivated(_)
            | Event::UserReactivated(_)
            | Event::UserHidden(_)
            | Event::UserDeleted(_)
            | Event::GroupCreated(_)
            | Event::GroupUpdated(_)
            | Event::GroupDeleted(_) => fold::take_in(connection, recorded).map_err(failed)?,
            Event::ClientCreated(_)
            | Event::ClientUpdated(_)
            | Event::ClientSilent(_)
            | Event::ClientHeard(_)
            | Event::TokenIssued(_)
            | Event::TokenRevoked
            | Event::TenantCreated(_)
            | Event::TenantUpdated(_)
            | Event::ClockAdjusted(_)
            | Event::TenantRegistered(_)
            | Event::TenantClosed
            | Event::OperatorCreated(_)
            | Event::OperatorRevoked => {}
        },
    }
    Ok(())
}

fn change_members(
    connection: &Connection,
    header: &Header,
    members: &Members,
    change: &str,
) -> Result<(), ViewError> {
    let rid_of = |id| {
        rid(connection, id)
            .map_err(failed)?
            .ok_or_else(|| broken(format!("resources: no {id}, which revision {} names", header.revision)))
    };
    let Subject::Group(group) = header.subject else {
        return Err(broken(format!("revision {} changes the members of no group", header.revision)));
    };
    let group_rid = rid_of(group)?;
    let moved = "INSERT INTO member_changes (group_rid, revision) VALUES (?1, ?2)";
    query::execute(connection, moved, params![Column(group_rid), Column(header.revision)])
        .and_then(|()| fold::note_last(connection, group_rid, header.revision))
        .map_err(failed)?;
    let mut change = connection.prepare_cached(change).map_err(failed)?;
    for (member, _) in &members.members {
        let keys = params![Column(group_rid), Column(rid_of(*member)?), Column(header.revision)];
        change.execute(keys).map_err(failed)?;
    }
    Ok(())
}

/// What was accepted once stays accepted then: publishing again after a loss of the broker changes nothing.
fn note_published(connection: &Connection, published: &Published) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO published (revision, sequence, at) VALUES (?1, ?2, ?3)")?;
    for (revision, sequence, at) in &published.published {
        insert.execute(params![Column(*revision), Column(*sequence), Column(*at)])?;
    }
    Ok(())
}

/// The row number of a resource that is or was.
fn rid(connection: &Connection, id: ResourceId) -> rusqlite::Result<Option<Revision>> {
    query::one(connection, "SELECT rid FROM resources WHERE id = ?1", [Column(id)], |row| read(row, 0))
}
