//! A server, as tests hold it.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use tempfile::TempDir;
use test_services::Postgres;
use uuid::Uuid;

use crate::api::{ADMIN, ADMIN_TOKEN, Answer, Api, Credentials};
use crate::process::{self, DATABASE, Process, Running};
use crate::schema::{self, Schema};
use crate::users::Passwords;
use crate::{Result, User};

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further environment, as Directus names it: `("ACCESS_TOKEN_TTL", "5s")`.
    pub settings: Vec<(String, String)>,
}

/// A Directus with its own PostgreSQL, with the tables of db-init/standalone/001 among its collections, a role whose
/// policy lets its users read the events of the organizations that they belong to, and two users in it.
#[derive(Debug)]
pub struct Directus {
    _running: Running,
    pub(crate) api: Api,
    pub(crate) schema: Schema,
    pub(crate) passwords: Passwords,
    /// Dropped after the process that asks it.
    postgres: Postgres,
    _folder: TempDir,
}

impl Directus {
    /// What its JWTs are signed with by HS256.
    pub const SECRET: &'static str = "a secret for tests that guards nothing";

    /// Whether it can be started here: that needs `npm ci --ignore-scripts` in `ci/services/directus`. Says on stderr
    /// when not. With `TEST_DIRECTUS` in the environment, as `ci/test` has it, the answer is yes, and starting may
    /// fail.
    pub fn is_installed() -> bool {
        let installed = std::env::var_os("TEST_DIRECTUS").is_some() || process::is_there();
        if !installed {
            eprintln!("skipped: no Directus, run `npm ci --ignore-scripts` in ci/services/directus");
        }
        installed
    }

    /// Starts a server of its own.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub fn start() -> Result<Directus> {
        Directus::start_with(&Options::default())
    }

    /// One server for all tests of a process that overlap; it ends with the last of them. Make users of your own
    /// before you change any.
    ///
    /// # Errors
    /// As [`Directus::start`].
    pub fn shared() -> Result<Arc<Directus>> {
        static SHARED: Mutex<Weak<Directus>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Directus::start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// Starts a server of its own.
    ///
    /// # Errors
    /// See [`crate::Error`].
    pub fn start_with(options: &Options) -> Result<Directus> {
        let postgres = Postgres::start()?;
        postgres.psql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        postgres.psql(DATABASE, schema::TABLES)?;
        let folder = tempfile::Builder::new().prefix("test-directus-").tempdir()?;
        // What it looks for, and warns of where it is not there.
        fs::write(folder.path().join("package.json"), "{}")?;
        for own in ["extensions", "uploads"] {
            fs::create_dir(folder.path().join(own))?;
        }
        let process = Process::new(folder.path(), &postgres, options)?;
        process.bootstrap()?;
        let (running, api) = process.serve()?;
        let passwords = Passwords::default();
        let schema = schema::set_up(&api, &passwords)?;
        Ok(Directus { _running: running, api, schema, passwords, postgres, _folder: folder })
    }

    /// The base URL, without a slash at its end.
    pub fn url(&self) -> &str {
        self.api.url()
    }

    /// What its JWTs are signed with by HS256.
    pub fn secret(&self) -> &'static str {
        Directus::SECRET
    }

    /// A static token that may do everything.
    pub fn admin_token(&self) -> &'static str {
        ADMIN_TOKEN
    }

    /// Its database: everything that Directus does not offer.
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The URL of its database, with user and password.
    pub fn database_url(&self) -> String {
        self.postgres.url(DATABASE)
    }

    /// The two events, of two organizations.
    pub fn events(&self) -> [Uuid; 2] {
        self.schema.events
    }

    /// The two users: the first one sees the first event and not the second, and the other way round.
    pub fn users(&self) -> &[User; 2] {
        &self.schema.users
    }

    /// The role of users who read the events of their organizations and nothing else.
    pub fn role(&self) -> Uuid {
        self.schema.role
    }

    /// Asks as somebody.
    ///
    /// # Errors
    /// There is no answer; every status is one.
    pub fn get(&self, path: &str, credentials: Credentials<'_>) -> Result<Answer> {
        Ok(self.api.send("GET", path, credentials, None)?.answer)
    }

    /// Sends what tests need beyond what is here, as the administrator, and takes what the answer has under `data`.
    ///
    /// # Errors
    /// The answer is not a success.
    pub fn as_admin(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.api.data(method, path, ADMIN, body)
    }
}
