-- Indexes of history.db that only reads need, and what the planner is told about all of them.

-- to_revision is part of it, so that the memberships of 100,000 users at an instant are read from the index alone.
CREATE INDEX memberships_member ON memberships (member_rid, from_revision, to_revision);

CREATE INDEX transactions_time ON transactions (effective_at);

-- Fixed statistics of a large tenant instead of ANALYZE: the same query has the same plan everywhere.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('resources', 'resources_id', '100000 1'),
    ('versions', 'versions', '500000 5 1'),
    ('member_changes', 'member_changes', '500000 500 1'),
    ('names', 'names', '300000 1 1 1'),
    ('memberships', 'memberships', '500000 500 2 1'),
    ('memberships', 'memberships_member', '500000 5 1 1'),
    ('transactions', 'transactions_time', '1000000 1');
ANALYZE sqlite_schema;
