-- A bonus or a penalty that a person gives by its amount rests on no formula.
ALTER TABLE entry_penalties ALTER COLUMN formula_id DROP NOT NULL;
