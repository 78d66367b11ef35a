-- The digests of the links with which the first admin can be created. They are all removed with the first user.
CREATE TABLE setup_links (
    digest  BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
