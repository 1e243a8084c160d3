-- What the processor keeps for itself. It has no DDL rights of its own.

-- Who may judge. Exactly one instance does, and what it commits proves that it still is the one:
--
--   take over   SELECT … WHERE name = … AND (holder IS NULL OR expires_at < now()) FOR UPDATE, then
--               UPDATE … SET token = token + 1, holder = …, expires_at = …
--   commit      SELECT FROM processor_leases WHERE name = … AND token = <mine> FOR KEY SHARE, in the same message as
--               COMMIT; no row: another took over, roll back
--   renew       UPDATE … SET expires_at = … WHERE name = … AND token = <mine>
--
-- The token only grows. Time decides who may try, the token who may commit. Because the token is part of a key,
-- raising it waits for commits under way and keeps later ones waiting, whoever does it; a renewal changes no key and
-- neither waits for commits nor holds them up.
CREATE TABLE IF NOT EXISTS processor_leases (
    name        text        NOT NULL PRIMARY KEY,
    token       bigint      NOT NULL DEFAULT 0,
    holder      text,
    acquired_at timestamptz,
    expires_at  timestamptz,
    UNIQUE (name, token)
);
INSERT INTO processor_leases (name) VALUES ('judge') ON CONFLICT DO NOTHING;

-- Race changes, written in the transaction that makes them and relayed at least once. Ids are handed out before
-- commits happen, so a relay asks for what is not relayed, never for what is greater than the last id it saw.
CREATE TABLE IF NOT EXISTS processor_outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    kind       text        NOT NULL,
    event_id   uuid,
    entry_id   uuid,
    payload    jsonb       NOT NULL,
    relayed_at timestamptz
);
CREATE INDEX IF NOT EXISTS processor_outbox_waiting ON processor_outbox (id) WHERE relayed_at IS NULL;

-- How far each entry is evaluated, so that a restart goes on from there. `version` is that of the saved form: what a
-- program cannot read it computes again from positions. `dirty_from` is the oldest instant whose evidence changed
-- since; null: nothing to do again.
CREATE TABLE IF NOT EXISTS processor_entry_states (
    entry_id       uuid        NOT NULL PRIMARY KEY,
    version        integer     NOT NULL DEFAULT 0,
    evaluated_to   timestamptz,
    state          bytea,
    dirty_from     timestamptz,
    dirty_revision bigint      NOT NULL DEFAULT 0,
    updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS processor_entry_states_dirty ON processor_entry_states (dirty_from)
    WHERE dirty_from IS NOT NULL;

-- Events whose positions are kept elsewhere: retention may drop their days. A person or the archive job writes here.
CREATE TABLE IF NOT EXISTS processor_archived_events (
    event_id    uuid        NOT NULL PRIMARY KEY,
    archived_at timestamptz NOT NULL DEFAULT now(),
    archived_to text        NOT NULL DEFAULT ''
);
