//! Finding what a person named: by id, or by what they call it. What is not there is told with what is.

use race::course::Course;
use race::course::plan::{EntryPlan, EventPlan};
use race::course::tables::Class;

use super::Usage;
use super::words::escaped;

/// Names of what is there that are told.
const NAMES_TOLD: usize = 20;

/// The number of an event in the course; without a name, of the only one.
pub(crate) fn event(course: &Course, wanted: Option<&str>) -> Result<usize, Usage> {
    let events = &course.events;
    let names =
        |event: &EventPlan| vec![event.row.id.to_string(), event.row.slug.clone(), event.row.name.clone()];
    match (wanted, events.as_slice()) {
        (Some(wanted), _) => one("event", wanted, events, names),
        (None, [_]) => Ok(0),
        (None, []) => Err(Usage("the store has no event; a replay stores that of its course".to_owned())),
        (None, several) => Err(Usage(format!(
            "the store has {} events; name one with --event: {}",
            several.len(),
            told(several.iter().map(|event| event.row.name.clone()))
        ))),
    }
}

/// The number of a stage in its event.
pub(crate) fn stage(event: &EventPlan, wanted: &str) -> Result<usize, Usage> {
    one("stage", wanted, &event.stages, |stage| vec![stage.row.id.to_string(), stage.row.name.clone()])
}

/// A class of an event.
pub(crate) fn class<'a>(course: &'a Course, event: &EventPlan, wanted: &str) -> Result<&'a Class, Usage> {
    let mut classes: Vec<&Class> =
        course.tables.classes.iter().filter(|class| class.event_id == event.row.id).collect();
    classes.sort_by_key(|class| (class.sort_order, &class.code));
    let names = |class: &&Class| vec![class.id.to_string(), class.code.clone()];
    one("class", wanted, &classes, names).map(|n| classes[n])
}

/// The number of an entry in its event, by race number or id.
pub(crate) fn entry(event: &EventPlan, wanted: &str) -> Result<usize, Usage> {
    let names = |entry: &EntryPlan| vec![entry.row.id.to_string(), entry.row.race_number.to_string()];
    one("entry", wanted, &event.entries, names)
}

/// Which of these is called so. The last of its names is what a person calls it.
fn one<T>(what: &str, wanted: &str, all: &[T], names: impl Fn(&T) -> Vec<String>) -> Result<usize, Usage> {
    let called = |fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let found = all.iter().enumerate().filter(|(_, item)| names(item).iter().any(|name| fits(name)));
        found.map(|(n, _)| n).collect()
    };
    let lower = wanted.to_lowercase();
    let exactly = called(&|name| name == wanted);
    let found = if exactly.is_empty() { called(&|name| name.to_lowercase() == lower) } else { exactly };
    let call = |item: &T| names(item).pop().unwrap_or_default();
    match found.as_slice() {
        [found] => Ok(*found),
        [] => {
            let there = told(all.iter().map(call));
            let there = if all.is_empty() { "there is none".to_owned() } else { format!("there is {there}") };
            Err(Usage(format!("there is no {what} {wanted:?}; {there}")))
        }
        several => {
            let ids = several.iter().filter_map(|&n| names(&all[n]).into_iter().next());
            Err(Usage(format!("{wanted:?} is more than one {what}; name it by its id: {}", told(ids))))
        }
    }
}

/// Names in a row, as many as a person reads.
fn told(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.map(|name| escaped(&name)).collect();
    let shown = names.iter().take(NAMES_TOLD).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_TOLD) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]
mod tests {
    use super::*;

    fn find(wanted: &str) -> Result<usize, String> {
        let all = [["1", "SS 1"], ["2", "ss 1"], ["3", "Prologue"], ["4", "Twice"], ["5", "Twice"]];
        one("stage", wanted, &all, |names| names.map(str::to_owned).to_vec())
            .map_err(|usage| usage.to_string())
    }

    #[test]
    fn a_name_is_found_as_it_is_before_it_is_found_in_another_case() {
        assert_eq!((find("SS 1"), find("ss 1"), find("prologue"), find("2")), (Ok(0), Ok(1), Ok(2), Ok(1)));
        let twice = find("twice").unwrap_err();
        assert!(twice.contains("more than one stage") && twice.ends_with("4, 5"), "{twice}");
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let error = find("SS 9").unwrap_err();
        assert_eq!(error, "there is no stage \"SS 9\"; there is SS 1, ss 1, Prologue, Twice, Twice");
        let many: Vec<[String; 1]> = (0..25).map(|n| [n.to_string()]).collect();
        let error = one("entry", "x", &many, |names| names.to_vec()).unwrap_err().to_string();
        assert!(error.ends_with("18, 19 and 5 more"), "{error}");
    }
}
