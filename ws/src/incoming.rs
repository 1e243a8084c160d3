//! What a client sends: messages put together from frames, and what is wrong with them.
//!
//! fastwebsockets reads the frames. What it does not refuse is refused here: frames without a mask, control frames that
//! are too long, messages that are too large in sum, close frames whose code or reason must not be.

use std::future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fastwebsockets::{FragmentCollectorRead, Frame, OpCode, Role, WebSocketError, after_handshake_split};
use tokio::io::{AsyncRead, ReadBuf};

use crate::frame::{CloseCode, SHORT};
use crate::limits::{BYTES_OF_A_FRAGMENT, FRAGMENTS, FRAMES_BETWEEN_YIELDS};

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    /// The code, where one was given.
    Close(Option<u16>),
}

/// Why there is no further message.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The client does not keep to the protocol: it is told so.
    Wrong(CloseCode, &'static str),
    /// The connection is no more.
    Gone,
}

/// Reads messages.
pub(crate) struct Incoming<S> {
    frames: FragmentCollectorRead<Checked<S>>,
}

impl<S: AsyncRead + Unpin> Incoming<S> {
    pub(crate) fn new(stream: S, max_message_bytes: usize) -> Self {
        let checked = Checked { stream, headers: Headers::new(max_message_bytes), is_to_yield: false };
        let (mut reading, _) = after_handshake_split(checked, tokio::io::sink(), Role::Server);
        reading.set_auto_close(false);
        reading.set_auto_pong(false);
        // Its bound is exclusive.
        reading.set_max_message_size(max_message_bytes.max(SHORT) + 1);
        Self { frames: FragmentCollectorRead::new(reading) }
    }

    /// The next message. A pending future may be dropped only with the connection.
    pub(crate) async fn next(&mut self) -> Result<Message, Broken> {
        // It sends nothing by itself: pongs and closes are queued with everything else.
        let frame: Frame<'_> = self
            .frames
            .read_frame(&mut |_| future::ready(Ok::<(), io::Error>(())))
            .await
            .map_err(|error| broken(&error))?;
        let payload = Vec::from(frame.payload);
        Ok(match frame.opcode {
            OpCode::Text => Message::Text(payload),
            OpCode::Binary => Message::Binary(payload),
            OpCode::Ping => Message::Ping(payload),
            OpCode::Pong => Message::Pong,
            OpCode::Close => Message::Close(close_code(&payload)?),
            OpCode::Continuation => return Err(Broken::Wrong(CloseCode::Protocol, "a stray fragment")),
        })
    }
}

/// What a close frame says (RFC 6455, sections 5.5.1 and 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Broken> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Broken::Wrong(CloseCode::Protocol, "half a close code")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Broken::Wrong(CloseCode::Protocol, "a close code that must not be sent"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Broken::Wrong(CloseCode::InvalidText, "the reason is no UTF-8"));
    }
    Ok(Some(code))
}

fn broken(error: &WebSocketError) -> Broken {
    let wrong = |reason| Broken::Wrong(CloseCode::Protocol, reason);
    match error {
        WebSocketError::IoError(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(Refusal(code, reason)) => Broken::Wrong(*code, reason),
            None => Broken::Gone,
        },
        WebSocketError::UnexpectedEOF | WebSocketError::ConnectionClosed | WebSocketError::SendError(_) => {
            Broken::Gone
        }
        WebSocketError::InvalidUTF8 => Broken::Wrong(CloseCode::InvalidText, "the text is no UTF-8"),
        WebSocketError::FrameTooLarge => Broken::Wrong(CloseCode::TooBig, "the message is too large"),
        WebSocketError::InvalidFragment => wrong("a message within another"),
        WebSocketError::InvalidContinuationFrame => wrong("a fragment of no message"),
        WebSocketError::ReservedBitsNotZero => wrong("a reserved bit is set"),
        WebSocketError::ControlFrameFragmented => wrong("a control frame in fragments"),
        WebSocketError::PingFrameTooLarge => wrong("a control frame that is too long"),
        _ => wrong("a frame that is not of the protocol"),
    }
}

