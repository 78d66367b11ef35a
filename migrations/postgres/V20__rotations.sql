-- Which key replaces which. The row lives as long as the new key, so a key still knows its predecessor after that one
-- has been revoked.
CREATE TABLE rotations (
    new_id BYTEA PRIMARY KEY CHECK (length(new_id) = 16),
    old_id BYTEA NOT NULL CHECK (length(old_id) = 16),
    -- The expiry that the old key had before the rotation; NULL means never. A cancelled rotation restores it.
    old_expires_at BIGINT,
    -- Seconds without a use after which the old key is revoked before its time; NULL means it is not.
    silence BIGINT CHECK (silence > 0)
);
CREATE INDEX rotations_by_old ON rotations (old_id);
CREATE INDEX rotations_until_silent ON rotations (new_id) WHERE silence IS NOT NULL;

CREATE FUNCTION key_unlinked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM rotations WHERE new_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER key_unlinked AFTER DELETE ON keys FOR EACH ROW WHEN (OLD.is_token <> 1) EXECUTE FUNCTION key_unlinked();
