-- current.db: what is true in a tenant now. Every row is a function of the log alone.
--
-- Only ids are unique here: uniqueness of anything else is decided before an event is recorded, so a rebuild
-- cannot fail on it. Indexes that no write needs are in indexes.sql; a rebuild makes those last.

-- How far the view has come. One row, written once in each commit.
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    -- The Merkle root over the headers up to `revision`.
    root BLOB NOT NULL,
    -- The greatest data key number that the log named up to `revision`.
    greatest_key INTEGER NOT NULL DEFAULT 0,
    last_recorded_at INTEGER
) STRICT;

-- Users and groups, hidden users too. Instants are microseconds since 1970-01-01T00:00:00Z.
CREATE TABLE resources (
    -- The revision of the event that created the resource: order of rid is order of creation.
    rid INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    -- 'User' or 'Group'
    type TEXT NOT NULL,
    -- The folded userName or displayName; null once the person is erased.
    name_folded TEXT,
    -- How the resource is shown as a member: a User's displayName or userName, a Group's displayName.
    display TEXT,
    -- The revision of the last event that changed the resource: its ETag.
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    active INTEGER NOT NULL,
    invited INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    erased INTEGER NOT NULL,
    key INTEGER,
    -- The canonical document. Last, so that reading any other column never touches its overflow pages.
    document TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX resources_id ON resources (id);

-- externalId, one for each provisioning domain.
CREATE TABLE external_ids (
    rid INTEGER NOT NULL,
    domain TEXT NOT NULL,
    -- The resource's type, repeated so that one index answers "who holds this?".
    type TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (rid, domain)
) STRICT, WITHOUT ROWID;

-- Every folded e-mail address of every user.
CREATE TABLE emails (
    value_folded TEXT NOT NULL,
    rid INTEGER NOT NULL,
    PRIMARY KEY (value_folded, rid)
) STRICT, WITHOUT ROWID;

-- The folded text of every singular attribute of a resource that no standard schema has: what a tenant added. All
-- of them, whatever the tenant's settings say, since a view never reads those. A user's displayName as well: people
-- are looked for by it.
CREATE TABLE added_values (
    type TEXT NOT NULL,
    -- The attribute's name, behind its extension's URN and a colon if it has one.
    path TEXT NOT NULL,
    value_folded TEXT NOT NULL,
    rid INTEGER NOT NULL,
    PRIMARY KEY (type, path, value_folded, rid)
) STRICT, WITHOUT ROWID;

-- Direct memberships.
CREATE TABLE memberships (
    group_rid INTEGER NOT NULL,
    member_rid INTEGER NOT NULL,
    PRIMARY KEY (group_rid, member_rid)
) STRICT, WITHOUT ROWID;

-- Ids of deleted resources: never given out again, and a page may still go on after one.
CREATE TABLE deleted (
    id TEXT PRIMARY KEY,
    rid INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Settings, clients, tokens and, in the registry, tenants and operators: one JSON text for each.
CREATE TABLE tenancy (
    -- As subjects are printed: 'tenant', 'clients/<id>', 'tokens/<id>', 'tenants/<stream>', 'operators/<id>'.
    item TEXT PRIMARY KEY,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
