-- The digests of the links with which the first admin can be created, one from each node that was started meanwhile.
-- They are all removed with the first user.
CREATE TABLE setup_links (
    digest  BYTEA NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    made_at BIGINT NOT NULL
);
