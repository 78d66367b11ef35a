-- Addresses too are known from which an account has logged in: strangers cannot hold it back there.
ALTER TABLE devices ADD COLUMN kind TEXT NOT NULL DEFAULT 'browser' CHECK (kind IN ('browser', 'address'));

-- Failed log-ins of the present hour (its beginning): how many have an event of their own, and how many more get
-- one together when the hour is over. `account` is a user's e-mail or empty; `address` is a neighbourhood, or empty
-- for all that have no row of their own.
CREATE TABLE refused_logins (
    hour    INTEGER NOT NULL,
    account TEXT NOT NULL,
    address TEXT NOT NULL,
    events  INTEGER NOT NULL,
    more    INTEGER NOT NULL,
    PRIMARY KEY (hour, account, address)
) STRICT, WITHOUT ROWID;

-- Tells this database from others. Not a secret.
CREATE TABLE installation (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16)
) STRICT, WITHOUT ROWID;
INSERT INTO installation (id) VALUES (randomblob(16));
