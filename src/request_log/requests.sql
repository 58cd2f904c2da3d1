-- The request log of one tenant (or, in system/, of requests that reached none), layout 3. Derived and bounded: it
-- may be deleted, and then begins anew. No column but `sealed` holds anything that a client wrote.

CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- The key of this file, wrapped by the tenant key.
    wrapped_key BLOB NOT NULL,
    -- Requests that have no row: the queue was full when they came, or the file could not be written.
    dropped INTEGER NOT NULL,
    -- Requests whose rows were removed because of their age, or of the size of the file.
    pruned INTEGER NOT NULL,
    -- Requests to this tenant's address with a token of another, in whose log they are, and when the last one came.
    foreign_requests INTEGER NOT NULL DEFAULT 0,
    foreign_at INTEGER
) STRICT;

CREATE TABLE requests (
    -- In the order in which requests were answered, never given twice.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The request's id; none if the row stands for several reads.
    id TEXT,
    -- When its headers were read, in microseconds; of folded reads, their minute.
    at INTEGER NOT NULL,
    -- Ids; none if the token was not known.
    client TEXT,
    token TEXT,
    method TEXT NOT NULL,
    -- The template of the path.
    route TEXT NOT NULL,
    -- The filter with `?` for every value and every name that is in no standard schema.
    filter TEXT,
    status INTEGER,
    -- Codes of failures, separated by `, `.
    code TEXT,
    outcome TEXT NOT NULL,
    -- How many resources a list found.
    results INTEGER,
    -- How long answering took in microseconds; of folded reads, all together.
    duration INTEGER NOT NULL,
    resource TEXT,
    -- Names of what was tolerated, separated by `,`.
    notes TEXT,
    -- Recorded events: the first one, and the one behind the last.
    first_revision INTEGER,
    end_revision INTEGER,
    -- For how many requests the row stands.
    requests INTEGER NOT NULL,
    -- 1 if it stands for several reads.
    folded INTEGER NOT NULL,
    -- Path, query, body and whereabouts of the client, sealed; none once they were removed.
    sealed BLOB,
    -- What it asked of whom, operation by operation (JSON): ids and names as keyed fingerprints, attributes as the
    -- schemas name them. It stays as long as the row.
    about BLOB,
    -- 1 if it names more people than can be found, or was carried out without that its body could be looked at.
    is_cut INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX requests_by_id ON requests (id) WHERE id IS NOT NULL;
CREATE UNIQUE INDEX folded_reads ON requests (at, ifnull(client, ''), route, ifnull(filter, '')) WHERE folded = 1;
