//! How many members of a group support each protocol, counted as they come and go: to ask all of them
//! at each join would take the square of their number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::request::Protocol;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Supporters {
    counts: BTreeMap<Arc<str>, usize>,
}

impl Supporters {
    /// Counts a member with these protocols, none of them named twice.
    pub(super) fn add(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self.counts.entry(Arc::clone(&protocol.name)).or_default() += 1;
        }
    }

    /// Counts a member with these protocols no more.
    pub(super) fn remove(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            if let Some(count) = self.counts.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&protocol.name);
                }
            }
        }
    }

    /// How many members support a protocol.
    pub(super) fn count(&self, protocol: &str) -> usize {
        self.counts.get(protocol).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Supporters;
    use crate::group::request::Protocol;

    fn protocols(names: &[&str]) -> Vec<Protocol> {
        let protocol = |name: &&str| Protocol { name: (*name).into(), metadata: Bytes::new() };
        names.iter().map(protocol).collect()
    }

    #[test]
    fn who_came_and_went_is_not_counted_and_leaves_nothing() {
        let mut supporters = Supporters::default();
        supporters.add(&protocols(&["range", "sticky"]));
        supporters.add(&protocols(&["range"]));
        assert_eq!(["range", "sticky", "x"].map(|name| supporters.count(name)), [2, 1, 0]);
        supporters.remove(&protocols(&["range", "sticky"]));
        assert_eq!(["range", "sticky"].map(|name| supporters.count(name)), [1, 0]);
        supporters.remove(&protocols(&["range"]));
        assert_eq!(supporters, Supporters::default());
    }
}
