//! Which devices each feed shows, as it was read last.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use race::position::DeviceId;
use storage::AudienceRows;
use uuid::Uuid;
use ws::directory::{DelayRule, Directory};
use ws::fix::DelayMs;

/// Which devices each feed shows. Immutable: replaced whole.
#[derive(Debug, Default)]
pub(super) struct Shown {
    feeds: BTreeMap<DelayMs, HashSet<DeviceId>>,
    /// Events that have devices.
    pub(super) events: usize,
}

impl Shown {
    /// From the rows of the business tables, and the directory that they make.
    pub(super) fn of(rows: &AudienceRows) -> (Self, Directory) {
        let mut delays: HashMap<Uuid, Vec<DelayMs>> = HashMap::new();
        for rule in &rows.delays {
            delays.entry(rule.event_id).or_default().push(DelayMs(rule.delay_ms));
        }
        // The live feed shows all: whoever administers a race sees it as it happens.
        let mut feeds = BTreeMap::from([(DelayMs::NONE, HashSet::new())]);
        for (event, device) in &rows.members {
            let delays = delays.get(event).map_or(&[][..], |delays| delays);
            for delay in delays.iter().chain([&DelayMs::NONE]) {
                feeds.entry(*delay).or_default().insert(Arc::clone(device));
            }
        }
        let events: HashSet<Uuid> = rows.members.iter().map(|(event, _)| *event).collect();
        let members = rows.members.iter().map(|(event, device)| (*event, Arc::clone(device)));
        let rules = rows.delays.iter().map(|rule| DelayRule {
            event: rule.event_id,
            role: rule.role.clone(),
            delay: DelayMs(rule.delay_ms),
        });
        let directory = Directory::new(members, rules, roles(rows));
        // A delay of an event without devices has race records to show.
        for delay in directory.delays() {
            feeds.entry(delay).or_default();
        }
        (Self { feeds, events: events.len() }, directory)
    }

    /// The delays that there are, beside none.
    pub(super) fn delays(&self) -> impl Iterator<Item = DelayMs> {
        self.feeds.keys().copied().filter(|delay| *delay != DelayMs::NONE)
    }

    /// Whether a feed shows a device.
    pub(super) fn is_shown(&self, delay: DelayMs, device: &str) -> bool {
        self.feeds.get(&delay).is_some_and(|devices| devices.contains(device))
    }

    /// The devices that a feed shows.
    pub(super) fn devices(&self, delay: DelayMs) -> HashSet<DeviceId> {
        self.feeds.get(&delay).cloned().unwrap_or_default()
    }

    /// How many devices the live feed shows.
    pub(super) fn len(&self) -> usize {
        self.feeds.get(&DelayMs::NONE).map_or(0, HashSet::len)
    }
}

/// One role for each user and event. Who has several counts as the one that sees the event earliest; a role without a
/// rule of its own does not take one away.
fn roles(rows: &AudienceRows) -> Vec<(String, Uuid, String)> {
    let rule = |event: Uuid, role: &str| {
        let rules = rows.delays.iter().filter(|rule| rule.event_id == event);
        rules.filter(|rule| rule.role.as_deref() == Some(role)).map(|rule| rule.delay_ms).max()
    };
    let rules: HashMap<(Uuid, &str), Option<u64>> =
        rows.roles.iter().map(|of| ((of.event_id, of.role.as_str()), rule(of.event_id, &of.role))).collect();
    let mut best: BTreeMap<(&str, Uuid), (u64, &str)> = BTreeMap::new();
    for of in &rows.roles {
        let Some(Some(delay_ms)) = rules.get(&(of.event_id, of.role.as_str())) else { continue };
        let own = (*delay_ms, of.role.as_str());
        let known = best.entry((of.user_id.as_str(), of.event_id)).or_insert(own);
        *known = (*known).min(own);
    }
    best.into_iter().map(|((user, event), (_, role))| (user.to_owned(), event, role.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use storage::{EventDelay, EventRole};

    use super::*;

    fn event(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn rows() -> AudienceRows {
        let delay = |n, role: Option<&str>, delay_ms| EventDelay {
            event_id: event(n),
            role: role.map(str::to_owned),
            delay_ms,
        };
        let role = |user: &str, role: &str| EventRole {
            user_id: user.into(),
            event_id: event(1),
            role: role.into(),
        };
        AudienceRows {
            members: vec![(event(1), "a".into()), (event(2), "a".into()), (event(2), "b".into())],
            delays: vec![
                delay(1, Some("marshal"), 0),
                delay(1, Some("viewer"), 9_000),
                delay(1, None, 60_000),
                delay(3, None, 7_000),
            ],
            roles: vec![
                role("both", "marshal"),
                role("both", "viewer"),
                role("v", "timekeeper"),
                role("v", "viewer"),
                role("t", "timekeeper"),
            ],
        }
    }

    #[test]
    fn each_feed_shows_the_devices_of_its_events() {
        let (shown, _) = Shown::of(&rows());
        assert_eq!(shown.delays().collect::<Vec<_>>(), [7_000, 9_000, 60_000].map(DelayMs));
        assert_eq!((shown.len(), shown.events), (2, 2));
        for (delay, device, expected) in
            [(0, "a", true), (0, "b", true), (0, "c", false), (9_000, "a", true), (9_000, "b", false)]
        {
            assert_eq!(shown.is_shown(DelayMs(delay), device), expected, "{delay} {device}");
        }
        assert!(shown.devices(DelayMs(7_000)).is_empty());
    }

    #[test]
    fn of_several_roles_the_one_that_sees_it_earliest_counts() {
        let (_, directory) = Shown::of(&rows());
        let delay = |user| directory.delay(user, event(1)).0;
        assert_eq!([delay("both"), delay("v"), delay("t"), delay("nobody")], [0, 9_000, 60_000, 60_000]);
    }
}
