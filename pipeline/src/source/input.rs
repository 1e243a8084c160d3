//! The bytes of a file: decompressed where they are gzip, without a byte order mark, a buffer at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// One read of a file, or of its decompressed content.
const BUFFER_BYTES: usize = 64 * 1024;

/// What is looked at before the content is given out, to tell one form from another.
const HEAD_BYTES: u64 = 512;

/// How far a file has been read, in bytes as they are on disk. Cheap to clone, and readable from another thread.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total_bytes: u64,
}

impl Progress {
    /// Bytes read so far, compressed ones where the file is compressed.
    pub fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The size of the file when it was opened; 0 when it has none, such as a pipe.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }
}

/// Why nothing more can be read.
#[derive(Debug, Clone)]
pub(super) struct Fault(pub(super) String);

/// The content of a file.
pub(super) struct Input {
    reader: BufReader<Box<dyn Read + Send>>,
    gzip: bool,
    /// The first failure; it stays, because a decoder that failed once may go on with nonsense.
    fault: Option<Fault>,
    first_byte: Option<u8>,
}

impl Input {
    /// Opens a file and looks at its first bytes.
    ///
    /// Errors: the file cannot be opened, is a directory, or its first bytes cannot be read. Content that cannot
    /// be decompressed is no error here but a fault on reading.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Progress)> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(ErrorKind::IsADirectory, "is a directory"));
        }
        let progress = Progress { read: Arc::default(), total_bytes: metadata.len() };
        let mut counting = Counting { file, read: Arc::clone(&progress.read) };
        let mut magic = Vec::new();
        counting.by_ref().take(2).read_to_end(&mut magic)?;
        let gzip = magic == [0x1f, 0x8b];
        let whole = Cursor::new(magic).chain(counting);
        let content: Box<dyn Read + Send> = if gzip {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, whole)))
        } else {
            Box::new(whole)
        };
        Ok((Self::new(content, gzip), progress))
    }

    fn new(mut content: Box<dyn Read + Send>, gzip: bool) -> Self {
        let mut head = Vec::new();
        let failed = content.by_ref().take(HEAD_BYTES).read_to_end(&mut head).err();
        let mut fault = failed.map(|error| describe(&error, gzip));
        if head.starts_with(&[0xef, 0xbb, 0xbf]) {
            head.drain(..3);
        } else if head.starts_with(&[0xfe, 0xff]) || head.starts_with(&[0xff, 0xfe]) {
            head.clear();
            fault = Some(Fault("is UTF-16, but only UTF-8 is read: save it as UTF-8".into()));
        }
        let first_byte = head.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        let reader: Box<dyn Read + Send> = match fault {
            // What was read before the failure is still good.
            Some(_) => Box::new(Cursor::new(head)),
            None => Box::new(Cursor::new(head).chain(content)),
        };
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, reader), gzip, fault, first_byte }
    }

    /// The first byte that is not blank, as far as the first few hundred bytes show one.
    pub(super) fn first_byte(&self) -> Option<u8> {
        self.first_byte
    }

    /// Bytes not consumed yet; empty only at the end.
    pub(super) fn fill(&mut self) -> Result<&[u8], Fault> {
        loop {
            match self.reader.fill_buf() {
                Ok([]) => match &self.fault {
                    Some(fault) => return Err(fault.clone()),
                    None => break,
                },
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let fault = describe(&error, self.gzip);
                    // Nothing is read from a reader that failed.
                    self.reader = BufReader::with_capacity(0, Box::new(io::empty()));
                    self.fault = Some(fault.clone());
                    return Err(fault);
                }
            }
        }
        Ok(self.reader.buffer())
    }

    /// What the last [`Input::fill`] gave, without what was consumed since.
    pub(super) fn buffer(&self) -> &[u8] {
        self.reader.buffer()
    }

    /// Marks bytes of the buffer as used.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.reader.consume(bytes);
    }
}

fn describe(error: &io::Error, gzip: bool) -> Fault {
    Fault(match error.kind() {
        ErrorKind::UnexpectedEof if gzip => "the gzip data is cut short: its end is missing".into(),
        ErrorKind::InvalidInput | ErrorKind::InvalidData if gzip => {
            format!("the gzip data is damaged ({error})")
        }
        _ => format!("cannot be read on: {error}"),
    })
}

/// Counts what is read from a file.
struct Counting {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buf)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

#[cfg(test)]
impl Input {
    /// Content from memory.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self::new(Box::new(Cursor::new(bytes.to_vec())), false)
    }
}
