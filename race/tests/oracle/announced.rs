//! Live equals replay: whatever a fix changes in what is judged is announced, so that nobody has to judge after each.

use race::follow::{Follower, Scratch};
use race::track::FixCounts;

use crate::engine;
use crate::generate::Case;

/// Follows an entry fix by fix and judges after each; says where something changed that was not announced.
pub(crate) fn unannounced(case: &Case, entry: usize) -> Option<String> {
    let course = engine::course(&case.tables);
    let event = &course.events[0];
    let plan = &event.entries[entry % event.entries.len()];
    let (positions, _) = engine::evidence(&course, entry % event.entries.len(), &case.rows);
    let (mut follower, mut scratch) = (Follower::new(event), Scratch::default());
    let mut judged = follower.evaluation(event, plan, &mut scratch);
    for position in &positions {
        let mut announced = !follower.track.is_settled();
        follower.track.push(position, &mut scratch.moved);
        announced |= !follower.track.is_settled();
        for movement in scratch.moved.drain(..) {
            announced |= follower.end_matters(event, plan, &movement);
            announced |= plan
                .targets
                .iter()
                .any(|slot| (movement.from.ts < *slot || movement.is_beginning()) && *slot <= movement.to.ts);
            scratch.near.clear();
            event.features.near(&movement, &mut scratch.near);
            announced |= follower.fences.advance(&event.features, &scratch.near, &movement);
        }
        if announced {
            judged = follower.evaluation(event, plan, &mut scratch);
            judged.fixes = FixCounts::default();
            continue;
        }
        let mut now = follower.evaluation(event, plan, &mut scratch);
        now.fixes = FixCounts::default();
        judged.fixes = FixCounts::default();
        if now != judged {
            return Some(format!("{}: {judged:#?}\nbecame\n{now:#?}", position.ts));
        }
    }
    None
}
