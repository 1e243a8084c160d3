//! Events with trackers and a small course each, written by the database itself.

/// Waypoints of each event.
const WAYPOINTS: usize = 10;

/// One of some events: which devices are in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Events {
    /// The number of the first one.
    pub(crate) first: usize,
    pub(crate) events: usize,
    /// The number of the first device; the n-th is in the n-th event, and again from the first.
    pub(crate) first_device: usize,
    pub(crate) devices_each: usize,
}

impl Events {
    pub(crate) fn devices(self) -> std::ops::Range<usize> {
        self.first_device..self.first_device + self.events * self.devices_each
    }

    /// A topic for each session, so many of each event.
    pub(crate) fn topics(self, sessions_each: usize) -> Vec<String> {
        let events = self.first..self.first + self.events;
        events.flat_map(|event| vec![format!("event:{}", id(1, event)); sessions_each]).collect()
    }

    /// Statements that put them into the business tables.
    pub(crate) fn statements(self) -> Vec<String> {
        let Self { first, events, first_device, .. } = self;
        let last = first + events - 1;
        let last_device = self.devices().end - 1;
        let event_of = format!("{first} + (n - {first_device}) % {events}");
        let each = format!("FROM generate_series({first}, {last}) n");
        let devices = format!("FROM generate_series({first_device}, {last_device}) n");
        let waypoints = format!("{each}, generate_series(1, {WAYPOINTS}) w");
        let point = |longitude: &str| {
            format!(
                "jsonb_build_object('type', 'Point', 'coordinates', jsonb_build_array({longitude}, 41.3275))"
            )
        };
        vec![
            format!("INSERT INTO events (id, name) SELECT {}, 'Bench ' || n {each}", sql_id(1, "n")),
            format!(
                "INSERT INTO entries (id, event_id, race_number) \
                 SELECT {}, {}, (n - {first_device}) / {events} + 1 {devices}",
                sql_id(2, "n"),
                sql_id(1, &event_of),
            ),
            format!(
                "INSERT INTO devices (id, imei) SELECT {}, '35630704' || lpad(n::text, 7, '0') {devices}",
                sql_id(3, "n")
            ),
            format!(
                "INSERT INTO entry_devices (id, entry_id, device_id) SELECT {}, {}, {} {devices}",
                sql_id(4, "n"),
                sql_id(2, "n"),
                sql_id(3, "n")
            ),
            format!(
                "INSERT INTO stages (id, event_id, name) SELECT {}, {}, 'SS 1' {each}",
                sql_id(5, "n"),
                sql_id(1, "n")
            ),
            format!(
                "INSERT INTO geofences (id, event_id, name, kind, geometry, radius_meters) \
                 SELECT {}, {}, 'start', 'area', {}, 50 {each}",
                sql_id(6, "n"),
                sql_id(1, "n"),
                point("19.1")
            ),
            format!(
                "INSERT INTO geofences (id, event_id, name, kind, geometry, radius_meters) \
                 SELECT {}, {}, 'finish', 'area', {}, 50 {each}",
                sql_id(7, "n"),
                sql_id(1, "n"),
                point("19.9")
            ),
            format!(
                "INSERT INTO segments (id, stage_id, type, start_mode, entry_geofence_id, exit_geofence_id) \
                 SELECT {}, {}, 'special-stage', 'rolling', {}, {} {each}",
                sql_id(8, "n"),
                sql_id(5, "n"),
                sql_id(6, "n"),
                sql_id(7, "n")
            ),
            format!(
                "INSERT INTO waypoints (id, segment_id, number, sort_order, kind, location, tolerance_meters) \
                 SELECT {}, {}, w, w, 'WPM', {}, 40 {waypoints}",
                sql_id(9, &format!("n * {WAYPOINTS} + w")),
                sql_id(8, "n"),
                point("19.1 + 0.05 * w")
            ),
        ]
    }
}

fn id(kind: usize, number: usize) -> String {
    format!("00000000-0000-0000-{kind:04}-{number:012}")
}

fn sql_id(kind: usize, number: &str) -> String {
    format!("('00000000-0000-0000-{kind:04}-' || lpad(({number})::text, 12, '0'))::uuid")
}
