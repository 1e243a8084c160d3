//! Requests to judge entries anew: read by whoever holds the lease, served by its judge, answered, and only then
//! acknowledged. What is left behind is taken again by the next shift, here or elsewhere.

mod reader;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use pipeline::batch::{EntryKey, StreamId};
use pipeline::broker::{Broker, BrokerError, Message};
use pipeline::source::redis::Endpoint;
use race::course::Course;
use storage::{Live, StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::backoff::Backoff;
use super::courses::{self, Loaded};
use super::events::Events;
use super::judge::recompute::{Counter, Order, Outcome};
use super::mailbox::Mailbox;
use super::metrics::Peer;
use super::servers;
use crate::recompute::{Answer, GROUP, REQUESTS, RESULTS, Request, Status};

use self::reader::{READ_MESSAGES, Read, Reader};

/// Requests that are taken and not answered: enough that those of a whole field coalesce.
const IN_HAND: usize = 256;
/// Requests whose answers are remembered: one that was read again just before it was acknowledged is not served twice.
const ANSWERED: usize = 1_024;
/// Entries of a refusal that are named.
const NUMBERS_TOLD: usize = 20;

/// Serves requests for one shift.
pub(super) struct Requests<S> {
    pub(super) store: S,
    pub(super) course: Arc<Course>,
    /// For answers.
    pub(super) broker: Broker,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) events: Arc<Events>,
    /// Ends the shift, when the course turns out to be another.
    pub(super) shift: CancellationToken,
    orders: flume::Sender<Order>,
    outcomes: flume::Receiver<Outcome>,
    read: flume::Receiver<Read>,
    looked: CancellationToken,
    in_hand: BTreeMap<StreamId, Instant>,
    answered: VecDeque<StreamId>,
}

/// Where requests are read, and by whom.
pub(super) struct Place {
    pub(super) endpoint: Endpoint,
    pub(super) consumer: String,
}

/// The shift is over, or is to be.
struct Over;

/// What is said of a request that cannot be carried out.
type Refusal = (StreamId, Status, String);

