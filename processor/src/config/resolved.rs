//! All layers together: each value and where it came from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::ConfigArgs;
use super::environment::Environment;
use super::file;
use super::keys::{Fallback, Id};
use super::kind::Value;
use super::nearest::FILE_VARIABLE;
use super::problem::{ConfigErrors, Problem};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    /// The file, and the line of the value.
    File {
        path: Arc<Path>,
        line: usize,
    },
    Environment,
    /// `--set`.
    Set,
    /// A flag of its own.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Set => f.write_str("--set"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A value of one layer, not yet read.
// No Debug: the text may be a secret.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) id: Id,
    pub(super) text: String,
    pub(super) source: Source,
}

/// Every key's value, as far as it could be read, and everything that is wrong.
pub(crate) struct Resolved {
    values: Vec<Option<Value>>,
    sources: Vec<Source>,
    pub(super) problems: Vec<Problem>,
    /// What a person should look at, although it is no error.
    pub(crate) warnings: Vec<String>,
}

impl Resolved {
    /// Reads every layer.
    pub(crate) fn read(args: &ConfigArgs, environment: &Environment) -> Self {
        let mut problems = Vec::new();
        let mut layers = Vec::new();
        let mut add = |(given, wrong): (Vec<Given>, Vec<Problem>)| {
            layers.extend(given);
            problems.extend(wrong);
        };
        match (&args.config, environment.text(FILE_VARIABLE)) {
            (Some(path), _) => add(file::given(path)),
            (None, Some(Ok(path))) => add(file::given(&PathBuf::from(path))),
            (None, Some(Err(problem))) => add((Vec::new(), vec![problem])),
            (None, None) => {}
        }
        add(environment.given());
        add(args.given());

        let mut resolved = Self {
            values: vec![None; Id::ALL.len()],
            sources: vec![Source::Default; Id::ALL.len()],
            problems,
            warnings: environment.warnings(),
        };
        let variable = |name: &str| environment.text(name).and_then(Result::ok);
        let mut wrong = vec![false; Id::ALL.len()];
        for Given { id, text, source } in layers {
            match id.key().kind.read(&text, &variable) {
                Ok(value) => {
                    resolved.values[id as usize] = Some(value);
                    resolved.sources[id as usize] = source;
                }
                Err(why) => {
                    wrong[id as usize] = true;
                    resolved.problems.push(Problem::Wrong { id, source, text, why });
                }
            }
        }
        for &id in Id::ALL {
            if resolved.values[id as usize].is_none() {
                match id.key().default {
                    // A value that was given and is wrong is not missing as well.
                    Fallback::Required if wrong[id as usize] => {}
                    Fallback::Required => resolved.problems.push(Problem::Missing(id)),
                    default => resolved.values[id as usize] = resolved.fallback(id, default),
                }
            }
        }
        resolved
    }

    fn fallback(&self, id: Id, default: Fallback) -> Option<Value> {
        match default {
            Fallback::Nothing | Fallback::Required => None,
            // A test reads every one of them.
            Fallback::Is(text) => id.key().kind.read(text, &|_| None).ok(),
            Fallback::As(other) => self.values[other as usize].clone(),
            Fallback::Cores { spared, most } => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                let lanes = cores.saturating_sub(spared).clamp(1, most);
                u64::try_from(lanes).ok().map(Value::Integer)
            }
        }
    }

    /// A key's value; `None` for one that is not set, or could not be read.
    pub(crate) fn value(&self, id: Id) -> Option<&Value> {
        self.values[id as usize].as_ref()
    }

    /// Where a key's value came from.
    pub(crate) fn source(&self, id: Id) -> &Source {
        &self.sources[id as usize]
    }

    /// What is wrong, if anything is.
    pub(crate) fn errors(&self) -> Option<ConfigErrors> {
        (!self.problems.is_empty()).then(|| ConfigErrors(self.problems.clone()))
    }
}
