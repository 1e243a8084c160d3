//! Telling a person something on stderr. A closed or full stderr is no reason to stop.

use std::fmt::Arguments;
use std::io::Write as _;

/// Writes a line to stderr; what cannot be written is not.
pub(crate) fn line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// As `eprintln!`, without its panic.
macro_rules! tell {
    ($($text:tt)*) => { $crate::tell::line(format_args!($($text)*)) };
}
pub(crate) use tell;
