//! Who may judge: the lease in `processor_leases`, and the fence that keeps an old holder from committing.
//!
//! A commit locks the row FOR KEY SHARE in its last message, while the row still has its token. Whoever takes over
//! locks it FOR UPDATE first, and so waits for commits under way and makes later ones wait, and then find another
//! token. A renewal changes no key: its lock goes together with that of a commit, so it waits for none.

use std::borrow::Cow;
use std::time::Duration;

use tokio_postgres::{Client, IsolationLevel};

use super::endpoint::PostgresEndpoint;
use super::failure::Failure;
use super::session;
use crate::{Claim, Fence};

/// The one lease there is.
const NAME: &str = "judge";
/// A server that takes longer for one of these statements is as good as away: they read or write one row, and wait
/// at most for another's COMMIT.
const SETTINGS: &str = "SET statement_timeout = '3s'";
/// The same for a server that does not even say that it is late, opening the connection included.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// `now()` is when the statement before the wait began: a lease that was renewed meanwhile is not taken.
const LOCK: &str = "SELECT FROM processor_leases WHERE name = $1 \
     AND (holder IS NULL OR holder = $2 OR expires_at IS NULL OR expires_at < now()) FOR UPDATE";
const TAKE: &str = "UPDATE processor_leases SET token = token + 1, holder = $2, acquired_at = clock_timestamp(), \
     expires_at = clock_timestamp() + $3 * interval '1 microsecond' WHERE name = $1 RETURNING token";
const LOOK: &str = "SELECT holder, (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::int8 \
     FROM processor_leases WHERE name = $1";
const RENEW: &str = "UPDATE processor_leases SET expires_at = clock_timestamp() + $3 * interval '1 microsecond' \
     WHERE name = $1 AND token = $2 AND holder IS NOT NULL";
const RELEASE: &str =
    "UPDATE processor_leases SET holder = NULL, expires_at = NULL WHERE name = $1 AND token = $2";

/// Ends what an earlier holder has under way in this database: one that was stopped in the midst of a COPY, or cut off,
/// would keep its rows locked against us for as long as its machine's kernel answers, and no timeout of the server looks
/// there. It could not commit them any more. Whoever else of ours is hit, an instance without race rules, tries again.
const END_OTHERS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
     WHERE datname = current_database() AND usename = current_user \
     AND application_name = current_setting('application_name') AND pid <> pg_backend_pid() \
     AND xact_start IS NOT NULL AND pid IN (SELECT pid FROM pg_locks WHERE mode = 'RowExclusiveLock' \
     AND locktype = 'relation' AND relation <> 'processor_leases'::regclass)";

/// The connection that speaks of the lease and of nothing else: neither a batch nor a long read holds it up. Nothing is
/// prepared on it: a database without the lease's table answers a ping all the same.
pub(super) struct Control {
    client: Client,
}

impl Control {
    pub(super) async fn open(endpoint: &PostgresEndpoint) -> Result<Self, Failure> {
        let client = session::connect(endpoint).await.map_err(Failure::at_connect)?;
        client.batch_execute(SETTINGS).await?;
        Ok(Self { client })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn claim(&mut self, holder: &str, ttl: Duration) -> Result<Claim, Failure> {
        let transaction = self.client.build_transaction();
        let transaction = transaction.isolation_level(IsolationLevel::ReadCommitted);
        let transaction = transaction.read_only(false).start().await?;
        if transaction.query_opt(LOCK, &[&NAME, &holder]).await?.is_some() {
            let taken = transaction.query_one(TAKE, &[&NAME, &holder, &micros(ttl)]).await?;
            let token = taken.try_get(0)?;
            transaction.commit().await?;
            self.client.execute(END_OTHERS, &[]).await?;
            return Ok(Claim::Held(Fence { name: NAME, token }));
        }
        let held = transaction.query_opt(LOOK, &[&NAME]).await?.ok_or_else(|| {
            Failure::broken(format!("processor_leases has no row {NAME:?}: is the schema prepared?"))
        })?;
        let (holder, left_ms) = (held.try_get::<_, Option<String>>(0)?, held.try_get::<_, Option<i64>>(1)?);
        transaction.rollback().await?;
        // It may have been given back since.
        let left_ms = left_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default();
        Ok(Claim::HeldBy { holder: holder.unwrap_or_default(), for_another: Duration::from_millis(left_ms) })
    }

    pub(super) async fn renew(&self, fence: &Fence, ttl: Duration) -> Result<bool, Failure> {
        Ok(self.client.execute(RENEW, &[&fence.name, &fence.token, &micros(ttl)]).await? > 0)
    }

    pub(super) async fn release(&self, fence: &Fence) -> Result<(), Failure> {
        self.client.execute(RELEASE, &[&fence.name, &fence.token]).await?;
        Ok(())
    }

    pub(super) async fn ping(&self) -> Result<(), Failure> {
        Ok(self.client.batch_execute("SELECT 1").await?)
    }
}

#[allow(clippy::cast_precision_loss, reason = "exact for 285 years")]
fn micros(ttl: Duration) -> f64 {
    ttl.as_micros() as f64
}

/// What ends a transaction: COMMIT, which an earlier statement of the same message keeps from being carried out
/// when the lease is another's, by a division by zero. One message, so the check costs no round trip, and nothing
/// that happens to this program keeps a taker waiting.
fn commit_text(fence: Option<&Fence>) -> Cow<'static, str> {
    let Some(Fence { name, token }) = fence else { return Cow::Borrowed("COMMIT") };
    let name = name.replace('\'', "''");
    Cow::Owned(format!(
        "SELECT 1 / count(*) FROM (SELECT FROM processor_leases WHERE name = '{name}' AND token = {token} \
         FOR KEY SHARE) AS ours; COMMIT"
    ))
}

/// Commits under a fence. After an error the transaction may be open.
pub(super) async fn commit(client: &Client, fence: Option<&Fence>) -> Result<(), Failure> {
    client.batch_execute(&commit_text(fence)).await.map_err(|error| {
        let failure = Failure::from(error);
        if fence.is_some() && failure.is_division_by_zero() { Failure::fenced() } else { failure }
    })
}
