-- The business tables, for installations where nobody else owns them: who competes, in what, with which tracker.
--
-- References are checked at commit, so that a course may be stored in any order. Users live elsewhere: `user_id` names
-- them without a reference. What is here already is not ours, so nothing says IF NOT EXISTS: it ends with an error.

DO $$
BEGIN
    IF to_regclass('directus_collections') IS NOT NULL THEN
        RAISE EXCEPTION 'Directus owns the business tables of this database';
    END IF;
END
$$;

CREATE TABLE organizations (
    id   uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    name text NOT NULL,
    slug text NOT NULL DEFAULT ''
);

CREATE TABLE organization_users (
    id              uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations DEFERRABLE INITIALLY DEFERRED,
    user_id         uuid NOT NULL,
    role            text NOT NULL
        CHECK (role IN ('org-admin', 'race-director', 'marshal', 'timekeeper', 'participant', 'viewer')),
    UNIQUE (organization_id, user_id, role)
);

CREATE TABLE devices (
    id    uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    imei  text NOT NULL UNIQUE,
    model text NOT NULL DEFAULT ''
);

CREATE TABLE vehicles (
    id              uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    organization_id uuid REFERENCES organizations DEFERRABLE INITIALLY DEFERRED,
    name            text NOT NULL DEFAULT ''
);

CREATE TABLE events (
    id                uuid             NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    organization_id   uuid             REFERENCES organizations DEFERRABLE INITIALLY DEFERRED,
    name              text             NOT NULL,
    slug              text             NOT NULL DEFAULT '',
    discipline        text             NOT NULL DEFAULT 'rally'
        CHECK (discipline IN ('rally', 'time-trial', 'regatta', 'trail-run', 'hike')),
    starts_at         timestamptz,
    ends_at           timestamptz,
    margin_seconds    double precision NOT NULL DEFAULT 86400,
    max_plausible_kmh double precision NOT NULL DEFAULT 250,
    max_gap_seconds   double precision NOT NULL DEFAULT 60,
    spike_fixes       integer          NOT NULL DEFAULT 3,
    truncation        text             NOT NULL DEFAULT 'ms' CHECK (truncation IN ('ms', 's')),
    minute_truncation boolean          NOT NULL DEFAULT true
);
CREATE INDEX events_organization ON events (organization_id);

CREATE TABLE classes (
    id         uuid    NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    event_id   uuid    NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    code       text    NOT NULL,
    name       text    NOT NULL DEFAULT '',
    sort_order integer NOT NULL DEFAULT 0
);
CREATE INDEX classes_event ON classes (event_id);

CREATE TABLE entries (
    id          uuid    NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    event_id    uuid    NOT NULL REFERENCES events DEFERRABLE INITIALLY DEFERRED,
    class_id    uuid    REFERENCES classes DEFERRABLE INITIALLY DEFERRED,
    vehicle_id  uuid    REFERENCES vehicles DEFERRABLE INITIALLY DEFERRED,
    race_number integer NOT NULL,
    status      text    NOT NULL DEFAULT '',
    UNIQUE (event_id, race_number)
);

CREATE TABLE entry_crew (
    id       uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    entry_id uuid NOT NULL REFERENCES entries DEFERRABLE INITIALLY DEFERRED,
    user_id  uuid NOT NULL,
    role     text NOT NULL DEFAULT '',
    UNIQUE (entry_id, user_id)
);

-- `assigned_user_id`: worn by that person; null: mounted on the vehicle.
CREATE TABLE entry_devices (
    id               uuid        NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    entry_id         uuid        NOT NULL REFERENCES entries DEFERRABLE INITIALLY DEFERRED,
    device_id        uuid        NOT NULL REFERENCES devices DEFERRABLE INITIALLY DEFERRED,
    assigned_user_id uuid,
    timing           boolean     NOT NULL DEFAULT false,
    valid_from       timestamptz,
    valid_to         timestamptz
);
CREATE INDEX entry_devices_entry ON entry_devices (entry_id);
CREATE INDEX entry_devices_device ON entry_devices (device_id);
