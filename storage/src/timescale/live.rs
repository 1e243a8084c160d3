//! [`Live`] in PostgreSQL.

use std::time::Duration;

use super::PostgresStore;
use crate::{Claim, Committed, Fence, Live, PositionWrite, StoreError};

impl Live for PostgresStore {
    async fn claim_lease(&self, holder: &str, ttl: Duration) -> Result<Claim, StoreError> {
        let claimed = self.control(async |control| control.claim(holder, ttl).await).await;
        claimed.map_err(|f| self.error("claiming the lease", f))
    }

    async fn renew_lease(&self, fence: &Fence, ttl: Duration) -> Result<bool, StoreError> {
        let renewed = self.control(async |control| control.renew(fence, ttl).await).await;
        renewed.map_err(|f| self.error("renewing the lease", f))
    }

    async fn release_lease(&self, fence: &Fence) -> Result<(), StoreError> {
        let released = self.control(async |control| control.release(fence).await).await;
        released.map_err(|f| self.error("giving the lease back", f))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let answered = self.control(async |control| control.ping().await).await;
        answered.map_err(|f| self.error("asking for an answer", f))
    }

    async fn write(&self, write: &PositionWrite) -> Result<Committed, StoreError> {
        self.commit(write).await.map_err(|f| self.error("storing positions", f))
    }
}
