//! What the rules cost a fix and an entry:
//!
//! ```sh
//! cargo bench -p benches --bench rules
//! ```

use std::hint::black_box;

use benches::inputs::course::{Layout, Shape, course};
use benches::inputs::track::Track;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use race::course::Course;
use race::fence::touch::Movement;
use race::follow::{Follower, Scratch};
use race::position::Position;

/// Fixes of the tracks that are followed: an hour.
const HOUR: usize = 3_600;
/// And of the one that is judged: ten hours.
const DAY: usize = 36_000;

fn shapes() -> [(&'static str, Shape); 7] {
    let scattered = |zones| Shape::scattered(zones, 32);
    [
        ("10 zones", scattered(10)),
        ("100 zones", scattered(100)),
        ("200 zones", scattered(200)),
        ("200 zones that overlap", Shape { layout: Layout::Dense, ..scattered(200) }),
        ("1000 zones", scattered(1_000)),
        ("10000 zones", scattered(10_000)),
        ("20 candidates of 1000 vertices", Shape { layout: Layout::Stacked, ..Shape::scattered(20, 1_000) }),
    ]
}

fn drawn(shape: &Shape) -> Course {
    match course(shape) {
        Ok(course) => course,
        Err(error) => panic!("{error}"),
    }
}

/// The mean and the greatest number of features that the index finds for a movement.
fn boxes_hit(course: &Course, fixes: &[Position]) -> (f64, usize) {
    let event = &course.events[0];
    let mut track = race::track::Track::new(event.track_rules);
    let mut moved: Vec<Movement> = Vec::new();
    for fix in fixes {
        track.push(fix, &mut moved);
    }
    let (mut near, mut sum, mut most) = (Vec::new(), 0, 0);
    for movement in &moved {
        near.clear();
        event.features.near(movement, &mut near);
        sum += near.len();
        most = most.max(near.len());
    }
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let mean = sum as f64 / moved.len() as f64;
    (mean, most)
}

fn follow(course: &Course, fixes: &[Position], scratch: &mut Scratch) -> Follower {
    let event = &course.events[0];
    let mut follower = Follower::new(event);
    for fix in fixes {
        follower.push(event, fix, scratch);
    }
    follower
}

fn per_fix(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rules per fix");
    group.throughput(Throughput::Elements(HOUR as u64)).sample_size(30);
    for (name, shape) in shapes() {
        let course = drawn(&shape);
        let fixes: Vec<Position> = Track::new(&shape, 0).take(HOUR).collect();
        let (mean, most) = boxes_hit(&course, &fixes);
        println!("{name}: {mean:.2} features looked at a fix, {most} at most");
        let mut scratch = Scratch::default();
        group.bench_with_input(BenchmarkId::from_parameter(name), &fixes, |bencher, fixes| {
            bencher.iter(|| black_box(follow(&course, fixes, &mut scratch)));
        });
    }
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index lookup per fix");
    group.throughput(Throughput::Elements(HOUR as u64)).sample_size(30);
    for (name, shape) in shapes() {
        let course = drawn(&shape);
        let event = &course.events[0];
        let mut track = race::track::Track::new(event.track_rules);
        let mut moved: Vec<Movement> = Vec::new();
        for fix in Track::new(&shape, 0).take(HOUR) {
            track.push(&fix, &mut moved);
        }
        let mut near = Vec::new();
        group.bench_with_input(BenchmarkId::from_parameter(name), &moved, |bencher, moved| {
            bencher.iter(|| {
                for movement in moved {
                    near.clear();
                    event.features.near(movement, &mut near);
                    black_box(&near);
                }
            });
        });
    }
    group.finish();
}

fn judge(criterion: &mut Criterion) {
    let shape = Shape::scattered(200, 32);
    let course = drawn(&shape);
    let event = &course.events[0];
    let fixes: Vec<Position> = Track::new(&shape, 0).take(DAY).collect();
    let mut scratch = Scratch::default();
    let follower = follow(&course, &fixes, &mut scratch);
    criterion.bench_function("judge an entry after 10 h, 200 zones", |bencher| {
        bencher.iter(|| black_box(follower.evaluation(event, &event.entries[0], &mut scratch)));
    });
}

criterion_group!(benches, per_fix, lookup, judge);
criterion_main!(benches);
