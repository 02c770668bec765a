-- When leases were last taken back, by any process: after a silence nobody is held to be dead at once.
CREATE TABLE reaped (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL
) STRICT;
