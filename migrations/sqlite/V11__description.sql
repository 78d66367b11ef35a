-- What a key is for, in its owner's words; empty if nobody wrote anything. No verdict depends on it, so the index does
-- not hear of its changes.
ALTER TABLE keys ADD COLUMN description TEXT NOT NULL DEFAULT '';
