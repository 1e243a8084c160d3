//! Opening the file: whose it is, which schema it has, and how SQLite is to treat it.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::Durability;
use super::failure::Failure;

/// Written to the file's header, `RTLM`: what tells this program's databases from others.
const APPLICATION_ID: i32 = 0x5254_4c4d;
/// The steps from an empty file to the schema of today. How many were taken is in the header's `user_version`. A step that
/// was handed out is never edited: what it should have done besides is another step.
const STEPS: [&str; 3] = [
    include_str!("schema/001_tables.sql"),
    include_str!("schema/002_record_history.sql"),
    include_str!("schema/003_crossing_overrides.sql"),
];
/// The schema of today.
const NEWEST: usize = STEPS.len();
/// How long a call waits for another process's transaction before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long between two tries of the one statement that SQLite does not wait for.
const BUSY_PAUSE: Duration = Duration::from_millis(10);
/// Distinct statements are some 70, most of them the course's; all stay prepared.
const PREPARED_STATEMENTS: usize = 128;
/// Bytes a page of a new file.
const PAGE_BYTES: u32 = 8_192;
/// Kibibytes of pages kept in memory: the growing ends of several hundred tracks and the index above them.
const CACHE_KIB: u32 = 65_536;
/// Pages in the write-ahead log after which they are copied into the file: 64 MiB. A page that grows by many
/// commits is then copied once, not once a commit.
const CHECKPOINT_PAGES: u32 = 8_192;

/// Opens or creates the database file and makes it ready for use.
pub(super) fn open(path: &Path, durability: Durability) -> Result<Connection, Failure> {
    check_place(path)?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    // Nothing may be written, not even the journal mode, before it is known whose file this is.
    let taken = steps_taken(&connection)?;
    let fresh = taken == 0;
    if connection.is_readonly("main")? {
        return Err(Failure::broken("the file is read-only; make it writable, or give another path"));
    }
    if fresh {
        // Only an empty file takes another page size, and only before it is in WAL mode.
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    }
    set_up(&connection, durability)?;
    if taken < STEPS.len() {
        take_steps(&mut connection)?;
    }
    Ok(connection)
}

/// Opens a database that is there to look at it. Nothing is written into it, but the steps that a file of an older schema
/// lacks; a file of today's that may not be written will do.
pub(super) fn open_to_read(path: &Path, durability: Durability) -> Result<Connection, Failure> {
    check_place(path)?;
    let connection = connect_to_read(path)?;
    match steps_taken(&connection)? {
        0 => Err(Failure::broken("nothing is stored in this file yet; give another path")),
        NEWEST => Ok(connection),
        _ => {
            drop(connection);
            open(path, durability)
        }
    }
}

/// Opens a database that is there as it is now: a transaction that only reads and lasts as long as the connection.
pub(super) fn open_snapshot(path: &Path) -> Result<Connection, Failure> {
    let connection = connect_to_read(path)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.execute_batch("BEGIN")?;
    // The snapshot is of the moment of the first read.
    read_once(&connection)?;
    Ok(connection)
}

/// A connection that can read.
fn connect_to_read(path: &Path) -> Result<Connection, Failure> {
    // Not read-only: a reader of the write-ahead log has to write into its index.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    match read_once(&connection) {
        Err(e) if is_denied(&e) && !has_log(path) => {}
        _ => return Ok(connection),
    }
    // An index cannot be made here, but nobody has the file open for writing, who would keep a log beside it.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path =
        path.to_str().ok_or_else(|| Failure::broken("the path is no UTF-8, and may not be written"))?;
    let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let connection = Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    Ok(connection)
}

fn read_once(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map(drop)
}

/// Whether reading needs writing, which is not allowed.
fn is_denied(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied)
    )
}

/// Whether there is a write-ahead log, without which the file alone may lack what was committed.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // What cannot be looked for may be there.
    Path::new(&log).try_exists().unwrap_or(true)
}

/// Says what SQLite would only call "unable to open database file".
fn check_place(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::broken("this is a directory; give the path of a file"));
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => {
            Err(Failure::broken(format!("there is no directory {}; create it first", parent.display())))
        }
        _ => Ok(()),
    }
}

/// How many of the steps were taken; 0: the file has nothing in it yet. An error when it is not this program's, or of a
/// newer one.
fn steps_taken(connection: &Connection) -> Result<usize, Failure> {
    let header = "SELECT (SELECT application_id FROM pragma_application_id),
                         (SELECT user_version FROM pragma_user_version),
                         (SELECT count(*) FROM sqlite_schema)";
    let read = connection.query_row(header, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let (application, version, objects): (i32, i32, i64) = match read {
        Ok(header) => header,
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            return Err(Failure::broken("the file is no SQLite database; give another path"));
        }
        Err(e) => return Err(e.into()),
    };
    let taken = usize::try_from(version).unwrap_or_default();
    match (application, taken) {
        (0, 0) if objects == 0 && version == 0 => Ok(0),
        (APPLICATION_ID, 1..=NEWEST) => Ok(taken),
        (APPLICATION_ID, newer) if newer > NEWEST => Err(Failure::broken(format!(
            "the database has schema {newer}, this program knows {NEWEST}; \
             use the newer program that wrote it, or give another path"
        ))),
        (APPLICATION_ID, _) => Err(Failure::broken(format!(
            "the database has schema {version}, which no version of this program wrote; \
             restore it from a backup, or give another path"
        ))),
        _ => Err(Failure::broken("the database belongs to another application; give another path")),
    }
}

fn set_up(connection: &Connection, durability: Durability) -> Result<(), Failure> {
    let mode = use_write_ahead_log(connection)?;
    if mode != "wal" {
        return Err(Failure::broken(format!(
            "no write-ahead log is possible here (journal mode stays {mode:?}); give a path on a local disk"
        )));
    }
    let synchronous = match durability {
        Durability::EveryCommit => "FULL",
        Durability::Checkpoints => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", CHECKPOINT_PAGES * PAGE_BYTES)?;
    Ok(())
}

/// Asks for WAL mode; the journal mode as it is then. While another connection makes the same switch SQLite
/// says at once that the file is locked, without the wait that other statements have.
fn use_write_ahead_log(connection: &Connection) -> Result<String, rusqlite::Error> {
    let started = Instant::now();
    loop {
        let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
        match mode {
            Err(e)
                if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && started.elapsed() < BUSY_TIMEOUT =>
            {
                thread::sleep(BUSY_PAUSE);
            }
            done => return done,
        }
    }
}

/// Takes the steps that are missing, in one transaction, unless another process that opened the file at the same time
/// already has.
fn take_steps(connection: &mut Connection) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = steps_taken(&transaction)?;
    for step in STEPS.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    if taken < NEWEST {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i32::try_from(NEWEST).unwrap_or(i32::MAX))?;
    }
    transaction.commit()?;
    Ok(())
}
