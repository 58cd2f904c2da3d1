-- Indexes of current.db that only reads need, and what the planner is told about all of them.

-- `hidden` is part of it, so that a search for a part of a name reads no resource.
CREATE INDEX resources_name ON resources (type, name_folded, hidden);

-- Lists by type, with or without `active`, and their totals: rid comes before active, so that the index is read
-- in the order of creation either way. Queries must say `hidden = 0` literally to use it.
CREATE INDEX resources_listed ON resources (type, rid, active) WHERE hidden = 0;

-- What changed since: every write of a resource moves one entry of it to the end.
CREATE INDEX resources_modified ON resources (type, modified_at) WHERE hidden = 0;

CREATE INDEX external_ids_value ON external_ids (type, domain, value);

CREATE INDEX memberships_member ON memberships (member_rid);

-- Fixed statistics of a large tenant instead of ANALYZE: the same query has the same plan everywhere and at any
-- size. Without them the planner would rather walk all users than look up the terms of an `or` one by one.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('resources', 'resources_id', '100000 1'),
    ('resources', 'resources_name', '100000 90000 1 1'),
    ('resources', 'resources_listed', '100000 90000 1 1'),
    ('resources', 'resources_modified', '100000 90000 1'),
    ('external_ids', 'external_ids', '100000 1 1'),
    ('external_ids', 'external_ids_value', '100000 90000 90000 1'),
    ('emails', 'emails', '100000 1 1'),
    ('added_values', 'added_values', '100000 100000 50000 1 1'),
    ('memberships', 'memberships', '500000 500 1'),
    ('memberships', 'memberships_member', '500000 5');
ANALYZE sqlite_schema;
