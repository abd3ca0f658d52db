//! What thousands of topics have the same, kept once: the cluster that they name, their configs,
//! what was told of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use millrace_client::Configs;

use crate::resource::Key;
use crate::topic::wanted::WantedTopic;

/// How many values are kept before it is worth a look whether anybody still has them.
const VALUES_MIN: usize = 64;

/// The values of all topics that are known.
#[derive(Debug, Default)]
pub(super) struct Shared {
    clusters: Values<Key>,
    configs: Values<Configs>,
    words: Values<str>,
}

impl Shared {
    /// Puts values that are known in place of a topic's own that are the same.
    pub fn share(&mut self, topic: &mut WantedTopic) {
        self.clusters.share(&mut topic.cluster);
        if let Ok(spec) = &mut topic.spec {
            self.configs.share(&mut spec.configs);
        }
        if let Some(ready) = &mut topic.told.ready {
            self.words.share(&mut ready.reason);
            self.words.share(&mut ready.message);
        }
    }
}

/// Values of one type. It holds at most twice as many as are in use, or [`VALUES_MIN`].
#[derive(Debug)]
struct Values<T: ?Sized> {
    known: BTreeSet<Arc<T>>,
    /// How many there may be before those are let go that only this has.
    bound: usize,
}

impl<T: Ord + ?Sized> Default for Values<T> {
    fn default() -> Values<T> {
        Values { known: BTreeSet::new(), bound: VALUES_MIN }
    }
}

impl<T: Ord + ?Sized> Values<T> {
    fn share(&mut self, value: &mut Arc<T>) {
        if let Some(known) = self.known.get(&**value) {
            *value = Arc::clone(known);
            return;
        }
        if self.known.len() >= self.bound {
            self.known.retain(|it| Arc::strong_count(it) > 1);
            self.bound = self.known.len().saturating_mul(2).max(VALUES_MIN);
        }
        self.known.insert(Arc::clone(value));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{VALUES_MIN, Values};

    #[test]
    fn values_that_nobody_has_any_more_are_let_go() {
        let mut values: Values<str> = Values::default();
        let mut kept: Arc<str> = "kept".into();
        values.share(&mut kept);
        for number in 0..10 * VALUES_MIN {
            values.share(&mut number.to_string().into());
            assert!(values.known.len() <= VALUES_MIN);
        }
        let mut again: Arc<str> = "kept".into();
        values.share(&mut again);
        assert!(Arc::ptr_eq(&kept, &again));
    }
}
