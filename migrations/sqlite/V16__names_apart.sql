-- The names and hints of keys are found in tables of their own instead of in indexes of `keys`. An import inserts its
-- rows in the order of the digests, its names in the order of the names and its hints in the order of the hints. In
-- an index of `keys`, each row would go to another page, and writing that page would cost more than the rest.
-- Short tokens are not in these tables: no search finds them. A value of the wrong type, in a damaged row, must not keep
-- that row from being changed: hence ANY.
CREATE TABLE key_names (
    name ANY NOT NULL COLLATE NOCASE,
    id   ANY NOT NULL,
    PRIMARY KEY (name, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_hints (
    hint ANY NOT NULL,
    id   ANY NOT NULL,
    PRIMARY KEY (hint, id)
) STRICT, WITHOUT ROWID;

-- Rows of an incomplete import are included; they can only be deleted.
INSERT OR IGNORE INTO key_names SELECT name, id FROM keys INDEXED BY keys_by_name
    WHERE is_token = 0 ORDER BY name COLLATE NOCASE, id;
INSERT OR IGNORE INTO key_hints SELECT hint, id FROM keys INDEXED BY keys_by_hint
    WHERE is_token = 0 ORDER BY hint, id;
DROP INDEX keys_by_name;
DROP INDEX keys_by_hint;

DROP TRIGGER key_inserted;
CREATE TRIGGER key_inserted AFTER INSERT ON keys
WHEN NOT EXISTS (SELECT 1 FROM pending_imports WHERE NEW.id BETWEEN first_id AND last_id) BEGIN
    INSERT INTO changes (kind, id, digest) VALUES ('key', NEW.id, NEW.digest);
    INSERT OR IGNORE INTO key_names (name, id) SELECT NEW.name, NEW.id WHERE NEW.is_token = 0;
    INSERT OR IGNORE INTO key_hints (hint, id) SELECT NEW.hint, NEW.id WHERE NEW.is_token = 0;
END;

CREATE TRIGGER key_renamed AFTER UPDATE OF id, name, hint, is_token ON keys
WHEN OLD.id IS NOT NEW.id OR OLD.name IS NOT NEW.name OR OLD.hint IS NOT NEW.hint OR OLD.is_token IS NOT NEW.is_token BEGIN
    DELETE FROM key_names WHERE name = OLD.name AND id = OLD.id;
    DELETE FROM key_hints WHERE hint = OLD.hint AND id = OLD.id;
    INSERT OR IGNORE INTO key_names (name, id) SELECT NEW.name, NEW.id WHERE NEW.is_token = 0;
    INSERT OR IGNORE INTO key_hints (hint, id) SELECT NEW.hint, NEW.id WHERE NEW.is_token = 0;
END;

CREATE TRIGGER key_unnamed AFTER DELETE ON keys WHEN OLD.is_token IS NOT 1 BEGIN
    DELETE FROM key_names WHERE name = OLD.name AND id = OLD.id;
    DELETE FROM key_hints WHERE hint = OLD.hint AND id = OLD.id;
END;
