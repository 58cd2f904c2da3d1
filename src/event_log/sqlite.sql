-- The log of one tenant, layout 1. Nothing in it is ever changed: a row is inserted once and stays. The triggers
-- hold for every program that opens the file, so they need no setting of a connection: an INSERT that would
-- REPLACE a row is refused before it comes to that.

CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- The tenant's UUID, as in every header.
    stream TEXT NOT NULL
) STRICT;

CREATE TABLE events (
    revision INTEGER PRIMARY KEY,
    -- By it a retried append is recognised.
    id TEXT NOT NULL UNIQUE,
    -- The JSON whose bytes are the leaf of the Merkle tree.
    header TEXT NOT NULL,
    -- The algorithm byte and the rest; NULL for an event without a payload.
    payload BLOB,
    -- The leaf's hash, then those of the inner nodes that it completes, from the smallest to the largest.
    hashes BLOB NOT NULL
) STRICT;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: an event is never changed');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: an event is never deleted');
END;

CREATE TRIGGER events_follow_each_other BEFORE INSERT ON events
WHEN NEW.revision <> (SELECT coalesce(max(revision), 0) + 1 FROM events) BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: the next event has the revision after the last');
END;

CREATE TRIGGER events_are_stored_once BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: an event with this id is there already');
END;

CREATE TRIGGER meta_is_never_changed BEFORE UPDATE ON meta BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: its stream is never changed');
END;

CREATE TRIGGER meta_is_never_deleted BEFORE DELETE ON meta BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: its stream is never deleted');
END;

CREATE TRIGGER meta_is_written_once BEFORE INSERT ON meta
WHEN EXISTS (SELECT 1 FROM meta) BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: its stream is written once');
END;
