-- A short token is a key that came of a log-in by a program. It is not listed among keys, does not
-- count as one, and dies with its family.
ALTER TABLE keys ADD COLUMN is_token INTEGER NOT NULL DEFAULT 0 CHECK (is_token IN (0, 1));

-- What followed from one log-in: one token at a time, and the refresh tokens of which one is good.
CREATE TABLE token_families (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id    BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key_id     BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_families_by_user ON token_families (user_id, created_at);
CREATE INDEX token_families_by_expiry ON token_families (expires_at);

-- Used ones stay as long as the family: one that comes again was copied.
CREATE TABLE refresh_tokens (
    digest    BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    family_id BLOB NOT NULL REFERENCES token_families (id) ON DELETE CASCADE,
    is_used   INTEGER NOT NULL CHECK (is_used IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family_id);

-- Whoever revokes a token, by whatever door, ends its family.
CREATE TRIGGER token_deleted AFTER DELETE ON keys WHEN OLD.is_token = 1 BEGIN
    DELETE FROM token_families WHERE key_id = OLD.id;
END;
