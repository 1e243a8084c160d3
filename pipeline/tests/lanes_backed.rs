//! The lanes, the writer and the judge together, in every order in which their steps may come: what ends up saved is
//! what one replay of the stored rows gives, and no saved state ever claims to have seen what it has not.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod lanes_support;

use lanes_support::world::{Sent, World};
use lanes_support::{course, fix};
use proptest::collection::vec;
use proptest::prelude::*;

/// A fix as it is sent: its device, how long after the one before it of the device, what is odd about it, and how far
/// it is out of place in the stream.
type Drawn = (usize, i64, u8, u8, u8);

/// What is sent, in the order of the stream: tracks through the course with late, repeated and contradicting rows.
fn stream(drawn: &[Drawn]) -> Vec<Sent> {
    let mut second = [0_i64; 5];
    let mut sent: Vec<(usize, Sent)> = Vec::new();
    for (n, &(device, gap, variant, fate, delay)) in drawn.iter().enumerate() {
        second[device] += gap;
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        let x = -150.0 + 20.0 * second[device] as f64;
        let position = fix(device, second[device], x, variant);
        let delay = if delay < 40 { usize::from(delay) } else { 0 };
        let refused = fate == 0;
        if fate % 8 == 1 {
            // Once more, later.
            sent.push((n + delay + 3, Sent { position: position.clone(), refused: false }));
        }
        if fate % 8 == 2 {
            // Once more, with another place.
            let other = fix(device, second[device], x + 33.0, 9);
            sent.push((n + delay + usize::from(fate / 8), Sent { position: other, refused: false }));
        }
        sent.push((n + delay, Sent { position, refused }));
    }
    sent.sort_by_key(|(at, _)| *at);
    sent.into_iter().map(|(_, sent)| sent).collect()
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let gap = prop_oneof![20 => 1_i64..3, 1 => 100_i64..400];
    vec((0_usize..5, gap, any::<u8>(), 0_u8..64, any::<u8>()), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_saved_is_what_one_replay_gives(
        drawn in drawn(),
        steps in vec(any::<(u8, u8)>(), 0..600),
        max_states in prop_oneof![Just(1_usize), Just(2), Just(100)],
        stops in any::<bool>(),
    ) {
        let course = course();
        let mut world = World::new(&course, stream(&drawn), max_states);
        for (what, how) in steps {
            world.step(what, how);
        }
        if stops {
            world.stop();
        } else {
            world.settle();
        }
        world.check_records(!stops);
    }
}
