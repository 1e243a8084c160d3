//! What is encoded is what the server stores, for everything that can be decoded.

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use proptest::prelude::*;
use race::position::Position;
use race::time::Timestamp;
use storage::RowOutcome::{Duplicate, Inserted};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::fixture::{AT, Database, POSITIONS, commit, track};

fn bits64() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(-0.0), Just(f64::MIN_POSITIVE / 3.0), (-180..180).prop_map(f64::from)]
        .prop_filter("finite", |f| f.is_finite())
}

fn bits32() -> impl Strategy<Value = f32> {
    prop_oneof![any::<f32>(), Just(-0.0), Just(f32::MIN_POSITIVE / 3.0)]
        .prop_filter("finite", |f| f.is_finite())
}

/// JSON as jsonb prints it: keys by length and then by bytes, a blank after `:` and `,`.
fn attributes() -> impl Strategy<Value = Option<Box<str>>> {
    let value = prop_oneof![
        any::<u128>().prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| format!("{n}.{:06}0", n.unsigned_abs() % 1_000_000)),
        "[^\0-\x1f\"\\\\\x7f]{0,12}"
            .prop_map(|text| format!("{text:?}").replace("\\'", "'"))
            .prop_filter("no escapes of Rust's own", |text| !text.contains('\\')),
        Just("null".to_owned()),
        Just("[true, {}]".to_owned()),
    ];
    let object = prop::collection::btree_map(10_u16..100, value, 0..5).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        (!members.is_empty()).then(|| format!("{{{}}}", members.join(", ")).into())
    });
    object.boxed()
}

prop_compose! {
    fn position()(
        device in "[^\0-\x1f\x7f-\u{9f}]{1,64}", ts in -2_000_000_000_000_000_i64..8_000_000_000_000_000,
        latitude in bits64(), longitude in bits64(), altitude in bits32(), angle in bits32(), speed in bits32(),
        satellites in any::<i16>(), priority in any::<i16>(),
        codec in prop::sample::select(vec!["8", "8E", "16", "csv", "gpx", "ndjson"]), attributes in attributes(),
    ) -> Position {
        Position {
            device_id: device.into(), ts: Timestamp::from_micros(ts), latitude, longitude, altitude, angle, speed,
            satellites, priority, codec, attributes,
        }
    }
}

/// All rows of a table, as the server encodes them.
async fn dump(client: &Client, table: &str) -> Vec<u8> {
    let sql = format!("COPY (SELECT * FROM {table} ORDER BY device_id, ts) TO STDOUT (FORMAT binary)");
    let bytes: Vec<Bytes> = client.copy_out(&sql).await.unwrap().try_collect().await.unwrap();
    bytes.concat()
}

/// JSON text as a jsonb value.
#[derive(Debug)]
struct Json<'a>(&'a str);

impl ToSql for Json<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&[1]);
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    accepts!(JSONB);
    to_sql_checked!();
}

/// The same rows by the encoder that tokio-postgres brings.
async fn copy_by_library(client: &Client, table: &str, rows: &[Position]) {
    let columns = "device_id, ts, ingested_at, latitude, longitude, altitude, angle, speed, satellites, priority, \
                   codec, attributes";
    let sink = client.copy_in(&format!("COPY {table} ({columns}) FROM STDIN BINARY")).await.unwrap();
    let (f4, f8, i2) = (Type::FLOAT4, Type::FLOAT8, Type::INT2);
    let types = [
        Type::TEXT,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
        f8.clone(),
        f8,
        f4.clone(),
        f4.clone(),
        f4,
        i2.clone(),
        i2,
        Type::TEXT,
        Type::JSONB,
    ];
    let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &types));
    let time = |ts: Timestamp| {
        let (seconds, micros) = (ts.micros().div_euclid(1_000_000), ts.micros().rem_euclid(1_000_000));
        let whole = std::time::Duration::from_secs(seconds.unsigned_abs());
        let epoch = std::time::UNIX_EPOCH;
        let whole = if seconds < 0 { epoch - whole } else { epoch + whole };
        whole + std::time::Duration::from_micros(micros.unsigned_abs())
    };
    for row in rows {
        let json = Json(row.attributes.as_deref().unwrap_or("{}"));
        let (ts, at) = (time(row.ts), time(AT));
        writer
            .as_mut()
            .write(&[
                &&*row.device_id,
                &ts,
                &at,
                &row.latitude,
                &row.longitude,
                &row.altitude,
                &row.angle,
                &row.speed,
                &row.satellites,
                &row.priority,
                &row.codec,
                &json,
            ])
            .await
            .unwrap();
    }
    writer.finish().await.unwrap();
}

#[test]
fn every_position_reads_back_bit_for_bit_and_as_the_library_encodes_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (database, store) = runtime.block_on(async {
        let second = POSITIONS.replace("positions", "by_library");
        let database = Database::with(&[POSITIONS, &second]).await;
        let store = database.store().await;
        (database, store)
    });
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(rows in prop::collection::vec(position(), 1..40))| {
        let mut rows = rows;
        rows.sort_by(|a, b| (&a.device_id, a.ts).cmp(&(&b.device_id, b.ts)));
        rows.dedup_by(|a, b| (&a.device_id, a.ts) == (&b.device_id, b.ts));
        runtime.block_on(async {
            let empty = "TRUNCATE positions; TRUNCATE by_library";
            database.client.batch_execute(empty).await.unwrap();
            assert_eq!(commit(&store, &rows).await, vec![Inserted; rows.len()]);
            copy_by_library(&database.client, "by_library", &rows).await;
            assert_eq!(dump(&database.client, "positions").await, dump(&database.client, "by_library").await);
            let mut read = Vec::new();
            for of_device in rows.chunk_by(|a, b| a.device_id == b.device_id) {
                read.extend(track(&store, &of_device[0].device_id).await);
            }
            assert_eq!(read, rows);
            assert!(read.iter().zip(&rows).all(|(read, row)| read.same_evidence(row)));
            assert_eq!(commit(&store, &rows).await, vec![Duplicate; rows.len()]);
        });
    });
    drop((store, database));
}
