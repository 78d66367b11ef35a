-- A refresh token that comes again within some seconds gets the same answer: its client sent it twice, or
-- never saw the first answer. The next pair follows from the seed and the refresh token's text, which is not
-- stored; the seed is forgotten when the seconds are over.
ALTER TABLE refresh_tokens ADD COLUMN used_at INTEGER;
ALTER TABLE refresh_tokens ADD COLUMN seed BLOB;
-- Who used it: a neighbourhood and a user agent.
ALTER TABLE refresh_tokens ADD COLUMN used_from TEXT;
ALTER TABLE refresh_tokens ADD COLUMN used_with TEXT;
CREATE INDEX refresh_tokens_by_use ON refresh_tokens (used_at) WHERE seed IS NOT NULL;
