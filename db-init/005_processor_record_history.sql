-- Every revision of every race record, with why it came: what was said of an entry before, and what made it change.
-- Written in the transaction that changes the record; nothing here is ever changed or removed by the processor.
--
-- `record_id` is the record's own id; of a result, its stage's. `record` is the row as that revision left it, for a
-- retraction as it last stood.
CREATE TABLE IF NOT EXISTS processor_record_history (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text        NOT NULL CHECK (kind IN ('crossing', 'penalty', 'result')),
    record_id   uuid        NOT NULL,
    entry_id    uuid        NOT NULL,
    revision    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    change      text        NOT NULL CHECK (change IN ('inserted', 'revised', 'retracted')),
    cause       text        NOT NULL,
    record      jsonb       NOT NULL
);
-- Not unique: who deletes a record and lets it be found again begins a second row of revisions, and keeps the first.
CREATE INDEX IF NOT EXISTS processor_record_history_entry
    ON processor_record_history (entry_id, kind, record_id, revision);
