-- How long a key was to live when it was created, in seconds; NULL: for ever. A rotated key gets it again,
-- whatever an overlap or a change has made of its expiry since.
ALTER TABLE keys ADD COLUMN lifetime INTEGER;
UPDATE keys SET lifetime = CASE
    WHEN expires_at > created_at THEN (expires_at + 999 - created_at) / 1000
    ELSE 90 * 86400
END WHERE expires_at IS NOT NULL;

-- The key whose allowance this one uses up: a rotated key and its successors share one.
ALTER TABLE keys ADD COLUMN limit_bucket BLOB;
