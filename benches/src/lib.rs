//! What the measurements share: made-up courses and tracks, the same in every run.

pub mod inputs;
