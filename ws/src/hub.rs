//! Where the feeder brings what it has read: to every shard alike.

use std::sync::Arc;

use arc_swap::ArcSwap;
use flume::Sender;

use crate::auth::Authenticator;
use crate::authz::Authorizer;
use crate::directory::Directory;
use crate::fix::{AuthzChange, DelayMs, FixBatch, LiveFix, RaceChange, Seq};
use crate::race::RaceFrame;
use crate::shard::News;
use crate::tick::Tick;

/// A clone is the same hub. Every call waits while a shard is busy: whoever feeds it learns from that how fast it may be.
/// A channel that has stopped takes everything and shows it to nobody.
#[derive(Clone)]
pub struct Hub {
    shards: Arc<[Sender<News>]>,
    directory: Arc<ArcSwap<Directory>>,
    authenticator: Arc<Authenticator>,
    authorizer: Arc<Authorizer>,
}

impl Hub {
    pub(crate) fn new(
        shards: impl IntoIterator<Item = Sender<News>>,
        authenticator: Arc<Authenticator>,
        authorizer: Arc<Authorizer>,
    ) -> Self {
        let directory = Arc::new(ArcSwap::from_pointee(Directory::default()));
        Self { shards: shards.into_iter().collect(), directory, authenticator, authorizer }
    }

    /// Shows fixes to whoever has subscribed to the events of their devices. Batches of one feed come in the order of
    /// their entries.
    pub async fn publish(&self, batch: FixBatch) {
        let delay = batch.delay;
        let tick = Arc::new(Tick::new(batch, &self.directory.load()));
        self.tell(&News::Tick(delay, tick)).await;
    }

    /// Shows changes of race records, in the order of their entries. `read_to`: the last entry that the feed has read,
    /// these included.
    pub async fn race(&self, delay: DelayMs, changes: &[RaceChange], read_to: Seq) {
        let frames = changes.iter().map(|change| Arc::new(RaceFrame::new(change))).collect();
        self.tell(&News::Race { delay, frames, read_to }).await;
    }

    /// Says where devices were before the feed began. What is older than what a feed brought changes nothing.
    pub async fn seed(&self, delay: DelayMs, fixes: Vec<LiveFix>) {
        self.tell(&News::Seed(delay, fixes.into())).await;
    }

    /// Says that a fix was wrong, and which one is the latest of its feed now. No snapshot shows it any more.
    pub async fn withdraw(&self, delay: DelayMs, device: Arc<str>, ts_ms: i64, before: Option<LiveFix>) {
        self.tell(&News::Withdraw { delay, device, ts_ms, before: before.map(Arc::new) }).await;
    }

    /// Replaces who is where.
    pub async fn set_directory(&self, directory: Directory) {
        let directory = Arc::new(directory);
        self.directory.store(Arc::clone(&directory));
        self.tell(&News::Directory(directory)).await;
    }

    /// Says that somebody's rights may have changed: who is concerned is asked about at once.
    pub async fn rights_changed(&self, change: AuthzChange) {
        if let Some(user) = &change.user {
            self.authenticator.doubt(user);
        }
        self.authorizer.forget(change.user.as_deref(), change.event);
        self.tell(&News::Rights(change)).await;
    }

    async fn tell(&self, news: &News) {
        for shard in self.shards.iter() {
            // A shard that is gone has no sessions to tell.
            let _ = shard.send_async(news.clone()).await;
        }
    }
}
