-- Every change of a key's row is in the feed: records of keys are kept in memory, and the feed tells which are out of
-- date.
DROP TRIGGER key_changed ON keys;
CREATE TRIGGER key_changed AFTER UPDATE ON keys FOR EACH ROW EXECUTE FUNCTION key_changed();
