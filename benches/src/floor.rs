//! What the servers can do at most: raw clients that do nothing else.

use std::io::{Read as _, Write as _};
use std::pin::pin;
use std::thread;
use std::time::Instant;

use anyhow::{anyhow, bail, ensure};
use bytes::Bytes;
use futures_util::SinkExt as _;
use pipeline::batch::{RawBatch, StreamId};
use pipeline::decode::Decoder;
use pipeline::source::redis::{Item, ReplyWalk};
use race::position::Position;
use race::time::Timestamp;
use storage::timescale::{COLUMNS, CopyBuffer};
use tokio_postgres::NoTls;

use super::durable::GROUP;
use super::platform::{Platform, command};
use super::stream::Stream;

/// Entries of one read, and ids of one acknowledgement.
const READ_ENTRIES: usize = 5_000;
/// Bytes of one protocol message.
const MESSAGE_BYTES: usize = 64 * 1024;

/// The rows of a stream, ready-made, and how to read and acknowledge its entries.
pub(crate) struct Floor<'a> {
    stream: &'a Stream,
    /// Batches as they are sent, sorted by device and instant.
    batches: Vec<Bytes>,
}

impl<'a> Floor<'a> {
    pub(crate) fn new(stream: &'a Stream, batch_rows: usize) -> anyhow::Result<Self> {
        let mut decoder = Decoder::new(Timestamp::from_millis(0));
        let mut batches = Vec::new();
        for first in (0..stream.fixes.len()).step_by(batch_rows.max(1)) {
            let mut raw = RawBatch::of_stream(stream.name.as_str().into());
            for n in first..stream.fixes.len().min(first + batch_rows) {
                let (id, fields) = stream.entry(n);
                let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
                raw.entries.push_fields(id.parse()?, fields);
            }
            let decoded = decoder.decode(raw);
            if let Some(reject) = decoded.rejects.first() {
                bail!("an entry of the bench is refused: {reject}");
            }
            let mut rows: Vec<&Position> = decoded.positions.iter().collect();
            rows.sort_by(|a, b| (&a.device_id, a.ts).cmp(&(&b.device_id, b.ts)));
            let ingested_at = rows.first().map_or(Timestamp::default(), |row| row.ts);
            let bytes = CopyBuffer::default().encode(rows.into_iter(), ingested_at);
            batches.push(bytes.map_err(|error| anyhow!(error))?);
        }
        Ok(Self { stream, batches })
    }

    /// Binary COPY of the batches by one connection, each a transaction; rows a second.
    pub(crate) fn copy(&self, platform: &Platform) -> anyhow::Result<f64> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let seconds = runtime.block_on(self.copy_all(&platform.url()))?;
        Ok(self.stream.fixes.len() as f64 / seconds)
    }

    async fn copy_all(&self, url: &str) -> anyhow::Result<f64> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let connection = tokio::spawn(connection);
        client.batch_execute("SET synchronous_commit = on").await?;
        let copy = client.prepare(&format!("COPY positions ({COLUMNS}) FROM STDIN (FORMAT binary)")).await?;
        let begun = Instant::now();
        let mut rows = 0;
        for batch in &self.batches {
            let mut sink = pin!(client.copy_in(&copy).await?);
            let mut rest = batch.clone();
            while !rest.is_empty() {
                sink.feed(rest.split_to(MESSAGE_BYTES.min(rest.len()))).await?;
            }
            rows += sink.finish().await?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(rows == self.stream.fixes.len() as u64, "{rows} rows were taken");
        drop(client);
        connection.await??;
        Ok(seconds)
    }

    /// XREADGROUP and XACK of all entries, thrown away; entries a second.
    pub(crate) fn read(&self, platform: &Platform) -> anyhow::Result<f64> {
        drop(platform.rewind(self.stream)?);
        let mut socket = platform.socket()?;
        let name = self.stream.name.as_str();
        let count = READ_ENTRIES.to_string();
        let mut read = Vec::new();
        command(&mut read, &["XREADGROUP", "GROUP", GROUP, "floor", "COUNT", &count, "STREAMS", name, ">"]);
        let mut walk = ReplyWalk::default();
        let (mut buffer, mut filled) = (vec![0; 8 << 20], 0);
        let mut ids: Vec<StreamId> = Vec::with_capacity(READ_ENTRIES);
        let mut acknowledge = Vec::new();
        let begun = Instant::now();
        let mut entries = 0;
        while entries < self.stream.fixes.len() {
            socket.write_all(&read)?;
            walk.restart();
            ids.clear();
            let mut used = 0;
            loop {
                match walk.next(&buffer[used..filled])? {
                    (Item::Entry(entry), len) => {
                        ids.push(entry.id);
                        used += len;
                    }
                    (Item::Need(_), len) => {
                        used += len;
                        buffer.copy_within(used..filled, 0);
                        (filled, used) = (filled - used, 0);
                        let received = socket.read(&mut buffer[filled..])?;
                        ensure!(received > 0, "the broker closed the connection");
                        filled += received;
                    }
                    (Item::End, len) => {
                        used += len;
                        break;
                    }
                    (other, _) => bail!("the broker answered {other:?}"),
                }
            }
            ensure!(
                used == filled && !ids.is_empty(),
                "a reply without entries, or with something behind it"
            );
            filled = 0;
            entries += ids.len();
            acknowledge.clear();
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let mut words = vec!["XACK", name, GROUP];
            words.extend(ids.iter().map(String::as_str));
            command(&mut acknowledge, &words);
            socket.write_all(&acknowledge)?;
            let mut answer = [0; 32];
            let len = socket.read(&mut answer)?;
            ensure!(answer[..len] == *format!(":{}\r\n", ids.len()).as_bytes(), "not all were acknowledged");
        }
        Ok(entries as f64 / begun.elapsed().as_secs_f64())
    }

    /// Both at once; entries a second until the later one is through.
    pub(crate) fn both(&self, platform: &Platform) -> anyhow::Result<f64> {
        thread::scope(|scope| {
            let copy = scope.spawn(|| self.copy(platform));
            let read = self.read(platform)?;
            let copy = copy.join().map_err(|_| anyhow!("the thread that copies panicked"))??;
            Ok(copy.min(read))
        })
    }
}
