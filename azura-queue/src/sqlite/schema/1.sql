-- Moments are microseconds since 1970 by the wall clock. `task` is everywhere the task's place in the order of submission.

CREATE TABLE tasks (
    task INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    name TEXT NOT NULL,
    stands TEXT NOT NULL, -- the state, or DEAD for a dead letter
    created INTEGER NOT NULL,
    record TEXT NOT NULL -- all that is known of it, as JSON
) STRICT;

CREATE TABLE labels (
    task INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    stands TEXT NOT NULL, -- as in tasks
    created INTEGER NOT NULL, -- as in tasks
    PRIMARY KEY (task, key)
) STRICT, WITHOUT ROWID;

-- What is listed is found in the order of age within each standing.
CREATE INDEX tasks_by_age ON tasks (stands, created);
CREATE INDEX tasks_by_name ON tasks (name, stands, created);
CREATE INDEX labels_by_age ON labels (key, value, stands, created);

-- The tasks that are PENDING.
CREATE TABLE waiting (
    task INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    due INTEGER, -- NULL once it can be claimed
    expires INTEGER
) STRICT;

CREATE INDEX waiting_turns ON waiting (queue, priority) WHERE due IS NULL;
CREATE INDEX waiting_due ON waiting (due) WHERE due IS NOT NULL;
CREATE INDEX waiting_expires ON waiting (expires) WHERE expires IS NOT NULL;

-- The tasks that are STARTED.
CREATE TABLE leases (
    task INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL,
    worker TEXT NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0, -- whether somebody asked to cancel
    ends INTEGER NOT NULL,
    ttl INTEGER NOT NULL -- microseconds
) STRICT;

CREATE TABLE events (
    task INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    entry TEXT NOT NULL, -- as JSON
    PRIMARY KEY (task, seq)
) STRICT, WITHOUT ROWID;

-- The last transient event of each task; out of date once the log is longer than `after`.
CREATE TABLE newest (
    task INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    after INTEGER NOT NULL,
    entry TEXT NOT NULL
) STRICT;

CREATE TABLE keys (
    key TEXT PRIMARY KEY,
    task INTEGER NOT NULL,
    until INTEGER -- NULL: until the task lets go
) STRICT, WITHOUT ROWID;

CREATE TABLE paused (queue TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Who is there, and until when.
CREATE TABLE workers (
    worker TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    info TEXT NOT NULL -- as JSON
) STRICT, WITHOUT ROWID;

CREATE TRIGGER a_task_moves AFTER UPDATE OF stands ON tasks WHEN old.stands <> new.stands BEGIN
    UPDATE labels SET stands = new.stands WHERE task = new.task;
END;

CREATE TRIGGER a_task_goes AFTER DELETE ON tasks BEGIN
    DELETE FROM labels WHERE task = old.task;
    DELETE FROM events WHERE task = old.task;
    DELETE FROM newest WHERE task = old.task;
END;
