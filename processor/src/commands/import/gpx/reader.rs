//! A reader that knows in which line it is.

use std::io::{BufRead, Read, Result};

/// Counts the line ends of what was consumed.
pub(super) struct LineCount<R> {
    inner: R,
    line: u64,
}

impl<R> LineCount<R> {
    /// Starts in line 1.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, line: 1 }
    }

    /// The line of the next byte, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

impl<R: BufRead> Read for LineCount<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let available = self.fill_buf()?;
        let amount = available.len().min(buffer.len());
        buffer[..amount].copy_from_slice(&available[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

impl<R: BufRead> BufRead for LineCount<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // What is consumed has been filled before, so this reads nothing and cannot fail.
        if let Ok(available) = self.inner.fill_buf() {
            let ends = available.iter().take(amount).filter(|byte| **byte == b'\n').count();
            self.line += u64::try_from(ends).unwrap_or(u64::MAX);
        }
        self.inner.consume(amount);
    }
}
