//! The course as the business tables have it, read again on a cadence and replaced whole.

use std::sync::Arc;
use std::time::Duration;

use race::course::check::{Severity, check};
use race::course::keep::keep_sound;
use race::course::{Course, Tables};
use storage::{Cause, Live, StoreError};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::events::Events;
use super::metrics::Peer;

/// Warnings about a course that are told at once: each course that is read has them again.
const WARNINGS_TOLD: usize = 20;

/// What the tables say, as far as it can be judged by.
pub(super) enum Loaded {
    /// A course.
    Course(Arc<Tables>),
    /// Something is wrong with the rows, as these lines say.
    Wrong(Vec<String>),
}

/// Reads the business tables; an event that cannot be judged by as it stands stays as it was in `before`, if it was sound.
///
/// # Errors
/// The database does not answer, or not with a course at all.
pub(super) async fn load<S: Live>(store: &S, before: Option<&Tables>) -> Result<Loaded, StoreError> {
    match store.load_course().await {
        Ok(tables) => {
            let tables = match before {
                Some(before) => keep_sound(before, tables),
                None => tables,
            };
            Ok(Loaded::Course(Arc::new(tables)))
        }
        Err(StoreError::Refused { message, .. }) => {
            Ok(Loaded::Wrong(message.lines().map(str::to_owned).collect()))
        }
        // A column that was dropped, a right that was taken: positions do not stop for it.
        Err(error @ StoreError::Broken { .. }) => Ok(Loaded::Wrong(vec![error.to_string()])),
        Err(error) => Err(error),
    }
}

/// Makes a course ready, and says what of it is perhaps not as meant.
pub(super) fn ready(tables: Arc<Tables>) -> Arc<Course> {
    for out in tables.left_out.iter().take(WARNINGS_TOLD) {
        let consequence = if out.before_in_force {
            "its event stays as it was before"
        } else {
            "left out, and the results of its event are provisional"
        };
        tracing::error!("{}: {consequence}", out.problem);
    }
    if tables.left_out.len() > WARNINGS_TOLD {
        tracing::error!(more = tables.left_out.len() - WARNINGS_TOLD, "rows of the course are left out");
    }
    let findings = check(&tables);
    let warnings: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Warning).collect();
    for warning in warnings.iter().take(WARNINGS_TOLD) {
        tracing::warn!("{warning}");
    }
    if warnings.len() > WARNINGS_TOLD {
        tracing::warn!(
            more = warnings.len() - WARNINGS_TOLD,
            "processor check tells all that is odd about a course"
        );
    }
    tracing::info!(events = tables.events.len(), entries = tables.entries.len(), "the course was read");
    Arc::new(Course::new(tables))
}

/// Why records change that are judged by another course than before: one kind of edit is named, several are not told apart.
pub(super) fn cause_of(before: Option<&Tables>, now: &Tables) -> Cause {
    let Some(before) = before else { return Cause::Fixes };
    let formulas = before.penalty_formulas != now.penalty_formulas;
    let geometry = before.geofences != now.geofences
        || before.waypoints != now.waypoints
        || before.speed_limit_zones != now.speed_limit_zones
        || before.neutralisations != now.neutralisations;
    let decisions = before.overrides != now.overrides;
    let mut rest = now.clone();
    rest.penalty_formulas.clone_from(&before.penalty_formulas);
    rest.geofences.clone_from(&before.geofences);
    rest.waypoints.clone_from(&before.waypoints);
    rest.speed_limit_zones.clone_from(&before.speed_limit_zones);
    rest.neutralisations.clone_from(&before.neutralisations);
    rest.overrides.clone_from(&before.overrides);
    match (formulas, geometry, decisions, rest != *before) {
        (true, false, false, false) => Cause::FormulaChanged,
        (false, true, false, false) => Cause::GeometryChanged,
        (false, false, true, false) => Cause::Override,
        (false, false, false, false) => Cause::Fixes,
        _ => Cause::CourseChanged,
    }
}

/// Tells what is wrong with the rows.
pub(super) fn tell(problems: &[String], consequence: &str) {
    for problem in problems {
        tracing::error!("{problem}");
    }
    tracing::error!(problems = problems.len(), "{consequence}");
}

/// Returns when the tables say something else than what is known, `None` being nothing that can be judged by. They are
/// read every so often, and whenever somebody says that they were edited.
pub(super) async fn changed<S: Live>(
    store: S,
    known: Option<Arc<Tables>>,
    every: Duration,
    edited: Arc<Notify>,
    events: Arc<Events>,
    shift: CancellationToken,
) {
    let mut told = false;
    loop {
        // At the end of the shift others need the connection that a locked table may hold up.
        let loaded = tokio::select! {
            () = shift.cancelled() => return,
            loaded = async {
                tokio::select! {
                    () = sleep(every) => {}
                    () = edited.notified() => {}
                }
                load(&store, known.as_deref()).await
            } => loaded,
        };
        match (loaded, &known) {
            (Ok(Loaded::Course(tables)), known) if known.as_ref() != Some(&tables) => {
                tracing::info!("the course has changed");
                shift.cancel();
                return;
            }
            // What was judged by so far is better than nothing.
            (Ok(Loaded::Wrong(problems)), Some(_)) if !std::mem::replace(&mut told, true) => {
                tell(
                    &problems,
                    "the course has changed and cannot be judged by; the one before stays in force",
                );
            }
            (Ok(Loaded::Course(_)), _) => {
                if std::mem::take(&mut told) {
                    tracing::info!("the course is as it was before it could not be judged by");
                }
                events.peer_up(Peer::postgres);
            }
            (Ok(Loaded::Wrong(_)), _) => {}
            (Err(error), _) => events.peer_down(Peer::postgres, &error),
        }
    }
}
