-- Every change of a key's row is in the feed: records of keys are kept in memory, and the feed tells which are out of
-- date.
DROP TRIGGER key_changed;
CREATE TRIGGER key_changed AFTER UPDATE ON keys BEGIN
    INSERT INTO changes (kind, id, digest) VALUES ('key', OLD.id, OLD.digest), ('key', NEW.id, NEW.digest);
END;