impl<S: Live> Requests<S> {
    /// The service, and the judge's end of it. A task reads until the shift is over.
    pub(super) fn open(
        place: Place,
        store: S,
        course: Arc<Course>,
        broker: Broker,
        mailbox: Arc<Mailbox>,
        events: Arc<Events>,
        shift: CancellationToken,
    ) -> (Self, Counter) {
        let (orders, orders_in) = flume::bounded(IN_HAND + READ_MESSAGES);
        let (outcomes_out, outcomes) = flume::bounded(IN_HAND + READ_MESSAGES);
        let (read_out, read) = flume::bounded(1);
        let looked = CancellationToken::new();
        let reader = Reader {
            // Of its own: a read that waits holds up what else a connection is asked.
            broker: Broker::new(place.endpoint, &format!("{}-recompute", place.consumer)),
            consumer: place.consumer,
            read: read_out,
            events: Arc::clone(&events),
        };
        let over = shift.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = over.cancelled() => {}
                () = reader.run() => {}
            }
        });
        let (in_hand, answered) = Default::default();
        let requests = Self {
            store,
            course,
            broker,
            mailbox,
            events,
            shift,
            orders,
            outcomes,
            read,
            looked: looked.clone(),
            in_hand,
            answered,
        };
        (requests, Counter { orders: orders_in, outcomes: outcomes_out, looked })
    }

    /// Serves until the shift is over and the judge has told the last outcome.
    pub(super) async fn run(mut self) {
        let stop = self.shift.clone();
        loop {
            let has_room = self.in_hand.len() < IN_HAND;
            tokio::select! {
                () = stop.cancelled() => break,
                outcome = self.outcomes.recv_async() => match outcome {
                    Ok(outcome) => self.tell(outcome).await,
                    // The judge has ended.
                    Err(flume::RecvError::Disconnected) => return,
                },
                read = self.read.recv_async(), if has_room => match read {
                    Ok(Read::Requests(messages)) => {
                        if let Err(Over) = self.serve(messages).await {
                            break;
                        }
                    }
                    Ok(Read::LeftBehind) => self.looked.cancel(),
                    Err(flume::RecvError::Disconnected) => break,
                },
            }
        }
        while let Ok(outcome) = self.outcomes.recv_async().await {
            self.tell(outcome).await;
        }
    }

    /// Takes requests: hands to the judge what can be done, and answers the rest.
    async fn serve(&mut self, messages: Vec<Message>) -> Result<(), Over> {
        let (mut asked, mut refused) = (Vec::new(), Vec::new());
        for message in messages {
            if self.in_hand.contains_key(&message.id) || self.answered.contains(&message.id) {
                continue;
            }
            self.in_hand.insert(message.id, Instant::now());
            self.events.metrics.recompute_waiting.set(level(self.in_hand.len()));
            match Request::read(&message) {
                Ok(request) => {
                    tracing::info!(
                        request = %message.id,
                        scope = ?request.scope,
                        reason = request.reason.as_str(),
                        by = request.requested_by.as_deref().unwrap_or_default(),
                        "asked to judge anew"
                    );
                    asked.push((message.id, request));
                }
                Err(wrong) => refused.push((message.id, Status::Refused, wrong)),
            }
        }
        let served = if asked.is_empty() { Ok(()) } else { self.order(asked, &mut refused).await };
        for refusal in refused {
            self.refuse(refusal).await;
        }
        served
    }

    async fn order(
        &mut self,
        asked: Vec<(StreamId, Request)>,
        refused: &mut Vec<Refusal>,
    ) -> Result<(), Over> {
        self.expect_course().await?;
        let mut orders = Vec::new();
        for (id, request) in asked {
            match request.entries(&self.course) {
                Ok(entries) if entries.is_empty() => {
                    refused.push((id, Status::Done, "nobody is timed by it then".to_owned()));
                }
                Ok(entries) => {
                    orders.push(Order { id, entries: entries.into_iter().collect(), cause: request.reason });
                }
                Err(unknown) => refused.push((id, Status::Refused, unknown)),
            }
        }
        let incomplete = match self.incomplete(&orders).await? {
            Ok(incomplete) => incomplete,
            Err(error) => {
                refused.extend(orders.into_iter().map(|order| (order.id, Status::Failed, error.to_string())));
                return Ok(());
            }
        };
        for order in orders {
            let gone: Vec<i64> = order
                .entries
                .iter()
                .filter(|key| incomplete.contains(*key))
                .map(|key| self.number(*key))
                .collect();
            if !gone.is_empty() {
                refused.push((order.id, Status::Refused, not_kept(&gone)));
            } else if self.orders.try_send(order).is_err() {
                // The judge has ended: the next one is asked again.
                return Err(Over);
            }
        }
        self.mailbox.wake();
        Ok(())
    }

    /// Who asks may have edited the course just before: what is judged by must be what is there. Where it is not, the
    /// shift ends, and the next one takes the requests again.
    async fn expect_course(&self) -> Result<(), Over> {
        let loaded = servers::patiently(&self.events, &self.shift, || {
            courses::load(&self.store, Some(&self.course.tables))
        })
        .await;
        match loaded {
            Ok(Some(Loaded::Course(tables))) if tables != self.course.tables => {
                tracing::info!("the course has changed");
                self.shift.cancel();
                Err(Over)
            }
            Ok(Some(Loaded::Course(_))) => Ok(()),
            // What is in force is judged by, as fixes are.
            Ok(Some(Loaded::Wrong(_))) | Err(_) => Ok(()),
            Ok(None) => Err(Over),
        }
    }

    /// The entries whose positions are not kept any more.
    async fn incomplete(&self, orders: &[Order]) -> Result<Result<BTreeSet<EntryKey>, StoreError>, Over> {
        let keys: BTreeSet<EntryKey> =
            orders.iter().flat_map(|order| order.entries.iter().copied()).collect();
        let by_id: BTreeMap<Uuid, EntryKey> = keys.iter().map(|key| (self.id(*key), *key)).collect();
        let ids: Vec<Uuid> = by_id.keys().copied().collect();
        match servers::patiently(&self.events, &self.shift, || self.store.incomplete(&ids)).await {
            Ok(Some(incomplete)) => {
                Ok(Ok(incomplete.iter().filter_map(|id| by_id.get(id).copied()).collect()))
            }
            Ok(None) => Err(Over),
            Err(error) => Ok(Err(error)),
        }
    }

    fn id(&self, (event, entry): EntryKey) -> Uuid {
        self.course.events[event].entries[entry].row.id
    }

    fn number(&self, (event, entry): EntryKey) -> i64 {
        self.course.events[event].entries[entry].row.race_number
    }

    async fn tell(&mut self, outcome: Outcome) {
        let Outcome { id, entries, changes, changed, errors, is_unranked } = outcome;
        let mut message = errors.join("; ");
        if is_unranked && errors.is_empty() {
            "the field is not ranked: others of it cannot be read".clone_into(&mut message);
        }
        let status = if errors.is_empty() { Status::Done } else { Status::Failed };
        let answer = Answer::without_work(id.to_string(), status, message).with(changes);
        self.answer(id, Answer { entries, changed, ..answer }).await;
    }

    async fn refuse(&mut self, (id, status, message): Refusal) {
        self.answer(id, Answer::without_work(id.to_string(), status, message)).await;
    }

    /// Writes the answer and acknowledges the request. At the end of a shift a broker that is away is not waited for: the
    /// request comes again.
    async fn answer(&mut self, id: StreamId, mut answer: Answer) {
        let begun = self.in_hand.get(&id).copied().unwrap_or_else(Instant::now);
        answer.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let fields = answer.fields();
        let mut backoff = Backoff::default();
        loop {
            match self.broker.answer(REQUESTS, GROUP, id, RESULTS, &fields).await {
                Err(error @ BrokerError::Away { .. }) => {
                    self.events.peer_down(Peer::redis, &error);
                    if self.shift.is_cancelled() {
                        break;
                    }
                    tokio::time::sleep(backoff.next()).await;
                }
                Err(error) => {
                    tracing::error!(request = %id, "the answer could not be written: {error}");
                    break;
                }
                Ok(()) => break,
            }
        }
        self.events.recomputed(id, &answer);
        self.in_hand.remove(&id);
        self.events.metrics.recompute_waiting.set(level(self.in_hand.len()));
        if self.answered.len() >= ANSWERED {
            self.answered.pop_front();
        }
        self.answered.push_back(id);
    }
}

impl<S> Drop for Requests<S> {
    fn drop(&mut self) {
        self.events.metrics.recompute_waiting.set(0);
    }
}

fn level(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn not_kept(numbers: &[i64]) -> String {
    let told: Vec<String> = numbers.iter().take(NUMBERS_TOLD).map(ToString::to_string).collect();
    let more = numbers.len().saturating_sub(NUMBERS_TOLD);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "the positions that records of {}{more} rest on are not all kept any more (archived, or their days are \
         gone); no record was touched",
        told.join(", ")
    )
}
