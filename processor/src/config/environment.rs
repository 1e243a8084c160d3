//! The layer of the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::keys::Id;
use super::nearest;
use super::problem::Problem;
use super::resolved::{Given, Source};

/// With 0, Node.js trusts everybody.
const NODE_UNCHECKED: &str = "NODE_TLS_REJECT_UNAUTHORIZED";

/// The variables of the process; in tests, any.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    pub(crate) fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable's text. One that is empty counts as not set, as compose files pass what nobody gave.
    pub(super) fn text(&self, name: &str) -> Option<Result<String, Problem>> {
        let value = self.0.get(name.as_ref() as &std::ffi::OsStr).filter(|value| !value.is_empty())?;
        // Not shown: it may be a password.
        let unreadable = || Problem::Unreadable { place: name.to_owned(), what: "not UTF-8".to_owned() };
        Some(value.to_str().map(str::to_owned).ok_or_else(unreadable))
    }

    /// What was given.
    pub(super) fn given(&self) -> (Vec<Given>, Vec<Problem>) {
        let (mut given, mut problems) = (Vec::new(), Vec::new());
        for &id in Id::ALL {
            match self.text(id.key().env) {
                None => {}
                Some(Ok(text)) if text.trim().is_empty() => {}
                Some(Ok(text)) => given.push(Given { id, text, source: Source::Environment }),
                Some(Err(problem)) => problems.push(problem),
            }
        }
        (given, problems)
    }

    /// What a person should look at: variables that are nearly, but not, one of ours, and one that Node.js obeys and
    /// this program does not.
    pub(super) fn warnings(&self) -> Vec<String> {
        let names = self.0.keys().filter_map(|name| name.to_str());
        let near = names.filter_map(|name| {
            let meant = nearest::variable(name)?;
            Some(format!("the variable {name} is not read; the nearest that is, is {meant}"))
        });
        let unchecked = matches!(self.text(NODE_UNCHECKED), Some(Ok(text)) if text == "0");
        let unchecked = unchecked.then(|| {
            format!(
                "{NODE_UNCHECKED}=0 is not obeyed: certificates are checked; name their roots in TLS_CA_FILE, \
                 or write sslmode=no-verify into POSTGRES_URL"
            )
        });
        near.chain(unchecked).collect()
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}
