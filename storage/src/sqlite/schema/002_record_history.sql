-- Every revision of every race record, with why it came. `record_id` is the record's own id; of a result, its
-- stage's. `record` is the row as that revision left it, instants as in the row. Rows are only ever added.
CREATE TABLE processor_record_history (
    id          INTEGER PRIMARY KEY,
    kind        TEXT    NOT NULL,
    record_id   TEXT    NOT NULL,
    entry_id    TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    change      TEXT    NOT NULL,
    cause       TEXT    NOT NULL,
    record      TEXT    NOT NULL
) STRICT;
CREATE INDEX processor_record_history_entry ON processor_record_history (entry_id, kind, record_id, revision);

-- A bonus or a penalty that a person gives by its amount rests on no formula: `formula_id` may be null. A column
-- cannot be loosened in place.
CREATE TABLE entry_penalties_loosened (
    id               TEXT    NOT NULL PRIMARY KEY,
    entry_id         TEXT    NOT NULL,
    stage_id         TEXT    NOT NULL,
    segment_id       TEXT,
    type             TEXT    NOT NULL,
    kind             TEXT,
    formula_id       TEXT,
    formula_snapshot TEXT    NOT NULL,
    inputs           TEXT    NOT NULL,
    penalty_ms       INTEGER NOT NULL,
    counts_for       TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    override_id      TEXT,
    needs_review     INTEGER NOT NULL,
    revision         INTEGER NOT NULL,
    retracted_at     INTEGER
) STRICT;
INSERT INTO entry_penalties_loosened SELECT * FROM entry_penalties;
DROP TABLE entry_penalties;
ALTER TABLE entry_penalties_loosened RENAME TO entry_penalties;
CREATE INDEX entry_penalties_entry ON entry_penalties (entry_id);
CREATE INDEX entry_penalties_stage ON entry_penalties (stage_id);
