//! Compression and retention are off, and when on spare what nobody archived.

mod support;

use support::Database;

const A: &str = "00000000-0000-0000-0000-00000000000a";

fn refused(db: &Database, sql: &str) -> String {
    db.server.psql(&db.name, sql).expect_err(sql).to_string()
}

/// A fix on each of the days that lie so many days back.
fn fixes(db: &Database, days: &[u32]) {
    for day in days {
        db.psql(&format!(
            "insert into positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority,
                                    codec, attributes)
             values ('356', date_trunc('day', now(), 'UTC') - interval '{day} days' + interval '12 hours',
                     41.3, 19.8, 112, 214, 63, 11, 0, '8E', '{{}}')"
        ));
    }
}

fn left(db: &Database) -> String {
    db.psql(
        "select string_agg((date_trunc('day', now(), 'UTC')::date - ts::date)::text, ',' order by ts) from positions",
    )
}

#[test]
fn both_are_off() {
    let db = Database::new();
    db.run(&[]).last();
    fixes(&db, &[4000]);
    assert_eq!(db.psql("select compress_after, retain_for from processor_policy"), "|");
    assert_eq!(db.psql("select processor_apply_retention()"), "0");
    assert_eq!(left(&db), "4000");
}

#[test]
fn retention_without_events_is_refused() {
    let db = Database::new();
    db.run(&[]).last();
    let message = refused(&db, "update processor_policy set retain_for = '30 days'");
    assert!(message.contains("there is no table events"), "{message}");
    let message = refused(&db, "update processor_policy set compress_after = '30 days'");
    assert!(message.contains("compression needs TimescaleDB"), "{message}");
    assert_eq!(db.psql("select compress_after, retain_for from processor_policy"), "|");
}

#[test]
fn retention_spares_the_days_of_events_that_are_not_archived() {
    let db = Database::new();
    db.run(&["--standalone"]).last();
    // From 100 to 98 days ago, and a margin of a day on both sides.
    db.psql(&format!(
        "insert into events (id, name, starts_at, ends_at)
         select '{A}', 'rally', day - interval '100 days' + interval '8 hours', day - interval '98 days' + interval '8 hours'
           from date_trunc('day', now(), 'UTC') as day"
    ));
    fixes(&db, &[200, 103, 102, 101, 100, 99, 98, 97, 96, 20]);
    db.psql("update processor_policy set retain_for = '30 days'");
    assert_eq!(db.psql("select processor_apply_retention()"), "4");
    assert_eq!(left(&db), "101,100,99,98,97,20");

    db.psql(&format!("insert into processor_archived_events (event_id) values ('{A}')"));
    assert_eq!(db.psql("select processor_apply_retention()"), "5");
    assert_eq!(left(&db), "20");
}

#[test]
fn an_event_without_an_end_spares_everything_after_its_start() {
    let db = Database::new();
    db.psql("create table events (id uuid primary key, starts_at timestamptz, ends_at timestamptz)");
    db.run(&[]).last();
    db.psql(&format!("insert into events values ('{A}', now() - interval '50 days', null)"));
    fixes(&db, &[60, 40]);
    db.psql("update processor_policy set retain_for = '30 days'");
    assert_eq!(db.psql("select processor_apply_retention()"), "1");
    assert_eq!(left(&db), "40");
}
