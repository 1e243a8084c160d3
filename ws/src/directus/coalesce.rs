//! Equal questions at one time are one question.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;
use tokio::sync::watch;

/// The questions that are being asked. Every one is asked by a task of its own, so that whoever waits for the answer may
/// leave without taking it from the others.
pub(crate) struct Questions<K, A> {
    open: HashMap<K, Open<A>, RandomState>,
    next: u64,
}

struct Open<A> {
    number: u64,
    answer: Answer<A>,
}

/// Waits for an answer.
#[derive(Clone)]
pub(crate) struct Answer<A>(watch::Receiver<Option<A>>);

/// A question to be asked now.
pub(crate) struct Asked<A> {
    /// Names it; later ones have higher numbers.
    pub(crate) number: u64,
    pub(crate) reply: watch::Sender<Option<A>>,
}

impl<K, A> Default for Questions<K, A> {
    fn default() -> Self {
        Self { open: HashMap::default(), next: 0 }
    }
}

impl<K: Eq + Hash, A: Clone> Questions<K, A> {
    /// Joins the question that is open under `key`, or opens one, which the caller is to ask.
    pub(crate) fn join_or_ask(&mut self, key: K) -> (Answer<A>, Option<Asked<A>>) {
        if let Some(open) = self.open.get(&key) {
            return (open.answer.clone(), None);
        }
        let (reply, receiver) = watch::channel(None);
        let answer = Answer(receiver);
        self.next += 1;
        self.open.insert(key, Open { number: self.next, answer: answer.clone() });
        (answer, Some(Asked { number: self.next, reply }))
    }

    /// Closes a question. Whether it was open still: one that was forgotten has an answer of the past.
    pub(crate) fn close(&mut self, key: &K, number: u64) -> bool {
        let is_open = self.open.get(key).is_some_and(|open| open.number == number);
        if is_open {
            self.open.remove(key);
        }
        is_open
    }

    /// Forgets the open questions that `is_meant`: whoever asks from now on asks anew.
    pub(crate) fn forget(&mut self, is_meant: impl Fn(&K) -> bool) {
        self.open.retain(|key, _| !is_meant(key));
    }
}

impl<A: Clone> Answer<A> {
    /// `None`: whoever asked was ended before there was an answer.
    pub(crate) async fn wait(mut self) -> Option<A> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone())
    }
}
