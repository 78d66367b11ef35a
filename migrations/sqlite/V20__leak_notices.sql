-- What the owner of a key that was revoked because it had leaked is told, until they dismiss it.
CREATE TABLE leak_notices (
    key_id     BLOB NOT NULL PRIMARY KEY CHECK (length(key_id) = 16),
    user_id    BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    hint       TEXT NOT NULL,
    revoked_at INTEGER NOT NULL,
    -- Where it was found, if a report said so.
    place      TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX leak_notices_by_user ON leak_notices (user_id, revoked_at, key_id);
