//! Names that several tasks need.

use crate::config::Settings;

/// The stream, the group, and who we are in it.
#[derive(Debug, Clone)]
pub(super) struct StreamNames {
    pub(super) stream: String,
    pub(super) group: String,
    pub(super) consumer: String,
}

impl StreamNames {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            stream: settings.redis.stream.clone(),
            group: settings.redis.group.clone(),
            consumer: settings.redis.consumer.clone(),
        }
    }
}
