-- Lists of keys by state, by expiry and by last use.
CREATE INDEX keys_disabled ON keys (id) WHERE enabled = 0;
CREATE INDEX keys_without_end ON keys (id) WHERE expires_at IS NULL;
DROP INDEX keys_by_expiry;
CREATE INDEX keys_by_expiry ON keys (expires_at, id) WHERE expires_at IS NOT NULL;
CREATE INDEX key_last_use_by_time ON key_last_use (at, key_id);
