-- Which decision of a person a crossing rests on, and the instant that it sets in place of `ts`.
ALTER TABLE entry_crossings ADD COLUMN override_id TEXT;
ALTER TABLE entry_crossings ADD COLUMN set_at INTEGER;
