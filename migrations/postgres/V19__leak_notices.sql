-- What the owner of a key that was revoked because it had leaked is told, until they dismiss it.
CREATE TABLE leak_notices (
    key_id     BYTEA NOT NULL PRIMARY KEY CHECK (length(key_id) = 16),
    user_id    BYTEA NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name       TEXT COLLATE "C" NOT NULL,
    hint       TEXT COLLATE "C" NOT NULL,
    revoked_at BIGINT NOT NULL,
    -- Where it was found, if a report said so.
    place      TEXT COLLATE "C"
);
CREATE INDEX leak_notices_by_user ON leak_notices (user_id, revoked_at, key_id);
