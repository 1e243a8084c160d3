//! Reads requests: first those that were given to anybody and not answered, then the new ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pipeline::batch::StreamId;
use pipeline::broker::{Broker, BrokerError, Message};
use tokio::time::sleep;

use super::super::backoff::Backoff;
use super::super::events::Events;
use super::super::metrics::Peer;
use crate::recompute::{GROUP, REQUESTS};

/// Requests in one read: few, so that a long one among them is not many.
pub(super) const READ_MESSAGES: usize = 16;
/// How long a read waits for a first request.
const WAIT: Duration = Duration::from_secs(1);
/// Between two looks at what is pending: one who does not know yet that it was replaced may have taken a request, and an
/// answer of the broker may have been lost.
const CLAIM_EVERY: Duration = Duration::from_secs(5);
/// Requests taken over in one step.
const CLAIM_MESSAGES: usize = 1_000;

/// See the module.
pub(super) struct Reader {
    pub(super) broker: Broker,
    pub(super) consumer: String,
    pub(super) read: flume::Sender<Read>,
    pub(super) events: Arc<Events>,
}

/// What was read.
pub(super) enum Read {
    /// Requests, some of which may be in hand or answered already.
    Requests(Vec<Message>),
    /// All that was left behind has been told.
    LeftBehind,
}

/// Nobody takes what is read, or the broker failed.
enum End {
    Unheard,
    Failed(BrokerError),
}

impl From<BrokerError> for End {
    fn from(error: BrokerError) -> Self {
        Self::Failed(error)
    }
}

impl Reader {
    /// Reads until nobody takes it.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            match self.session(&mut backoff).await {
                Err(End::Unheard) => return,
                Err(End::Failed(BrokerError::NoGroup { .. })) => {}
                Err(End::Failed(error)) => self.events.peer_down(Peer::redis, &error),
                Ok(never) => match never {},
            }
            sleep(backoff.next()).await;
        }
    }

    async fn session(&self, backoff: &mut Backoff) -> Result<std::convert::Infallible, End> {
        self.broker.ensure_group(REQUESTS, GROUP).await?;
        loop {
            self.claim().await?;
            self.read.send_async(Read::LeftBehind).await.map_err(|_| End::Unheard)?;
            let claimed = Instant::now();
            while claimed.elapsed() < CLAIM_EVERY {
                let read = self.broker.new_messages(REQUESTS, GROUP, &self.consumer, READ_MESSAGES, WAIT);
                let messages = read.await?;
                backoff.reset();
                self.events.peer_up(Peer::redis);
                self.hand_on(messages).await?;
            }
        }
    }

    /// Takes over whatever is pending, however short it is: nobody else works. What is in hand already is passed over by
    /// whoever has it.
    async fn claim(&self) -> Result<(), End> {
        let mut from = Some(StreamId::ZERO);
        while let Some(start) = from {
            let claim =
                self.broker.claim(REQUESTS, GROUP, &self.consumer, Duration::ZERO, start, CLAIM_MESSAGES);
            from = claim.await?.next;
        }
        let mut after = StreamId::ZERO;
        loop {
            let read = self.broker.own_messages(REQUESTS, GROUP, &self.consumer, after, READ_MESSAGES);
            let messages = read.await?;
            let Some(last) = messages.last() else { return Ok(()) };
            after = last.id;
            self.hand_on(messages).await?;
        }
    }

    async fn hand_on(&self, mut messages: Vec<Message>) -> Result<(), End> {
        // One that was trimmed asks for nothing any more, and is pending all the same.
        let gone: Vec<StreamId> =
            messages.iter().filter(|message| message.fields.is_empty()).map(|message| message.id).collect();
        if !gone.is_empty() {
            self.broker.ack(REQUESTS, GROUP, &gone).await?;
            messages.retain(|message| !message.fields.is_empty());
        }
        if messages.is_empty() {
            return Ok(());
        }
        self.read.send_async(Read::Requests(messages)).await.map_err(|_| End::Unheard)
    }
}
