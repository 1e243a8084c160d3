//! A database of a platform, with a course and positions in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use test_services::{Postgres, inserts};

use super::{Fix, row};

pub struct Database {
    server: Arc<Postgres>,
    name: String,
}

impl Database {
    /// All tables, as db-init makes them, and the rows of a course.
    pub fn with_course(course: &Value) -> Self {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let server = Postgres::shared().unwrap();
        let name = format!("show_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        server.psql("postgres", &format!("CREATE DATABASE {name}")).unwrap();
        let database = Self { server, name };
        for folder in ["db-init", "db-init/standalone"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
            let mut files: Vec<PathBuf> =
                folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
            files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
            files.sort();
            for file in files {
                database.sql(&std::fs::read_to_string(file).unwrap());
            }
        }
        let mut sql = String::from("BEGIN;\n");
        for (table, rows) in course.as_object().unwrap() {
            sql.extend(inserts(table, rows.as_array().unwrap()).map(|insert| insert + ";\n"));
        }
        database.sql(&(sql + "COMMIT;"));
        database
    }

    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Runs SQL; rows as lines, fields parted by `|`.
    pub fn sql(&self, sql: &str) -> String {
        self.server.psql(&self.name, sql).unwrap()
    }

    /// Stores the fixes of a device.
    pub fn store(&self, device: &str, fixes: &[Fix]) {
        let rows = fixes.iter().map(|&fix| {
            let text = row(fix);
            let mut fields = text.split(',');
            let (ts, lat, lon) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
            format!("('{device}', '{ts}', {lat}, {lon}, 0, 0, 0, -1, 0, 'csv', '{{}}')")
        });
        self.sql(&format!(
            "INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, \
             codec, attributes) VALUES {}",
            rows.collect::<Vec<_>>().join(", ")
        ));
    }
}
