//! A race day in a folder, and a store that has taken it in.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part of this module"
)]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use loadgen::delivery::Network;
use loadgen::driver::Misdeeds;
use loadgen::profile::Profile;
use loadgen::receiver::Receiver;
use loadgen::simulate::{Options, Simulation, simulate};
use loadgen::{fleet, folder, generated};
use pipeline::batch::{CommittedBatch, EvaluatedBatch};
use pipeline::lane::Follow;
use pipeline::source::TrackFile;
use pipeline::topology;
use pipeline::write::{Sink, WriteLimits};
use race::course::Course;
use race::follow::{Follower, Scratch};
use race::judge::ranking;
use race::time::Timestamp;
use storage::sqlite::SqliteStore;
use storage::{Cause, EntryRecords, Positions as _, Records as _, RowOutcome, Store as _, StoreError};
use tempfile::TempDir;

pub const RECEIVED: Timestamp = Timestamp::from_millis(1_780_000_000_000);

pub struct RaceDay {
    pub folder: TempDir,
    pub simulation: Simulation,
}

/// A race day on a made-up course, written into a folder.
pub fn race_day(entries: usize, seed: u64, profile: Profile) -> RaceDay {
    let mut course = generated::course(seed, 30.0).unwrap();
    fleet::enter(&mut course, entries, seed).unwrap();
    let options = Options {
        entries: Some(entries),
        seed,
        begin: "2025-06-07T06:00:00Z".parse().unwrap(),
        profile,
        receiver: Receiver::at_hz(1.0),
        network: Network::default(),
        misdeeds: Misdeeds::default(),
        close_stages: true,
    };
    let simulation = simulate(course, &options).unwrap();
    let folder = TempDir::new().unwrap();
    folder::write(folder.path(), &simulation, |_| ()).unwrap();
    RaceDay { folder, simulation }
}

struct Positions(SqliteStore);

impl Sink for Positions {
    type Error = StoreError;

    async fn commit(&mut self, batch: EvaluatedBatch) -> Result<CommittedBatch, StoreError> {
        assert!(batch.rows.rejects.is_empty(), "{:?}", batch.rows.rejects);
        let rows = self.0.commit_positions(batch.rows.positions, RECEIVED).await?;
        Ok(CommittedBatch {
            inserted: rows.count(RowOutcome::Inserted) as u64,
            duplicates: rows.count(RowOutcome::Duplicate) as u64,
            conflicts: rows.count(RowOutcome::Conflict) as u64,
            rejects: 0,
        })
    }
}

impl RaceDay {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Takes the tracks in through the pipeline, then judges every entry by what is stored.
    pub async fn store(&self) -> SqliteStore {
        let store = SqliteStore::open(self.path("race.db")).unwrap();
        let tables = Arc::new(folder::course(self.folder.path()).unwrap());
        store.save_course(Arc::clone(&tables), RECEIVED).await.unwrap();
        let course = Arc::new(Course::new(tables));
        let track = TrackFile::open(self.path(folder::TRACKS), None).unwrap();
        let follow = Follow::Alone { stored: Vec::new() };
        let config = topology::Config { lanes: 2, writers: 1, received_at: RECEIVED, follow };
        let limits = WriteLimits { rows: 5_000, bytes: 1 << 24, age: Duration::from_millis(50) };
        topology::run(track, &course, &config, limits, &mut Positions(store.clone())).await.unwrap();
        judge(&store, &course).await;
        store
    }
}

/// Judges every entry by its stored positions and keeps what is true of it.
async fn judge(store: &SqliteStore, course: &Course) {
    let event = &course.events[0];
    let mut evaluations = Vec::new();
    for entry in &event.entries {
        let (mut follower, mut scratch) = (Follower::new(event), Scratch::default());
        for span in &entry.spans {
            let from = span.from.unwrap_or(Timestamp::from_micros(i64::MIN));
            let rows = store.read_positions(span.device.clone(), from, span.to, usize::MAX).await.unwrap();
            rows.iter().for_each(|position| follower.push(event, position, &mut scratch));
        }
        let evaluation = follower.evaluation(event, entry, &mut scratch);
        let records = EntryRecords {
            entry_id: evaluation.entry_id,
            crossings: evaluation.crossings.clone(),
            penalties: evaluation.stages.iter().flat_map(|stage| stage.penalties.clone()).collect(),
        };
        store.save_records(records, Cause::Replay, RECEIVED).await.unwrap();
        evaluations.push(evaluation);
    }
    let results =
        (0..event.stages.len()).flat_map(|stage| ranking::rank(event, stage, &evaluations)).collect();
    store.save_results(results, Cause::Replay, RECEIVED).await.unwrap();
}

/// Runs the built program.
pub fn loadgen(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen")).args(args).output().unwrap()
}

/// Its exit code and what it told.
pub fn told(args: &[&str]) -> (i32, String) {
    let output = loadgen(args);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}
