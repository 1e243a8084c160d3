-- How much later an audience of an event sees it on the live channel, so that what the public sees gives nobody an
-- advantage. A person writes here; what is set takes effect with the next look at it (LIVE_DEVICE_EVENT_REFRESH_MS).
--
-- `role` is a role of organization_users in the organization of the event; null: of whoever has no rule of their own.
-- Who has neither sees the event as late as the latest of its rules. An event without rules is seen as it happens.
CREATE TABLE IF NOT EXISTS live_delays (
    event_id      uuid    NOT NULL,
    role          text,
    delay_seconds integer NOT NULL CHECK (delay_seconds BETWEEN 0 AND 86400)
);
CREATE UNIQUE INDEX IF NOT EXISTS live_delays_event_role ON live_delays (event_id, coalesce(role, ''));
