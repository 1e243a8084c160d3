//! From a tick to the sessions that subscribed to its events.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::{Sessions, Subscriber, TOO_SLOW};
use crate::directory::Directory;
use crate::encode;
use crate::feed::Feed;
use crate::fix::{DelayMs, LiveFix, Seq};
use crate::frame::CloseCode;
use crate::outbox::{Outbox, Positions};
use crate::protocol;
use crate::race::RaceFrame;
use crate::session::{Session, SessionKey, State, Subscription};
use crate::sessions::clock::Due;
use crate::tick::{Chunk, Tick};
use crate::topic::{Topic, TopicKind};

/// Bytes of a frame, about.
const FRAME_BYTES: usize = 200;

/// Queues the latest of what came since the subscription was sent to; of panic fixes it has been sent each.
fn walk(outbox: &mut Outbox, subscription: &mut Subscription, feed: &Feed, directory: &Directory) -> u64 {
    let (number, topic, wishes) = (subscription.number, subscription.topic, subscription.wishes);
    let Some(open) = subscription.open() else { return 0 };
    let before = open.sent_to;
    open.sent_to = feed.ticks();
    let mut bytes = BytesMut::new();
    let mut frames = 0;
    for fix in feed.since(directory, topic.event, before) {
        if !fix.panic && wishes.viewport.is_none_or(|viewport| viewport.contains(fix.lat, fix.lon)) {
            bytes.reserve(FRAME_BYTES);
            encode::append(&mut bytes, topic.event, fix, wishes.encoding());
            frames += 1;
        }
    }
    if frames > 0 {
        let bytes = bytes.freeze();
        outbox.push(Positions { bytes, frames, chunk: None, subscription: number, before });
    }
    u64::from(frames)
}

/// Queues frames of a subscription, which had everything up to a tick; how many.
fn push(
    outbox: &mut Outbox,
    (subscription, before): (u32, u64),
    bytes: Bytes,
    frames: usize,
    chunk: Option<Arc<Chunk>>,
) -> u64 {
    let number_of_frames = u32::try_from(frames).unwrap_or(u32::MAX);
    outbox.push(Positions { bytes, frames: number_of_frames, chunk, subscription, before });
    frames as u64
}

/// What one tick brought to one subscription.
struct Offer<'a> {
    chunk: &'a Arc<Chunk>,
    fixes: Fixes<'a>,
    tick: u64,
    now: Instant,
    threshold_bytes: usize,
}

#[derive(Clone, Copy)]
struct Fixes<'a> {
    all: &'a [LiveFix],
    of_event: &'a [u32],
}

/// What came of an offer.
#[derive(Default)]
struct Taken {
    frames: u64,
    /// The subscription's pace lets the rest go at this instant.
    timed: Option<Instant>,
}

impl Session {
    fn offer(&mut self, number: u32, offer: &Offer<'_>) -> Taken {
        let Self { outbox, subscriptions, behind_since, .. } = self;
        let mut taken = Taken::default();
        let Some(subscription) = subscriptions.iter_mut().find(|other| other.number == number) else {
            return taken;
        };
        let (number, wishes) = (subscription.number, subscription.wishes);
        let State::Open(open) = &mut subscription.state else { return taken };
        if open.owed_answer.is_some() && open.sent_to == 0 {
            // It has not begun.
            return taken;
        }
        let chunk = offer.chunk;
        if behind_since.is_some() || wishes.every.is_some() {
            for &panic in &chunk.panics {
                outbox.owe(chunk.frame(panic as usize));
            }
            taken.frames = chunk.panics.len() as u64;
            if behind_since.is_some() {
                open.skipped += (chunk.frames() - chunk.panics.len()) as u64;
            } else if open.timed.is_none() {
                open.timed = Some(open.next_due.max(offer.now));
                taken.timed = open.timed;
            }
            return taken;
        }
        let before = std::mem::replace(&mut open.sent_to, offer.tick);
        taken.frames = match wishes.viewport {
            None => {
                let panics = (!chunk.panics.is_empty()).then(|| Arc::clone(chunk));
                push(outbox, (number, before), chunk.bytes.clone(), chunk.frames(), panics)
            }
            Some(viewport) => {
                // Where somebody pressed the button is everybody's business.
                let is_seen = |frame: usize| {
                    let fix = &offer.fixes.all[offer.fixes.of_event[frame] as usize];
                    fix.panic || viewport.contains(fix.lat, fix.lon)
                };
                let mut frames = 0;
                for run in chunk.runs(is_seen) {
                    frames += if chunk.panics.iter().any(|&panic| run.contains(&(panic as usize))) {
                        // Each by itself, so that none is left out.
                        run.clone().for_each(|frame| outbox.owe(chunk.frame(frame)));
                        run.len() as u64
                    } else {
                        push(outbox, (number, before), chunk.frames_of(run.clone()), run.len(), None)
                    };
                }
                frames
            }
        };
        if outbox.waiting_bytes() > offer.threshold_bytes {
            self.fall_behind(offer.now);
        }
        taken
    }

