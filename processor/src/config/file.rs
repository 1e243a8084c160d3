//! The layer of the TOML file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Id, Key};
use super::nearest;
use super::problem::Problem;
use super::resolved::{Given, Source};

/// A configuration is a page of text; what is longer was named by mistake.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What the file gives.
pub(super) fn given(path: &Path) -> (Vec<Given>, Vec<Problem>) {
    let unreadable =
        |what: String| (Vec::new(), vec![Problem::Unreadable { place: path.display().to_string(), what }]);
    match std::fs::metadata(path) {
        Ok(found) if found.len() > MAX_FILE_BYTES => {
            return unreadable(format!("longer than {MAX_FILE_BYTES} bytes, which is no configuration"));
        }
        Ok(_) => {}
        Err(error) => return unreadable(error.to_string()),
    }
    match std::fs::read_to_string(path) {
        Ok(text) => of_text(path, &text),
        Err(error) => unreadable(error.to_string()),
    }
}

fn of_text(path: &Path, text: &str) -> (Vec<Given>, Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut layer = Layer { path: path.into(), text, given: Vec::new(), problems: Vec::new() };
    for error in errors {
        let line = error.span().map_or(1, |span| layer.line(&span));
        // The message alone: the library's whole text repeats the line, with whatever password is on it.
        let place = format!("{}:{line}", path.display());
        layer.problems.push(Problem::Unreadable { place, what: error.message().to_owned() });
    }
    // A file that is malformed somewhere may be misread elsewhere.
    if layer.problems.is_empty() {
        layer.table("", table.get_ref());
    }
    (layer.given, layer.problems)
}

struct Layer<'a> {
    path: Arc<Path>,
    text: &'a str,
    given: Vec<Given>,
    problems: Vec<Problem>,
}

impl Layer<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        1 + before.bytes().filter(|&byte| byte == b'\n').count()
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let full = format!("{prefix}{}", name.get_ref());
            // Environment names stand for themselves nowhere in a file: one name, one way to write it.
            let id = Key::find(&full).filter(|id| id.key().name == full);
            match (id, value.get_ref()) {
                (Some(id), _) => self.value(id, value),
                (None, DeValue::Table(inner)) => self.table(&format!("{full}."), inner),
                (None, _) => {
                    let line = self.line(&name.span());
                    let place = format!("{}:{line}", self.path.display());
                    let nearest = nearest::key(&full);
                    self.problems.push(Problem::Unknown { place, name: full, nearest });
                }
            }
        }
    }

    fn value(&mut self, id: Id, value: &Spanned<DeValue<'_>>) {
        let source = Source::File { path: Arc::clone(&self.path), line: self.line(&value.span()) };
        match text_of(value.get_ref()) {
            Some(text) => self.given.push(Given { id, text, source }),
            None => {
                let why = format!("{} is expected", id.key().kind.allowed());
                let text = value.get_ref().type_str().to_owned();
                self.problems.push(Problem::Wrong { id, source, text, why });
            }
        }
    }
}

/// The text that stands for a value in every other layer.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(on) => Some(on.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            });
            items.collect::<Option<Vec<String>>>().map(|items| items.join(","))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}