/// Refuses what the reader behind it does not.
struct Checked<S> {
    stream: S,
    headers: Headers,
    /// Others have a turn before more is read.
    is_to_yield: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Checked<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(refusal) = this.headers.refused {
            return Poll::Ready(Err(refusal.into()));
        }
        if std::mem::take(&mut this.is_to_yield) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = &read {
            let frames = this.headers.frames;
            let good = this.headers.walk(&buffer.filled()[before..]);
            this.is_to_yield = this.headers.frames - frames > FRAMES_BETWEEN_YIELDS;
            // What came before it is still good.
            buffer.set_filled(before + good);
            if let (0, Some(refusal)) = (good, this.headers.refused) {
                return Poll::Ready(Err(refusal.into()));
            }
        }
        read
    }
}

/// Why the bytes that follow are not handed on.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{1}")]
struct Refusal(CloseCode, &'static str);

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(io::ErrorKind::InvalidData, refusal)
    }
}

/// Where in a frame the stream stands.
struct Headers {
    max_message_bytes: u64,
    /// Bytes of the header so far: two, up to eight of length, four of mask.
    header: [u8; 14],
    have: usize,
    /// Bytes of the payload that are still to come.
    payload: u64,
    /// Bytes of the fragments before.
    message: u64,
    /// Those fragments.
    fragments: u64,
    /// Frames so far.
    frames: u64,
    refused: Option<Refusal>,
}

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTROL: u8 = 0x08;

impl Headers {
    fn new(max_message_bytes: usize) -> Self {
        let max_message_bytes = max_message_bytes as u64;
        Self {
            max_message_bytes,
            header: [0; 14],
            have: 0,
            payload: 0,
            message: 0,
            fragments: 0,
            frames: 0,
            refused: None,
        }
    }

    /// How many of these bytes may be handed on; fewer than all when one of them is refused.
    fn walk(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if self.payload > 0 {
                let some = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.payload -= some as u64;
                at += some;
                continue;
            }
            self.header[self.have] = bytes[at];
            self.have += 1;
            at += 1;
            if let Some(length) = self.length() {
                match self.check(length) {
                    Ok(()) => (self.payload, self.have) = (length, 0),
                    Err(refusal) => {
                        self.refused = Some(refusal);
                        // The reader behind must not see the end of this header.
                        return at - 1;
                    }
                }
            }
        }
        at
    }

    /// The payload's length, once the header is complete.
    fn length(&self) -> Option<u64> {
        if self.have < 2 {
            return None;
        }
        let mask = if self.header[1] & MASKED == 0 { 0 } else { 4 };
        let (extra, length) = match self.header[1] & !MASKED {
            126 => (2, u64::from(u16::from_be_bytes([self.header[2], self.header[3]]))),
            127 => (8, self.header[2..10].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte))),
            short => (0, u64::from(short)),
        };
        (self.have == 2 + extra + mask).then_some(length)
    }

    fn check(&mut self, length: u64) -> Result<(), Refusal> {
        let wrong = |reason| Err(Refusal(CloseCode::Protocol, reason));
        self.frames += 1;
        let is_control = self.header[0] & CONTROL != 0;
        if self.header[1] & MASKED == 0 {
            return wrong("a frame without a mask");
        }
        if is_control {
            return if length > SHORT as u64 { wrong("a control frame that is too long") } else { Ok(()) };
        }
        self.message = self.message.saturating_add(length);
        if self.message > self.max_message_bytes {
            return Err(Refusal(CloseCode::TooBig, "the message is too large"));
        }
        // Empty ones would cost the sender six bytes each and us far more, and never make a message that is counted.
        self.fragments += 1;
        if self.fragments > FRAGMENTS + self.max_message_bytes / BYTES_OF_A_FRAGMENT {
            return Err(Refusal(CloseCode::TooBig, "the message has too many fragments"));
        }
        if self.header[0] & FINAL != 0 {
            (self.message, self.fragments) = (0, 0);
        }
        Ok(())
    }
}

/// The payload of a pong.
pub(crate) fn pong(ping: &[u8]) -> Bytes {
    crate::frame::whole(crate::frame::Kind::Pong, ping)
}
