//! Whatever is added ends in the table or among the dead letters, once; and what can be decoded can be stored.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use pipeline::batch::{PositionBatch, RawBatch, StreamId};
use pipeline::decode::Decoder;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseError;
use race::time::Timestamp;
use storage::Positions as _;
use storage::timescale::{PostgresEndpoint, PostgresStore};

use crate::fleet::{Entry, Key, fix};
use crate::letters::{self, Fields, fields_of, letters};
use crate::platform::{Platform, STREAM};
use crate::records::stored;

fn config(cases: u32) -> ProptestConfig {
    // A case that fails holds thousands of entries: what is told of it is enough, and making it smaller takes hours.
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() }
}

fn decoded(ids: &[String], entries: &[Fields]) -> PositionBatch {
    let mut batch = RawBatch::of_stream(STREAM.into());
    for (id, entry) in ids.iter().zip(entries) {
        let id: StreamId = id.parse().unwrap();
        batch.entries.push_fields(id, entry.iter().map(|(name, value)| (&name[..], &value[..])));
    }
    Decoder::new(Timestamp::from_millis(0)).decode(batch)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

/// Fields that no tracker sends.
fn noise() -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        select(vec!["payload", "codec", "device_id", "ts", "error"]).prop_map(Vec::from),
        bytes()
    ];
    prop::collection::vec((name, bytes()), 1..6)
}

/// What may become of an entry on its way.
#[derive(Debug, Clone)]
enum Change {
    None,
    /// A byte of the payload becomes another.
    Byte(Index, u8),
    /// A part of the payload is gone, or there twice.
    Cut(Index, Index),
    Double(Index, Index),
    /// A field is gone, or says something else.
    Without(Index),
    Says(Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::None),
        (any::<Index>(), prop_oneof![any::<u8>(), select(b"0123456789-+.eE\"\\{}[],:u".to_vec())])
            .prop_map(|(at, byte)| Change::Byte(at, byte)),
        any::<(Index, Index)>().prop_map(|(from, to)| Change::Cut(from, to)),
        any::<(Index, Index)>().prop_map(|(from, to)| Change::Double(from, to)),
        any::<Index>().prop_map(Change::Without),
        (any::<Index>(), bytes()).prop_map(|(field, value)| Change::Says(field, value)),
    ]
}

fn made(n: usize, change: Change) -> Fields {
    let mut fields = fields_of(&fix(n as u32 % 7, n as i64 * 100, n as f64, 0.0));
    let payload = &mut fields[3].1;
    let range = |from: Index, to: Index, len: usize| {
        let (from, to) = (from.index(len), to.index(len));
        from.min(to)..from.max(to)
    };
    match change {
        Change::None => {}
        Change::Byte(at, byte) => {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        Change::Cut(from, to) => drop(payload.drain(range(from, to, payload.len()))),
        Change::Double(from, to) => {
            let range = range(from, to, payload.len());
            let part = payload[range.clone()].to_vec();
            payload.splice(range.end..range.end, part);
        }
        Change::Without(field) => drop(fields.remove(field.index(4))),
        Change::Says(field, value) => fields[field.index(4)].1 = value,
    }
    fields
}

#[test]
fn whatever_is_added_is_stored_or_told_once() {
    let platform = Platform::start();
    let mut worker = platform.worker(&[]);
    worker.wait_until_ready();
    let one = prop_oneof![4 => change().prop_map(Ok), 1 => noise().prop_map(Err)];
    proptest!(config(4), |(entries in prop::collection::vec(one, 500..2_000))| {
        platform.sql("TRUNCATE positions");
        let _: i64 = platform.redis(&format!("DEL {STREAM}:dlq"));
        let entries: Vec<Fields> =
            entries.into_iter().enumerate().map(|(n, entry)| entry.map_or_else(|noise| noise, |c| made(n, c))).collect();
        let ids = letters::add(&platform, &entries);
        platform.wait_until_done(Duration::from_secs(60));
        let expected = decoded(&ids, &entries);
        let told: BTreeSet<String> = expected.rejects.iter().map(|r| r.entry.as_ref().unwrap().id.to_string()).collect();
        prop_assert_eq!(expected.positions.len() + told.len(), entries.len());
        prop_assert_eq!(letters(&platform).into_keys().collect::<BTreeSet<_>>(), told);
        let positions: BTreeSet<Key> = expected
            .positions
            .iter()
            .map(|position| (position.device_id.to_string(), to_the_millisecond(position.ts)))
            .collect();
        prop_assert_eq!(stored(&platform), positions);
    });
    assert!(worker.terminate().success());
}

fn to_the_millisecond(ts: Timestamp) -> String {
    let text = Timestamp::from_millis(ts.micros().div_euclid(1_000)).to_string();
    assert_eq!(text.len(), 24, "{text}");
    text
}

/// Digits and exponents about the limits of a jsonb number.
fn number() -> impl Strategy<Value = String> {
    let run = prop_oneof![
        8 => 0..20_usize,
        1 => 16_380..16_386_usize,
        1 => 131_068..131_076_usize,
    ];
    let digits = |len: usize, zeros: bool| if zeros { "0".repeat(len) } else { "7".repeat(len) };
    let exponent = prop_oneof![
        4 => Just(String::new()),
        4 => (-30..30_i64).prop_map(|e| format!("e{e}")),
        2 => (-16_386..-16_380_i64).prop_map(|e| format!("E{e}")),
        2 => (131_068..131_076_i64).prop_map(|e| format!("e+{e}")),
        1 => select(vec![1_073_741_822_i64, 1_073_741_823, 2_147_483_647, 2_147_483_648, -1_073_741_823, 99_999_999_999])
            .prop_map(|e| format!("e{e}")),
    ];
    (any::<bool>(), run.clone(), any::<bool>(), run, any::<bool>(), exponent).prop_map(
        move |(negative, whole, zero, fraction, zeros, exponent)| {
            let whole = if zero || whole == 0 { "0".to_owned() } else { digits(whole, false) };
            let fraction = if fraction == 0 {
                String::new()
            } else {
                format!(".{}{}", digits(fraction - 1, zeros), "3")
            };
            format!("{}{whole}{fraction}{exponent}", if negative { "-" } else { "" })
        },
    )
}

/// A string of JSON, with its quotes.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => any::<char>().prop_map(|c| serde_json::to_string(&c).unwrap().trim_matches('"').to_owned()),
        2 => any::<char>().prop_filter("as it is", |c| !matches!(c, '"' | '\\' | '\0'..='\x1f')).prop_map(String::from),
        1 => any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
        1 => (0xd7fe_u16..0xe002).prop_map(|unit| format!("\\u{unit:04X}")),
        1 => (0xd800_u16..0xdc00, 0xdc00_u16..0xe000).prop_map(|(high, low)| format!("\\u{high:04x}\\u{low:04X}")),
        1 => select(vec!["\\u0000", "\\\\u0000", "\\/", "\\b\\f\\n\\r\\t", "\\\"", "\\\\"]).prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn json() -> impl Strategy<Value = String> {
    let sentinel =
        (select(vec!["__bigint", "__buffer_b64"]), prop_oneof![string(), Just("\"123\"".to_owned())])
            .prop_map(|(key, value)| format!("{{\"{key}\":{value}}}"));
    let leaf = prop_oneof![
        3 => number(),
        3 => string(),
        1 => sentinel,
        1 => select(vec!["true", "false", "null", "{}", "[]"]).prop_map(String::from),
    ];
    let tree = leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join("\t,"))),
            prop::collection::vec((string(), inner), 0..4).prop_map(|members| object(&members)),
        ]
    });
    let deep = (select(vec![1, 30, 60, 61, 62, 63, 64, 65]), tree.clone())
        .prop_map(|(levels, inner)| format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels)));
    prop_oneof![8 => tree, 1 => deep]
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(key, value)| format!("{key} :{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Numbers of a fix, as they may be written.
fn measured() -> impl Strategy<Value = String> {
    prop_oneof![
        (-200.0..400.0_f64).prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:e}")),
        select(vec![
            "0", "-0", "-0.0", "1e-400", "4.9e-324", "1e-46", "90", "-90", "360", "65535", "1e999", "null"
        ])
        .prop_map(String::from),
    ]
}