    /// Leaves out what waits: the latest follows when the client has read what it was sent.
    fn fall_behind(&mut self, now: Instant) {
        self.behind_since.get_or_insert(now);
        for shed in self.outbox.shed() {
            if let Some(open) = self.subscription(shed.subscription).and_then(Subscription::open) {
                open.sent_to = shed.before;
                open.skipped += u64::from(shed.frames);
            }
        }
    }
}

impl Sessions {
    /// Takes in a tick and queues it; the sessions that now have something to be written to.
    pub(crate) fn deliver(&mut self, delay: DelayMs, tick: &Tick, now: Instant) -> Vec<usize> {
        let Self { feeds, subscribers, sessions, due, config, metrics, .. } = self;
        let number = feeds.entry(delay).or_default().apply(tick);
        let mut touched = Vec::new();
        let mut deliveries = 0;
        for (n, (event, of_event)) in tick.data.events.iter().enumerate() {
            let topic = Topic { event: *event, kind: TopicKind::Positions };
            let Some(subscribers) = subscribers.get(&(delay, topic)) else { continue };
            for subscriber in subscribers {
                let Some(session) = sessions.get_mut(subscriber.place) else { continue };
                let Some(wishes) = session.subscription(subscriber.number).map(|of| of.wishes) else {
                    continue;
                };
                let offer = Offer {
                    chunk: tick.chunk(n, wishes.encoding()),
                    fixes: Fixes { all: &tick.data.fixes, of_event },
                    tick: number,
                    now,
                    threshold_bytes: config.backpressure_threshold_bytes,
                };
                let taken = session.offer(subscriber.number, &offer);
                deliveries += taken.frames;
                if let Some(at) = taken.timed {
                    let key = SessionKey { place: subscriber.place, serial: session.serial };
                    due.push(Due { at, key, number: subscriber.number });
                }
                if !session.is_touched {
                    session.is_touched = true;
                    touched.push(subscriber.place);
                }
            }
        }
        metrics.deliveries.inc_by(deliveries);
        touched
    }

    /// Writes to sessions that a tick touched.
    pub(crate) fn flush_touched(&mut self, places: &[usize]) {
        let bound = self.config.backpressure_threshold_bytes.saturating_mul(2);
        for &place in places {
            let Some(session) = self.sessions.get_mut(place) else { continue };
            session.is_touched = false;
            if session.outbox.waiting_bytes() > bound.saturating_add(session.outbox.answer_bytes())
                && let Some(key) = self.key(place)
            {
                // What it is owed alone is too much.
                self.close(key, CloseCode::TooSlow, TOO_SLOW);
            } else {
                self.flush(place);
            }
        }
    }

    /// The client has read everything: it gets the latest of what was left out meanwhile.
    pub(super) fn catch_up(&mut self, key: SessionKey) {
        let Self { feeds, sessions, directory, metrics, .. } = self;
        let Some(session) = sessions.get_mut(key.place).filter(|session| session.serial == key.serial) else {
            return;
        };
        session.behind_since = None;
        let mut owed = Vec::new();
        let Session { outbox, subscriptions, extensions, .. } = session;
        for subscription in subscriptions {
            let topic = subscription.topic;
            let knows_gaps = *extensions || subscription.wishes.extensions;
            let State::Open(open) = &mut subscription.state else { continue };
            if open.owed_answer.is_some() {
                owed.push(subscription.number);
                continue;
            }
            let Some(feed) = feeds.get(&open.delay).filter(|_| topic.kind == TopicKind::Positions) else {
                continue;
            };
            let skipped = std::mem::take(&mut open.skipped);
            if skipped > 0 && knows_gaps {
                outbox.owe(protocol::gap(&topic.to_string(), skipped));
            }
            let frames = walk(outbox, subscription, feed, directory);
            metrics.conflated.inc_by(skipped.saturating_sub(frames));
            metrics.deliveries.inc_by(frames);
        }
        for number in owed {
            let open = self.get(key).and_then(|s| s.subscription(number)).and_then(Subscription::open);
            if let Some(id) = open.and_then(|open| open.owed_answer.take()) {
                self.answer(key, number, id.as_ref(), Instant::now());
            }
        }
    }

