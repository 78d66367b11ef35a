-- Which key replaces which. The row lives as long as the new key, so a key still knows its predecessor after that one
-- has been revoked.
CREATE TABLE rotations (
    new_id BLOB PRIMARY KEY CHECK (length(new_id) = 16),
    old_id BLOB NOT NULL CHECK (length(old_id) = 16),
    -- The expiry that the old key had before the rotation; NULL means never. A cancelled rotation restores it.
    old_expires_at INTEGER,
    -- Seconds without a use after which the old key is revoked before its time; NULL means it is not.
    silence INTEGER CHECK (silence > 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX rotations_by_old ON rotations (old_id);
CREATE INDEX rotations_until_silent ON rotations (new_id) WHERE silence IS NOT NULL;

CREATE TRIGGER key_unlinked AFTER DELETE ON keys WHEN OLD.is_token IS NOT 1 BEGIN
    DELETE FROM rotations WHERE new_id = OLD.id;
END;
