//! Comparing a store with the truth: positions by their keys and contents, crossings by their instants, penalties.

pub mod crossings;
pub mod outcome;
pub mod penalties;
pub mod positions;

use std::path::Path;

use storage::{Records, StoreError};
use uuid::Uuid;

pub use self::outcome::Outcome;
use crate::folder::{self, FolderError};

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares what a store holds, as of one moment, with the truth of a folder; `told` is called for each tracker.
///
/// # Errors
/// One of them cannot be read.
pub async fn verify<R: Records>(
    store: &R,
    folder: &Path,
    told: impl FnMut(),
) -> Result<Outcome, VerifyError> {
    let (course, truth) = (folder::course(folder)?, folder::truth(folder)?);
    let store = store.snapshot().await?;
    let contents = positions::contents(folder)?;
    let positions = positions::compare(&store, &truth, &contents, folder, told).await?;
    let entries: Vec<Uuid> = truth.entries.iter().map(|entry| entry.entry_id).collect();
    let records = store.stored_records(&entries).await?;
    Ok(Outcome {
        positions,
        crossings: crossings::compare(&truth, &records),
        penalties: penalties::compare(&truth, &course, &records),
    })
}
