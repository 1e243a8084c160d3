//! The servers of a run, durable as in production, and what is asked of them.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};

use test_redis::Server;
use test_services::{Options, Postgres};

const DATABASE: &str = "postgres";

/// Both servers.
#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) redis: Server,
    pub(crate) postgres: Postgres,
}

impl Platform {
    /// Servers with the tables of the platform and what these statements put there.
    pub(crate) fn start(statements: &[String]) -> anyhow::Result<Self> {
        // The sizes are those of a small production server; durability is left as it is by default.
        let settings = [("shared_buffers", "512MB"), ("max_wal_size", "4GB")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let postgres = Postgres::start_with(Options { fsync: true, settings, ..Options::default() })?;
        // Persistence as Redis itself recommends it. A rewrite of the file would fall into one run and not another.
        let arguments =
            ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"];
        let arguments = arguments.map(str::to_owned).to_vec();
        let redis = Server::start(test_redis::Options { arguments, ..test_redis::Options::default() })?;
        let platform = Self { redis, postgres };
        for folder in ["db-init", "db-init/standalone"] {
            for file in scripts(folder)? {
                platform.sql(&std::fs::read_to_string(file)?)?;
            }
        }
        for statement in statements {
            platform.sql(statement)?;
        }
        Ok(platform)
    }

    pub(crate) fn sql(&self, sql: &str) -> anyhow::Result<String> {
        Ok(self.postgres.psql(DATABASE, sql)?)
    }

    pub(crate) fn url(&self) -> String {
        self.postgres.url(DATABASE)
    }

    pub(crate) fn socket(&self) -> anyhow::Result<TcpStream> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.redis.port()))?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }
}

/// Appends a command as the broker reads it.
pub(crate) fn command(to: &mut Vec<u8>, words: &[&str]) {
    to.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        to.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

fn scripts(folder: &str) -> anyhow::Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut files: Vec<PathBuf> =
        folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    Ok(files)
}
