-- Which decision of a person a crossing rests on, and the instant that it sets in place of `ts`.
ALTER TABLE entry_crossings ADD COLUMN IF NOT EXISTS override_id uuid;
ALTER TABLE entry_crossings ADD COLUMN IF NOT EXISTS set_at timestamptz;
