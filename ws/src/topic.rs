//! Names of what can be subscribed to.

use std::fmt;

use uuid::Uuid;

/// `event:<uuid>` or `event:<uuid>:race`; the id in lower case with its hyphens, and nothing around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Topic {
    pub(crate) event: Uuid,
    pub(crate) kind: TopicKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TopicKind {
    /// Where everybody is.
    Positions,
    /// What that means: crossings, penalties and results.
    Race,
}

impl Topic {
    /// `None` for whatever is no topic. What is read here is all that ever reaches a URL.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("event:")?;
        let (id, kind) = match rest.strip_suffix(":race") {
            Some(id) => (id, TopicKind::Race),
            None => (rest, TopicKind::Positions),
        };
        let event = Uuid::try_parse(id).ok()?;
        let mut canonical = Uuid::encode_buffer();
        (event.hyphenated().encode_lower(&mut canonical) == id).then_some(Self { event, kind })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.kind {
            TopicKind::Positions => "",
            TopicKind::Race => ":race",
        };
        write!(f, "event:{}{suffix}", self.event.hyphenated())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_is_a_topic() {
        let id = "0b1f6c1e-31e2-4a55-9f0e-6a4f36c4d001";
        for good in [format!("event:{id}"), format!("event:{id}:race")] {
            assert_eq!(Topic::parse(&good).unwrap().to_string(), good);
        }
        for bad in [
            String::new(),
            "event:".into(),
            "event::race".into(),
            "event:../users/me".into(),
            format!("event:{}", id.to_uppercase()),
            format!("event: {id}"),
            format!("event:{id} "),
            format!(" event:{id}"),
            format!("Event:{id}"),
            format!("event:{{{id}}}"),
            format!("event:urn:uuid:{id}"),
            format!("event:{}", id.replace('-', "")),
            format!("event:{id}:races"),
            format!("event:{id}:race:race"),
            format!("event:{id}/../x"),
            id.to_owned(),
        ] {
            assert_eq!(Topic::parse(&bad), None, "{bad:?}");
        }
    }
}
