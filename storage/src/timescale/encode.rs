//! Positions as binary COPY rows, by an encoder that knows the columns.
//!
//! A row has 12 fields in the order of [`COLUMNS`]. Nine of them have a fixed size and lie side by side, so they
//! are one template whose values are overwritten; `dyn ToSql` would be asked for each value.

use bytes::{BufMut as _, Bytes, BytesMut};
use race::position::Position;
use race::time::Timestamp;

use super::instant;

/// The columns of a row; `faulty` is left to its default, for operators to set.
pub const COLUMNS: &str = "device_id, ts, ingested_at, latitude, longitude, altitude, angle, speed, \
                                  satellites, priority, codec, attributes";
/// The signature, no flags, no header extension.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Ends the rows: a field count of -1.
const TRAILER: i16 = -1;
const FIELDS: i16 = 12;
/// The only version of jsonb's binary form.
const JSONB_VERSION: u8 = 1;
const NO_ATTRIBUTES: &str = "{}";

/// Sizes of the fields from `ts` to `priority`.
const FIXED: [usize; 9] = [8, 8, 8, 8, 4, 4, 4, 2, 2];
const FIXED_BYTES: usize = {
    let (mut bytes, mut field) = (0, 0);
    while field < FIXED.len() {
        bytes += 4 + FIXED[field];
        field += 1;
    }
    bytes
};
/// The fixed fields, each with its length and a value of zeros.
#[allow(clippy::cast_possible_truncation, reason = "a size of at most 8")]
const TEMPLATE: [u8; FIXED_BYTES] = {
    let mut template = [0; FIXED_BYTES];
    let (mut at, mut field) = (0, 0);
    while field < FIXED.len() {
        template[at + 3] = FIXED[field] as u8;
        at += 4 + FIXED[field];
        field += 1;
    }
    template
};

/// The bytes of one COPY; the memory is used again for the next.
#[derive(Debug, Default)]
pub struct CopyBuffer {
    bytes: BytesMut,
}

impl CopyBuffer {
    /// Encodes rows as one COPY.
    ///
    /// # Errors
    /// A row holds what cannot be sent or what no reader could use; the message names it.
    pub fn encode<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a Position>,
        ingested_at: Timestamp,
    ) -> Result<Bytes, String> {
        let ingested_at =
            instant::exact(ingested_at).ok_or_else(|| format!("ingested at {ingested_at}: out of range"))?;
        self.bytes.clear();
        self.bytes.put_slice(HEADER);
        for row in rows {
            self.row(row, ingested_at)
                .map_err(|what| format!("position of {} at {}: {what}", row.device_id, row.ts))?;
        }
        self.bytes.put_i16(TRAILER);
        Ok(std::mem::take(&mut self.bytes).freeze())
    }

    /// Takes the memory back once the bytes are sent.
    pub fn reclaim(&mut self, sent: Bytes) {
        if let Ok(bytes) = sent.try_into_mut() {
            self.bytes = bytes;
        }
    }

    fn row(&mut self, row: &Position, ingested_at: i64) -> Result<(), &'static str> {
        let ts = check(row)?;
        let mut fixed = TEMPLATE;
        let mut at = 0;
        put(&mut fixed, &mut at, ts.to_be_bytes());
        put(&mut fixed, &mut at, ingested_at.to_be_bytes());
        put(&mut fixed, &mut at, row.latitude.to_be_bytes());
        put(&mut fixed, &mut at, row.longitude.to_be_bytes());
        put(&mut fixed, &mut at, row.altitude.to_be_bytes());
        put(&mut fixed, &mut at, row.angle.to_be_bytes());
        put(&mut fixed, &mut at, row.speed.to_be_bytes());
        put(&mut fixed, &mut at, row.satellites.to_be_bytes());
        put(&mut fixed, &mut at, row.priority.to_be_bytes());
        let attributes = attributes(row);
        self.bytes
            .reserve(2 + 4 + row.device_id.len() + FIXED_BYTES + 4 + row.codec.len() + 5 + attributes.len());
        self.bytes.put_i16(FIELDS);
        self.bytes.put_i32(len(row.device_id.len())?);
        self.bytes.put_slice(row.device_id.as_bytes());
        self.bytes.put_slice(&fixed);
        self.bytes.put_i32(len(row.codec.len())?);
        self.bytes.put_slice(row.codec.as_bytes());
        self.bytes.put_i32(len(attributes.len() + 1)?);
        self.bytes.put_u8(JSONB_VERSION);
        self.bytes.put_slice(attributes.as_bytes());
        Ok(())
    }
}

