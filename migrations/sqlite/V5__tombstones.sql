-- Digests of revoked keys, kept for good, so that no import brings a key back unnoticed. However the row
-- is deleted, it leaves one: hence a trigger, and the engine's clock (milliseconds since 1970 UTC) in words that
-- the sqlite3 shells of older systems know too (2440587.5 is 1970 as a Julian day). Short
-- tokens leave none: no export holds them, and a busy server ends thousands per hour. A damaged digest, which
-- nobody can present or import, leaves none either: it must not keep its row from being deleted.
CREATE TABLE tombstones (
    digest     BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    revoked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER key_buried AFTER DELETE ON keys WHEN OLD.is_token = 0 AND length(OLD.digest) = 32 BEGIN
    INSERT INTO tombstones (digest, revoked_at) VALUES (OLD.digest, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
    ON CONFLICT (digest) DO UPDATE SET revoked_at = excluded.revoked_at;
END;
