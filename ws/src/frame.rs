//! Frames as a server sends them: complete, unmasked, never fragmented (RFC 6455, section 5.2).

use bytes::{BufMut as _, Bytes, BytesMut};

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

const FINAL: u8 = 0x80;
/// The longest payload whose length stands in the second byte; no control frame may have more.
pub(crate) const SHORT: usize = 125;

/// Codes that a close frame gives as its reason (RFC 6455, section 7.4; those from 4000 on are the channel's own).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum CloseCode {
    Normal = 1000,
    GoingAway = 1001,
    Protocol = 1002,
    Unsupported = 1003,
    InvalidText = 1007,
    Policy = 1008,
    TooBig = 1009,
    Unauthorized = 4401,
    TooSlow = 4408,
}

/// Appends a frame whose payload `write` appends.
pub(crate) fn append(out: &mut BytesMut, kind: Kind, write: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    // Room for the header of a payload of up to 64 KiB, which nearly all have.
    out.put_slice(&[FINAL | kind as u8, 0, 0, 0]);
    write(out);
    let payload = out.len() - start - 4;
    if payload <= SHORT {
        out[start + 1] = payload as u8;
        out.copy_within(start + 4.., start + 2);
        out.truncate(start + 2 + payload);
    } else if let Ok(payload) = u16::try_from(payload) {
        out[start + 1] = 126;
        out[start + 2..start + 4].copy_from_slice(&payload.to_be_bytes());
    } else {
        out.put_bytes(0, 6);
        out.copy_within(start + 4..start + 4 + payload, start + 10);
        out[start + 1] = 127;
        out[start + 2..start + 10].copy_from_slice(&(payload as u64).to_be_bytes());
    }
}

/// A frame of its own.
pub(crate) fn whole(kind: Kind, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    append(&mut out, kind, |out| out.put_slice(payload));
    out.freeze()
}

/// A close frame; the reason is cut to what fits.
pub(crate) fn close(code: CloseCode, reason: &str) -> Bytes {
    let mut end = reason.len().min(SHORT - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut out = BytesMut::with_capacity(end + 4);
    append(&mut out, Kind::Close, |out| {
        out.put_u16(code as u16);
        out.put_slice(&reason.as_bytes()[..end]);
    });
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_stand_where_the_protocol_wants_them() {
        for (len, header) in [
            (0, vec![0x81, 0]),
            (1, vec![0x81, 1]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xFF, 0xFF]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload: Vec<u8> = (0..len).map(|n: u32| n as u8).collect();
            let mut out = BytesMut::from(&b"before"[..]);
            append(&mut out, Kind::Text, |out| out.put_slice(&payload));
            assert_eq!(&out[..6], b"before");
            assert_eq!(&out[6..6 + header.len()], &header[..], "{len}");
            assert_eq!(&out[6 + header.len()..], &payload[..], "{len}");
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let frame = close(CloseCode::TooSlow, &"ä".repeat(100));
        assert_eq!(frame[..4], [0x88, 124, 0x11, 0x38]);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }
}
