-- history.db: who had what, when. Every row is a function of the log alone.
--
-- Rows are appended; only the last event of a resource, the end of a membership and a clock that was set back
-- change one. Indexes that no
-- write needs are in indexes.sql; a rebuild makes those last.

-- How far the view has come. One row.
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    -- The Merkle root over the headers up to `revision`.
    root BLOB NOT NULL
) STRICT;

-- Every user and group that ever was.
CREATE TABLE resources (
    -- The revision of the event that created the resource: order of rid is order of creation.
    rid INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    -- 'User' or 'Group'
    type TEXT NOT NULL,
    -- The last event about it, those about a group's members included: what stands at or below a revision is today
    -- as it was then.
    last_revision INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX resources_id ON resources (id);

-- One row for each event about a resource, those about a group's members excepted: what was true of it after
-- the event. Also the resource's timeline. Narrow, hence WITHOUT ROWID.
CREATE TABLE versions (
    rid INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    -- userName or displayName as spelled; a deleted resource keeps its last one; null once the person is erased.
    name TEXT,
    -- A User's displayName, by which it is shown as a member; null for a Group.
    display TEXT,
    -- False for whoever is hidden or deleted.
    active INTEGER NOT NULL,
    -- Not signed in yet, in a tenant whose users start as invited.
    invited INTEGER NOT NULL,
    -- 0 visible, 1 hidden, 2 deleted
    state INTEGER NOT NULL,
    erased INTEGER NOT NULL,
    PRIMARY KEY (rid, revision)
) STRICT, WITHOUT ROWID;

-- One row for each event about a group's members: it moves the group's version and nothing else of it.
CREATE TABLE member_changes (
    group_rid INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (group_rid, revision)
) STRICT, WITHOUT ROWID;

-- Every folded userName, e-mail address and displayName that a resource ever had.
CREATE TABLE names (
    folded TEXT NOT NULL,
    type TEXT NOT NULL,
    rid INTEGER NOT NULL,
    PRIMARY KEY (folded, type, rid)
) STRICT, WITHOUT ROWID;

-- Direct memberships through time: from the event that began each to the event that ended it.
CREATE TABLE memberships (
    group_rid INTEGER NOT NULL,
    member_rid INTEGER NOT NULL,
    from_revision INTEGER NOT NULL,
    -- Null while it lasts.
    to_revision INTEGER,
    PRIMARY KEY (group_rid, member_rid, from_revision)
) STRICT, WITHOUT ROWID;

-- One row for each transaction, under the revision of its last event. Instants are microseconds since
-- 1970-01-01T00:00:00Z.
CREATE TABLE transactions (
    revision INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    -- The least recorded_at of this transaction and all later ones: differs after a clock was set back.
    effective_at INTEGER NOT NULL
) STRICT;

-- Deprovisioning messages that the broker accepted, under the revision of the event that each is about.
CREATE TABLE published (
    revision INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