    /// A subscription's pace lets it go on.
    pub(super) fn pace(&mut self, due: &Due, now: Instant) {
        let Self { feeds, sessions, directory, metrics, .. } = self;
        let Due { key, number, .. } = *due;
        let session = sessions.get_mut(key.place).filter(|session| session.serial == key.serial);
        let Some(session) = session.filter(|session| session.closing.is_none()) else { return };
        let Session { outbox, subscriptions, behind_since, .. } = session;
        let Some(subscription) = subscriptions.iter_mut().find(|other| other.number == number) else {
            return;
        };
        let every = subscription.wishes.every.unwrap_or_default();
        let State::Open(open) = &mut subscription.state else { return };
        if open.timed != Some(due.at) {
            // The pace was another one then.
            return;
        }
        open.timed = None;
        open.next_due = now + every;
        let Some(feed) = feeds.get(&open.delay) else { return };
        // Whoever has not read the last ones gets them all at once when it has.
        if behind_since.is_none() && outbox.is_empty() {
            metrics.deliveries.inc_by(walk(outbox, subscription, feed, directory));
        } else {
            behind_since.get_or_insert(now);
        }
        self.flush(key.place);
    }

    /// Takes in what storage has.
    pub(crate) fn seed(&mut self, delay: DelayMs, fixes: &[LiveFix]) {
        self.feeds.entry(delay).or_default().seed(fixes);
    }

    /// A fix turned out to be wrong: no snapshot shows it any more.
    pub(crate) fn withdraw(&mut self, delay: DelayMs, device: &str, ts_ms: i64, before: Option<&LiveFix>) {
        if let Some(feed) = self.feeds.get_mut(&delay) {
            feed.withdraw(device, ts_ms, before);
        }
    }

    /// Changes of race records; the sessions that now have something to be written to.
    pub(crate) fn race(&mut self, delay: DelayMs, frames: &[Arc<RaceFrame>], read_to: Seq) -> Vec<usize> {
        let Self { feeds, subscribers, sessions, .. } = self;
        let feed = feeds.entry(delay).or_default();
        feed.race_begins(read_to);
        let mut touched = Vec::new();
        for frame in frames {
            feed.apply_race(Arc::clone(frame));
            let topic = Topic { event: frame.event, kind: TopicKind::Race };
            for Subscriber { place, .. } in subscribers.get(&(delay, topic)).into_iter().flatten() {
                let Some(session) = sessions.get_mut(*place) else { continue };
                session.outbox.owe(frame.bytes.clone());
                if !session.is_touched {
                    session.is_touched = true;
                    touched.push(*place);
                }
            }
        }
        touched
    }

    /// Who is where has changed.
    pub(crate) fn set_directory(&mut self, directory: Arc<Directory>) {
        self.directory = directory;
        for feed in self.feeds.values_mut() {
            feed.retain(&self.directory);
        }
        let places: Vec<usize> = self.sessions.iter().map(|(place, _)| place).collect();
        for place in places {
            self.move_between_feeds(place);
        }
        // A delay that no rule has any more, and nobody sees.
        let kept = self.directory.delays();
        self.feeds.retain(|delay, _| *delay == DelayMs::NONE || kept.contains(delay));
    }

    /// Subscriptions whose delay is another one now go on in the feed of that delay, from where it is.
    pub(super) fn move_between_feeds(&mut self, place: usize) {
        let Self { sessions, feeds, subscribers, directory, .. } = self;
        let Some(session) = sessions.get_mut(place) else { return };
        let Some(identity) = session.known().map(|known| Arc::clone(&known.identity)) else { return };
        for subscription in &mut session.subscriptions {
            let (topic, number) = (subscription.topic, subscription.number);
            let Some(open) = subscription.open() else { continue };
            let delay = delay_of(directory, &identity, topic);
            if delay == open.delay {
                continue;
            }
            if let Some(old) = subscribers.get_mut(&(open.delay, topic)) {
                old.retain(|other| (other.place, other.number) != (place, number));
                if old.is_empty() {
                    subscribers.remove(&(open.delay, topic));
                }
            }
            subscribers.entry((delay, topic)).or_default().push(Subscriber { place, number });
            let feed = feeds.entry(delay).or_default();
            (open.delay, open.sent_to) = (delay, feed.ticks());
        }
    }
}

/// Directus administrators run the event: they see it as it is.
pub(super) fn delay_of(directory: &Directory, identity: &crate::auth::Identity, topic: Topic) -> DelayMs {
    if identity.is_admin { DelayMs::NONE } else { directory.delay(&identity.user, topic.event) }
}
