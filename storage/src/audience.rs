//! What a live channel asks of a database: who is shown where, to whom how much later, and where everybody was last.

use std::future::Future;

use race::position::{DeviceId, Position};
use race::time::Timestamp;
use uuid::Uuid;

use crate::StoreError;

/// What the business tables say of events and audiences, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AudienceRows {
    /// Each event with each device that is entered in it, by the device's IMEI.
    pub members: Vec<(Uuid, DeviceId)>,
    /// How much later events are seen.
    pub delays: Vec<EventDelay>,
    /// Who has which role in the organization of an event; only of events that have a delay.
    pub roles: Vec<EventRole>,
}

/// An audience of an event sees it so much later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventDelay {
    /// The event.
    pub event_id: Uuid,
    /// The role; `None`: whoever has no rule of their own.
    pub role: Option<String>,
    /// How much later, in milliseconds.
    pub delay_ms: u64,
}

/// Somebody's role in the organization of an event. One may have several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRole {
    /// The user, as the platform names them.
    pub user_id: String,
    /// The event.
    pub event_id: Uuid,
    /// The role.
    pub role: String,
}

/// A database that a live channel can be fed from. Every method only reads. A clone is another handle to the same.
pub trait Audience: Clone + Send + Sync + 'static {
    /// Who is shown where, and to whom how much later. Tables that are not there are empty.
    fn audience(&self) -> impl Future<Output = Result<AudienceRows, StoreError>> + Send;

    /// Of each device the latest position that is not faulty, without attributes; those that have none are left out. With
    /// `as_of` only what had been taken and stored by then: what was known at that instant.
    fn latest_positions(
        &self,
        devices: &[DeviceId],
        as_of: Option<Timestamp>,
    ) -> impl Future<Output = Result<Vec<Position>, StoreError>> + Send;

    /// Which of these rows an operator has flagged as faulty, by their places in the slice.
    fn flagged(
        &self,
        rows: &[(DeviceId, Timestamp)],
    ) -> impl Future<Output = Result<Vec<usize>, StoreError>> + Send;
}
