-- Lists of keys by state and by last use. The first two are small or filled in the order of the ids, so that they cost an
-- import little.
CREATE INDEX keys_disabled ON keys (id) WHERE enabled = 0;
CREATE INDEX keys_without_end ON keys (id) WHERE expires_at IS NULL;
CREATE INDEX key_last_use_by_time ON key_last_use (at);
