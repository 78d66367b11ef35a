-- An import writes its keys in many transactions. Until the last one, the rows between these two ids are
-- not keys yet: no query returns them, no trigger reports them. Key ids between them belong to that import
-- alone (`KeyId::in_sequence`). Deleting the row here makes all of them keys at once.
CREATE TABLE pending_imports (
    first_id BLOB NOT NULL PRIMARY KEY CHECK (length(first_id) = 16),
    last_id  BLOB NOT NULL CHECK (length(last_id) = 16),
    -- Rows that somebody deleted meanwhile, with their owner: such an import fails.
    lost     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

DROP TRIGGER key_inserted;
CREATE TRIGGER key_inserted AFTER INSERT ON keys
WHEN NOT EXISTS (SELECT 1 FROM pending_imports WHERE NEW.id BETWEEN first_id AND last_id) BEGIN
    INSERT INTO changes (kind, id, digest) VALUES ('key', NEW.id, NEW.digest);
END;

DROP TRIGGER key_deleted;
CREATE TRIGGER key_deleted AFTER DELETE ON keys
WHEN NOT EXISTS (SELECT 1 FROM pending_imports WHERE OLD.id BETWEEN first_id AND last_id) BEGIN
    INSERT INTO changes (kind, id, digest) VALUES ('key', OLD.id, OLD.digest);
    DELETE FROM key_last_use WHERE key_id = OLD.id;
    DELETE FROM key_hourly_use WHERE key_id = OLD.id;
END;

DROP TRIGGER key_buried;
CREATE TRIGGER key_buried AFTER DELETE ON keys
WHEN OLD.is_token = 0 AND length(OLD.digest) = 32
    AND NOT EXISTS (SELECT 1 FROM pending_imports WHERE OLD.id BETWEEN first_id AND last_id) BEGIN
    INSERT INTO tombstones (digest, revoked_at) VALUES (OLD.digest, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
    ON CONFLICT (digest) DO UPDATE SET revoked_at = excluded.revoked_at;
END;

CREATE TRIGGER pending_key_lost AFTER DELETE ON keys
WHEN EXISTS (SELECT 1 FROM pending_imports WHERE OLD.id BETWEEN first_id AND last_id) BEGIN
    UPDATE pending_imports SET lost = lost + 1 WHERE OLD.id BETWEEN first_id AND last_id;
END;
