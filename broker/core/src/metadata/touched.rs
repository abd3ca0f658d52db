//! What records have changed: where two images may differ.

use std::collections::BTreeSet;

use millrace_types::TopicId;

use super::record::ConfigOwner;

/// What records have touched, noted while they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub(super) topics: BTreeSet<TopicId>,
    pub(super) configs: BTreeSet<ConfigOwner>,
}
