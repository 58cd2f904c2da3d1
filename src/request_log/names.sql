-- Whom a request names, by keyed fingerprints of userNames, addresses and ids.
CREATE TABLE names (
    -- The row's number by 1,024: fingerprints lie at random places, and among those of all rows each would touch
    -- another page. Whoever looks for a name looks in every chunk.
    chunk INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (chunk, fingerprint, number)
) STRICT, WITHOUT ROWID;
