//! Frames of the live channel as they come: counted by their headers, and some of them looked into.

/// What a position frame of these runs begins with, up to the latitude: `{"type":"position","topic":"event:<uuid>",
/// "deviceId":"<15 digits>","lat":`.
const BEFORE_LATITUDE: usize = 107;
const POSITION: &[u8] = br#"{"type":"position","#;
/// The longest header of a frame without a mask.
const HEADER_BYTES: usize = 10;

/// What is told of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text: a position, but for answers.
    Text,
    Ping,
    Close,
    Other,
}

/// Walks over the bytes of one connection, however they are cut.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Bytes of the last frame that are still to come.
    rest: usize,
    /// The beginning of a header that is not all there.
    header: [u8; HEADER_BYTES],
    header_len: usize,
}

impl Walk {
    /// Tells of every frame whose header ends in `bytes`, with as much of its payload as they hold.
    pub(crate) fn take(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Kind, &[u8])) {
        loop {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return;
            }
            let (first, len) = if self.header_len == 0
                && let Some((header, len)) = header(bytes)
            {
                let first = bytes[0];
                bytes = &bytes[header..];
                (first, len)
            } else {
                self.header[self.header_len] = bytes[0];
                self.header_len += 1;
                bytes = &bytes[1..];
                let Some((_, len)) = header(&self.header[..self.header_len]) else { continue };
                self.header_len = 0;
                (self.header[0], len)
            };
            let kind = match first & 0x0f {
                1 => Kind::Text,
                8 => Kind::Close,
                9 => Kind::Ping,
                _ => Kind::Other,
            };
            tell(kind, &bytes[..len.min(bytes.len())]);
            self.rest = len;
        }
    }
}

/// Bytes of a header and of its payload.
pub(crate) fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [_, short, ..] if short < 126 => Some((2, usize::from(short))),
        [_, 126, a, b, ..] => Some((4, usize::from(u16::from_be_bytes([a, b])))),
        [_, 127, a, b, c, d, e, f, g, h, ..] => {
            Some((10, usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).unwrap_or(usize::MAX)))
        }
        _ => None,
    }
}

/// When a position was put into the stream, in microseconds since 1970: the milliseconds are its `ts`, the rest are the
/// last three of the seven decimals of its latitude. `None` for what is no whole position.
pub(crate) fn sent_us(payload: &[u8]) -> Option<u64> {
    if !payload.starts_with(POSITION) {
        return None;
    }
    let after = payload.get(BEFORE_LATITUDE..)?;
    let point = after.iter().position(|byte| *byte == b'.')?;
    let mut decimals = 0;
    let mut digits = 0;
    for byte in after[point + 1..].iter().take_while(|byte| byte.is_ascii_digit()) {
        decimals = decimals * 10 + u64::from(byte - b'0');
        digits += 1;
    }
    let decimals = decimals * 10_u64.checked_pow(7_u32.checked_sub(digits)?)?;
    let ts = after.windows(5).position(|five| five == br#""ts":"#)?;
    let mut ms = 0;
    for byte in after.get(ts + 5..)?.iter().take_while(|byte| byte.is_ascii_digit()) {
        ms = ms * 10 + u64::from(byte - b'0');
    }
    Some(ms * 1_000 + decimals % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &str = r#"{"type":"position","topic":"event:00000000-0000-0000-0001-000000000007","deviceId":"356307040000013","lat":41.32751,"lon":19.8,"ts":1780820130000,"speed":63,"course":214}"#;

    #[test]
    fn the_instant_is_read_from_both_places() {
        assert_eq!(sent_us(FRAME.as_bytes()), Some(1_780_820_130_000_100));
        let other = FRAME.replace("41.32751", "41.3275987");
        assert_eq!(sent_us(other.as_bytes()), Some(1_780_820_130_000_987));
        assert_eq!(sent_us(br#"{"type":"subscribed"}"#), None);
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let mut bytes = Vec::new();
        for len in [0_usize, 5, 125] {
            bytes.extend([0x81, u8::try_from(len).unwrap()]);
            bytes.resize(bytes.len() + len, b'x');
        }
        bytes.extend([0x81, 126, 0, 200]);
        bytes.resize(bytes.len() + 200, b'y');
        bytes.extend([0x89, 0]);
        bytes.extend([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        bytes.resize(bytes.len() + 65_536, b'z');
        bytes.extend([0x88, 2, 3, 0xe8]);
        for cut in [1, 2, 3, 7, 100, bytes.len()] {
            let (mut walk, mut kinds) = (Walk::default(), Vec::new());
            for part in bytes.chunks(cut) {
                walk.take(part, |kind, _| kinds.push(kind));
            }
            use Kind::{Close, Ping, Text};
            assert_eq!(kinds, [Text, Text, Text, Text, Ping, Text, Close], "{cut}");
        }
    }
}
