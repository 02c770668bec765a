-- What was deleted, as JSON: afterwards nobody can ask.
ALTER TABLE changes ADD COLUMN was TEXT;
