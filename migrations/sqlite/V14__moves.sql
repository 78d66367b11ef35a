-- One row once this database was copied elsewhere to be used there. It must not be served any more: keys that are
-- revoked there would still be live here.
CREATE TABLE moves (
    one         INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    moved_at    INTEGER NOT NULL,
    destination TEXT NOT NULL
) STRICT, WITHOUT ROWID;
