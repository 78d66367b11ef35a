-- The feed tells of an owner's role too: whether a key that manages may reach the keys of others is
-- judged in memory.
DROP TRIGGER user_changed;
CREATE TRIGGER user_changed AFTER UPDATE OF id, email, role, active ON users BEGIN
    INSERT INTO changes (kind, id) VALUES ('user', NEW.id);
END;
