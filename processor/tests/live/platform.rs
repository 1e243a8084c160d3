//! A platform of its own for a test: a broker, a database with all tables, and what is asked of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use test_redis::{Options, Server};
use test_services::{Postgres, inserts};

use crate::fleet::Entry;
use crate::worker::Worker;

pub const STREAM: &str = "telemetry:teltonika";
pub const GROUP: &str = "processor";

/// Entries in one round trip.
const PIPELINED: usize = 1_000;

pub struct Platform {
    pub redis: Server,
    /// Its own, to be killed; else one that the tests share.
    pub own_postgres: Option<Postgres>,
    shared_postgres: Option<Arc<Postgres>>,
    pub database: String,
    pub folder: TempDir,
}

impl Platform {
    /// A durable broker, and a database on the server that the tests share.
    pub fn start() -> Self {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let server = Postgres::shared().unwrap();
        let database = format!("live_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        server.psql("postgres", &format!("CREATE DATABASE {database}")).unwrap();
        Self::with(None, Some(server), database)
    }

    /// Servers of its own that survive being killed: what they have answered is on disk.
    pub fn durable() -> Self {
        let options = test_services::Options { fsync: true, ..Default::default() };
        Self::with(Some(Postgres::start_with(options).unwrap()), None, "postgres".into())
    }

    fn with(own: Option<Postgres>, shared: Option<Arc<Postgres>>, database: String) -> Self {
        let redis = Server::start(Options { append_only: true, ..Options::default() }).unwrap();
        let folder = TempDir::new().unwrap();
        let platform = Self { redis, own_postgres: own, shared_postgres: shared, database, folder };
        platform.db_init("db-init");
        platform
    }

    /// The tables of the business plane too, with a course in them.
    pub fn with_course(self, course: &Value) -> Self {
        self.db_init("db-init/standalone");
        let mut sql = String::from("BEGIN;\n");
        for (table, rows) in course.as_object().unwrap() {
            sql.extend(inserts(table, rows.as_array().unwrap()).map(|insert| insert + ";\n"));
        }
        // From a file: a command line has no room for a thousand entries.
        std::fs::write(self.path("course.sql"), sql + "COMMIT;").unwrap();
        self.sql(&format!("\\i {}", self.path("course.sql").display()));
        std::fs::write(self.path("course.json"), course.to_string()).unwrap();
        self
    }

    fn db_init(&self, folder: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
        files.sort();
        for file in files {
            self.sql(&std::fs::read_to_string(file).unwrap());
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn postgres(&self) -> &Postgres {
        self.own_postgres.as_ref().or(self.shared_postgres.as_deref()).unwrap()
    }

    /// Runs SQL; rows as lines, fields parted by `|`.
    pub fn sql(&self, sql: &str) -> String {
        self.postgres().psql(&self.database, sql).unwrap()
    }

    pub fn count(&self, from: &str) -> usize {
        self.sql(&format!("SELECT count(*) FROM {from}")).parse().unwrap()
    }

    pub fn control(&self) -> redis::Connection {
        redis::Client::open(self.redis.url()).unwrap().get_connection().unwrap()
    }

    pub fn redis<T: redis::FromRedisValue>(&self, words: &str) -> T {
        let mut command = redis::Cmd::new();
        for word in words.split(' ') {
            command.arg(word);
        }
        command.query(&mut self.control()).unwrap()
    }

    /// Adds entries to the stream, in their order; their ids.
    pub fn add(&self, entries: &[Entry]) -> Vec<String> {
        let mut control = self.control();
        let mut ids = Vec::with_capacity(entries.len());
        for part in entries.chunks(PIPELINED) {
            let mut pipeline = redis::pipe();
            for entry in part {
                let command = pipeline.cmd("XADD").arg(STREAM).arg("*");
                for (name, value) in entry.fields() {
                    command.arg(name).arg(value);
                }
            }
            ids.extend(pipeline.query::<Vec<String>>(&mut control).unwrap());
        }
        ids
    }

    /// A worker with the usual settings of a platform, changed by these.
    pub fn worker(&self, settings: &[(&str, &str)]) -> Worker {
        Worker::start(self, settings)
    }

    /// Entries given out and not acknowledged, and entries not given out.
    pub fn left(&self) -> (usize, usize) {
        let groups: Vec<std::collections::HashMap<String, redis::Value>> =
            self.redis(&format!("XINFO GROUPS {STREAM}"));
        let Some(group) = groups.iter().find(|group| group["name"] == redis::Value::BulkString(GROUP.into()))
        else {
            return (0, self.redis(&format!("XLEN {STREAM}")));
        };
        let last: String = redis::from_redis_value(group["last-delivered-id"].clone()).unwrap();
        let unread: Vec<redis::Value> = self.redis(&format!("XRANGE {STREAM} ({last} + COUNT 1"));
        let pending: usize = redis::from_redis_value(group["pending"].clone()).unwrap();
        (pending, unread.len())
    }

    /// Waits until everything in the stream was given out and acknowledged.
    pub fn wait_until_done(&self, within: Duration) {
        let begun = Instant::now();
        while self.left() != (0, 0) {
            assert!(begun.elapsed() < within, "left in the stream: {:?}", self.left());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Waits until something is so.
pub fn wait(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
