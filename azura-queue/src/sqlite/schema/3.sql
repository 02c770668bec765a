-- Which tasks changed, in order, for those who watch everything in other processes. Only the newest rows are kept.
CREATE TABLE changes (
    rev INTEGER PRIMARY KEY,
    id TEXT NOT NULL, -- as in tasks
    gone INTEGER NOT NULL -- whether it was deleted
) STRICT;