prop_compose! {
    fn payload()(
        device in "[^\"\\\\\0-\x1f]{0,66}", days in 0..9_700_i64, micros in 0..86_400_000_000_i64, values in prop::array::uniform5(measured()),
        satellites in 0..300_u32, priority in 0..4_u8, attributes in prop::collection::vec((string(), json()), 0..4),
    ) -> Fields {
        let ts = Timestamp::from_micros(946_684_800_000_000 + days * 86_400_000_000 + micros);
        let [latitude, longitude, altitude, angle, speed] = values;
        let payload = format!(
            "{{\"device_id\":\"{device}\",\"timestamp\":\"{ts}\",\"latitude\":{latitude},\"longitude\":{longitude},\
             \"altitude\":{altitude},\"angle\":{angle},\"speed\":{speed},\"satellites\":{satellites},\
             \"priority\":{priority},\"attributes\":{}}}",
            object(&attributes)
        );
        fields_of(&Entry { device, ts: ts.to_string(), payload })
    }
}

#[test]
fn what_can_be_decoded_can_be_stored() {
    let platform = Platform::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let endpoint = PostgresEndpoint::parse(&platform.postgres().url(&platform.database)).unwrap();
    let store = runtime.block_on(PostgresStore::connect(endpoint)).unwrap();
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    // Measured values that pass are rare: each goes with attributes of all kinds.
    let plain = (payload(), prop::collection::vec((string(), json()), 0..4)).prop_map(|(_, attributes)| {
        let mut entry = fix(1, 0, 0.0, 0.0);
        entry.payload = entry
            .payload
            .replace(r#"{"16":{"__bigint":"18446744073709551615"},"21":4}"#, &object(&attributes));
        fields_of(&entry)
    });
    let entry = prop_oneof![1 => payload(), 3 => plain];
    proptest!(config(24), |(entries in prop::collection::vec(entry, 100))| {
        let ids: Vec<String> = (0..entries.len()).map(|n| format!("1900000000000-{n}")).collect();
        let batch = decoded(&ids, &entries);
        accepted.set(accepted.get() + batch.positions.len());
        refused.set(refused.get() + batch.rejects.len());
        let rows: Vec<_> = batch.positions.into_iter().zip(0..).map(|(mut row, n)| {
            // Repeats are not sent to the table; none is to be spared.
            row.ts = row.ts.plus_millis(n * 1_000);
            row
        }).collect();
        let at = Timestamp::from_millis(1_900_000_000_000);
        let stored = runtime.block_on(async {
            platform.sql("TRUNCATE positions");
            store.commit_positions(rows.clone(), at).await
        });
        if let Err(error) = stored {
            for row in rows {
                let alone = runtime.block_on(store.commit_positions(vec![row.clone()], at));
                if let Err(error) = alone {
                    return Err(TestCaseError::fail(format!("{error}: {row:?}")));
                }
            }
            return Err(TestCaseError::fail(format!("only together: {error}")));
        }
    });
    let (accepted, refused) = (accepted.get(), refused.get());
    assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");
}