/// What the `attributes` column is given.
pub(super) fn attributes(row: &Position) -> &str {
    row.attributes.as_deref().unwrap_or(NO_ATTRIBUTES)
}

/// Refuses what the server would take and no reader could use; the row's instant as the server counts.
pub(super) fn check(row: &Position) -> Result<i64, &'static str> {
    let floats = [row.altitude, row.angle, row.speed];
    if !(row.latitude.is_finite() && row.longitude.is_finite() && floats.iter().all(|f| f.is_finite())) {
        return Err("a measured value is not a finite number");
    }
    instant::exact(row.ts).ok_or("the instant is out of range")
}

fn put<const N: usize>(fixed: &mut [u8; FIXED_BYTES], at: &mut usize, value: [u8; N]) {
    fixed[*at + 4..*at + 4 + N].copy_from_slice(&value);
    *at += 4 + N;
}

fn len(bytes: usize) -> Result<i32, &'static str> {
    i32::try_from(bytes).map_err(|_| "a text is longer than the protocol can say")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_what_the_protocol_says() {
        let row = Position {
            device_id: "ab".into(),
            ts: Timestamp::from_micros(946_684_800_000_001),
            latitude: 1.0,
            longitude: -2.0,
            altitude: 0.5,
            angle: 0.0,
            speed: -0.0,
            satellites: -1,
            priority: 2,
            codec: "8E",
            attributes: None,
        };
        let mut buffer = CopyBuffer::default();
        let bytes = buffer.encode([&row].into_iter(), Timestamp::from_micros(946_684_800_000_000)).unwrap();
        let mut expected = HEADER.to_vec();
        expected.extend([0, 12, 0, 0, 0, 2, b'a', b'b']);
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 0, 0, 8, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 0, 0, 8, 0xc0, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 0, 0, 4, 0x3f, 0, 0, 0]);
        expected.extend([0, 0, 0, 4, 0, 0, 0, 0]);
        expected.extend([0, 0, 0, 4, 0x80, 0, 0, 0]);
        expected.extend([0, 0, 0, 2, 0xff, 0xff]);
        expected.extend([0, 0, 0, 2, 0, 2]);
        expected.extend([0, 0, 0, 2, b'8', b'E']);
        expected.extend([0, 0, 0, 3, 1, b'{', b'}']);
        expected.extend([0xff, 0xff]);
        assert_eq!(bytes, expected);
        let memory = bytes.as_ptr();
        buffer.reclaim(bytes);
        assert_eq!(buffer.encode([&row].into_iter(), row.ts).unwrap().as_ptr(), memory, "used again");
    }

    #[test]
    fn what_no_reader_could_use_is_refused() {
        let row = Position {
            device_id: "a".into(),
            ts: Timestamp::default(),
            latitude: f64::NAN,
            longitude: 0.0,
            altitude: 0.0,
            angle: 0.0,
            speed: 0.0,
            satellites: 0,
            priority: 0,
            codec: "8",
            attributes: None,
        };
        assert!(check(&row).is_err());
        assert!(check(&Position { latitude: 0.0, speed: f32::INFINITY, ..row.clone() }).is_err());
        assert!(
            check(&Position { latitude: 0.0, ts: Timestamp::from_micros(i64::MIN), ..row.clone() }).is_err()
        );
        assert!(check(&Position { latitude: 0.0, ..row }).is_ok());
    }
}
