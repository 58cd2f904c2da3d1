-- The data keys of one tenant, layout 1. Backed up apart from the log: who has both, and the master key, can read
-- everything; who has the log alone can prove everything and read no personal value.

CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- The tenant's UUID, as in the log.
    stream TEXT NOT NULL,
    -- Random, for the derivation of the tenant key.
    salt BLOB NOT NULL,
    -- Derived beside the tenant key: by it a wrong master key is told before anything is read or sealed.
    master_check BLOB NOT NULL
) STRICT;

CREATE TABLE keys (
    -- AUTOINCREMENT remembers the greatest number ever made. Every number that the log names has its row: one
    -- that is missing was lost.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The key under the tenant key: nonce (24), sealed key (32), tag (16). Of a key that was destroyed only a mark
    -- stays, which nobody can make who does not have the tenant key: nonce (24), tag (16) over nothing.
    wrapped BLOB NOT NULL
) STRICT;
