//! Which device is shown in which event, and who sees an event how much later. Immutable: replaced whole.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::fix::DelayMs;

/// How much later an audience of an event sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayRule {
    /// The event.
    pub event: Uuid,
    /// For whom: a role in the organization of the event; `None`: whoever has no rule of their own.
    pub role: Option<String>,
    /// How much later.
    pub delay: DelayMs,
}

/// What the business tables say, at one instant. Without them, by default, nobody is shown anything.
#[derive(Debug, Default)]
pub struct Directory {
    is_known: bool,
    events_of: HashMap<Arc<str>, Box<[Uuid]>, foldhash::fast::RandomState>,
    devices_of: HashMap<Uuid, Box<[Arc<str>]>, foldhash::fast::RandomState>,
    rules: HashMap<Uuid, Vec<DelayRule>>,
    roles: HashMap<(Box<str>, Uuid), Box<str>>,
}

impl Directory {
    /// From pairs of event and device in any order, the rules, and the role of each user in the organization of an event as
    /// `(user, event, role)`.
    pub fn new(
        members: impl IntoIterator<Item = (Uuid, Arc<str>)>,
        rules: impl IntoIterator<Item = DelayRule>,
        roles: impl IntoIterator<Item = (String, Uuid, String)>,
    ) -> Self {
        let mut pairs: Vec<(Uuid, Arc<str>)> = members.into_iter().collect();
        pairs.sort();
        pairs.dedup();
        let mut directory = Self { is_known: true, ..Self::default() };
        for same_event in pairs.chunk_by(|a, b| a.0 == b.0) {
            let devices = same_event.iter().map(|(_, device)| Arc::clone(device)).collect();
            directory.devices_of.insert(same_event[0].0, devices);
        }
        pairs.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
        for same_device in pairs.chunk_by(|a, b| a.1 == b.1) {
            let events = same_device.iter().map(|(event, _)| *event).collect();
            directory.events_of.insert(Arc::clone(&same_device[0].1), events);
        }
        for rule in rules {
            directory.rules.entry(rule.event).or_default().push(rule);
        }
        for (user, event, role) in roles {
            directory.roles.insert((user.into(), event), role.into());
        }
        directory
    }

    /// The events that a device is entered in, in the order of their ids.
    pub fn events_of(&self, device: &str) -> &[Uuid] {
        self.events_of.get(device).map_or(&[], |events| events)
    }

    /// The devices that are entered in an event, in the order of their names.
    pub fn devices_of(&self, event: Uuid) -> &[Arc<str>] {
        self.devices_of.get(&event).map_or(&[], |devices| devices)
    }

    /// Every device of every event, in no order.
    pub fn devices(&self) -> impl Iterator<Item = &Arc<str>> {
        self.events_of.keys()
    }

    /// The delays that any rule asks for, ascending, beside none at all.
    pub fn delays(&self) -> Vec<DelayMs> {
        let mut delays: Vec<DelayMs> = Vec::new();
        #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
        for rules in self.rules.values() {
            delays.extend(rules.iter().map(|rule| rule.delay).filter(|delay| *delay != DelayMs::NONE));
        }
        delays.sort();
        delays.dedup();
        delays
    }

    /// How much later this user sees this event: by the rule of their role, else by the rule without a role, else as late
    /// as the latest of the event's rules. An event without rules is seen as it happens; before the rules have been read
    /// there is nothing to see.
    pub fn delay(&self, user: &str, event: Uuid) -> DelayMs {
        if !self.is_known {
            return DelayMs::UNKNOWN;
        }
        let Some(rules) = self.rules.get(&event) else { return DelayMs::NONE };
        let longest = |of: Option<&str>| {
            let of_role = rules.iter().filter(|rule| rule.role.as_deref() == of);
            of_role.map(|rule| rule.delay).max()
        };
        let own = self.roles.get(&(Box::from(user), event)).and_then(|role| longest(Some(role)));
        let latest = || rules.iter().map(|rule| rule.delay).max().unwrap_or_default();
        own.or_else(|| longest(None)).unwrap_or_else(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn members_are_found_from_both_sides() {
        let pairs = [(event(2), "b"), (event(1), "b"), (event(1), "a"), (event(1), "b")];
        let directory = Directory::new(pairs.map(|(e, d)| (e, Arc::from(d))), [], []);
        assert_eq!(directory.events_of("b"), [event(1), event(2)]);
        assert!(directory.events_of("c").is_empty());
        assert_eq!(directory.devices_of(event(1)), [Arc::from("a"), Arc::from("b")]);
        assert!(directory.devices_of(event(3)).is_empty());
    }

    #[test]
    fn who_is_not_known_sees_an_event_last() {
        let rule = |role: Option<&str>, ms| DelayRule {
            event: event(1),
            role: role.map(str::to_owned),
            delay: DelayMs(ms),
        };
        let roles = [("marshal", "m"), ("viewer", "v"), ("timekeeper", "t")];
        let roles = roles.map(|(role, user)| (user.to_owned(), event(1), role.to_owned()));
        let directory =
            Directory::new([], [rule(Some("marshal"), 0), rule(Some("viewer"), 300_000)], roles.clone());
        assert_eq!(directory.delay("m", event(1)), DelayMs(0));
        assert_eq!(directory.delay("v", event(1)), DelayMs(300_000));
        assert_eq!(directory.delay("t", event(1)), DelayMs(300_000), "no rule of the role");
        assert_eq!(directory.delay("stranger", event(1)), DelayMs(300_000));
        assert_eq!(directory.delay("stranger", event(2)), DelayMs(0), "no rule of the event");
        assert_eq!(directory.delays(), [DelayMs(300_000)]);

        let with_default = [rule(Some("marshal"), 0), rule(Some("viewer"), 300_000), rule(None, 60_000)];
        let directory = Directory::new([], with_default, roles);
        assert_eq!(directory.delay("stranger", event(1)), DelayMs(60_000));
        assert_eq!(directory.delay("v", event(1)), DelayMs(300_000));
    }
}
