//! Cuts XML into tags and text, holding one bounded piece at a time.

use memchr::{memchr, memchr_iter};
use quick_xml::parser::{ElementParser, Parser};

use crate::limits::MAX_RECORD_BYTES;
use crate::source::input::Input;

/// What was read; its bytes are had by [`Scanner::content`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// What is between `<` and `>`.
    Tag,
    /// Character data, entities unresolved.
    Text,
    /// The content of a CDATA section.
    Cdata,
    /// The regular end of the file.
    End,
}

/// Reads one token after another. Comments, processing instructions and document types are passed over.
pub(super) struct Scanner {
    input: Input,
    content: Vec<u8>,
    overlong: bool,
    /// The last byte before the end of a tag, which `content` lacks when it is overlong.
    last: u8,
    /// The line where the token began, and the line reached.
    line: u64,
    reached: u64,
}

impl Scanner {
    pub(super) fn new(input: Input) -> Self {
        Self { input, content: Vec::new(), overlong: false, last: 0, line: 1, reached: 1 }
    }

    /// The line where the token begins, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The line up to which was read.
    pub(super) fn reached(&self) -> u64 {
        self.reached
    }

    /// The bytes of the token.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Whether the token was longer than [`MAX_RECORD_BYTES`]; `content` then has only its beginning.
    pub(super) fn is_overlong(&self) -> bool {
        self.overlong
    }

    /// Whether the tag is of the kind `<name/>`.
    pub(super) fn is_empty_element(&self) -> bool {
        self.last == b'/'
    }

    /// Goes to the next token. Text is held only if it is `wanted`: whole books may stand between the points.
    ///
    /// Errors: the file cannot be read on, or ends inside markup.
    pub(super) fn advance(&mut self, wanted: bool) -> Result<Token, String> {
        loop {
            self.content.clear();
            self.overlong = false;
            self.line = self.reached;
            match self.peek()? {
                None => return Ok(Token::End),
                Some(b'<') => self.skip(1),
                Some(_) => {
                    self.take(wanted, |bytes| memchr(b'<', bytes).map(|end| (end, end)))?;
                    return Ok(Token::Text);
                }
            }
            match self.peek()? {
                Some(b'?') => self.pass_over(b"?>")?,
                Some(b'!') => {
                    self.skip(1);
                    match self.peek()? {
                        Some(b'-') => {
                            self.expect(b"--")?;
                            self.pass_over(b"-->")?;
                        }
                        Some(b'[') => {
                            self.expect(b"[CDATA[")?;
                            let mut end = Ending::new(b"]]>");
                            self.markup(wanted, |bytes| end.feed(bytes).map(|end| (end, end)))?;
                            self.content.truncate(self.content.len().saturating_sub(3));
                            return Ok(Token::Cdata);
                        }
                        _ => self.document_type()?,
                    }
                }
                _ => {
                    let mut parser = ElementParser::default();
                    self.markup(true, |bytes| parser.feed(bytes).map(|end| (end, end + 1)))?;
                    return Ok(Token::Tag);
                }
            }
        }
    }

    fn peek(&mut self) -> Result<Option<u8>, String> {
        self.input.fill().map(|bytes| bytes.first().copied()).map_err(|fault| fault.0)
    }

    /// Consumes bytes that are no line ends.
    fn skip(&mut self, bytes: usize) {
        self.input.consume(bytes);
    }

    fn expect(&mut self, text: &[u8]) -> Result<(), String> {
        for byte in text {
            if self.peek()? != Some(*byte) {
                return Err("markup that begins with <! is neither comment nor CDATA: not well-formed".into());
            }
            self.skip(1);
        }
        Ok(())
    }

    fn pass_over(&mut self, until: &'static [u8]) -> Result<(), String> {
        let mut end = Ending::new(until);
        self.markup(false, |bytes| end.feed(bytes).map(|end| (end, end)))
    }

    /// A document type is passed over; one with declarations of its own ends the file, as none is followed.
    fn document_type(&mut self) -> Result<(), String> {
        let mut parser = ElementParser::default();
        self.markup(true, |bytes| parser.feed(bytes).map(|end| (end, end + 1)))?;
        if !self.content.starts_with(b"DOCTYPE") {
            return Err("markup that begins with <! is neither comment nor CDATA: not well-formed".into());
        }
        if self.overlong || self.content.contains(&b'[') {
            return Err("a document type with declarations of its own is not read".into());
        }
        Ok(())
    }

    fn markup(
        &mut self,
        keep: bool,
        find: impl FnMut(&[u8]) -> Option<(usize, usize)>,
    ) -> Result<(), String> {
        if self.take(keep, find)? {
            return Ok(());
        }
        Err(format!("the file ends inside the markup begun in line {}: not well-formed", self.line))
    }

    /// Consumes bytes until `find` gives (where the content ends, where the token ends); false at the end of the
    /// file.
    fn take(
        &mut self,
        keep: bool,
        mut find: impl FnMut(&[u8]) -> Option<(usize, usize)>,
    ) -> Result<bool, String> {
        loop {
            let bytes = self.input.fill().map_err(|fault| fault.0)?;
            if bytes.is_empty() {
                return Ok(false);
            }
            let found = find(bytes);
            let (content, token) = found.unwrap_or((bytes.len(), bytes.len()));
            if keep && self.content.len() + content <= MAX_RECORD_BYTES {
                self.content.extend_from_slice(&bytes[..content]);
            } else if keep {
                self.overlong = true;
            }
            if let Some(last) = bytes[..content].last() {
                self.last = *last;
            }
            self.reached += memchr_iter(b'\n', &bytes[..token]).count() as u64;
            self.input.consume(token);
            if found.is_some() {
                return Ok(true);
            }
        }
    }
}

/// Finds the bytes that end a comment or the like, also where they lie across two reads.
struct Ending {
    text: &'static [u8],
    matched: usize,
}

impl Ending {
    fn new(text: &'static [u8]) -> Self {
        Self { text, matched: 0 }
    }

    /// Where the ending ends in `bytes`.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        for (n, byte) in bytes.iter().enumerate() {
            // All endings are one byte, repeated or not, and `>`.
            self.matched = match (*byte, self.matched) {
                (byte, matched) if byte == self.text[matched] => matched + 1,
                (byte, matched) if byte == self.text[0] => matched,
                _ => 0,
            };
            if self.matched == self.text.len() {
                return Some(n + 1);
            }
        }
        None
    }
}
