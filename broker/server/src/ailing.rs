//! The partitions that the disk has let down and that wait to be looked after.
//!
//! Whoever meets the failure reports it here; [`crate::partitions::Partitions::keep_well`] sees to
//! it. `/readyz` names them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use millrace_types::TopicPartition;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub struct Ailing {
    partitions: Mutex<BTreeMap<TopicPartition, String>>,
    news: Notify,
}

/// How many partitions `/readyz` names.
const NAMED_MAX: usize = 3;

impl Ailing {
    /// A partition does not do its work, for this reason.
    pub fn report(&self, partition: &TopicPartition, reason: &str) {
        let mut partitions = self.lock();
        if let Some(known) = partitions.get_mut(partition) {
            if known != reason {
                reason.clone_into(known);
            }
            return;
        }
        partitions.insert(partition.clone(), reason.to_owned());
        drop(partitions);
        self.news.notify_one();
    }

    /// A partition does its work again, or is gone.
    pub fn is_well(&self, partition: &TopicPartition) {
        self.lock().remove(partition);
    }

    /// All that were reported and are not well yet.
    pub fn all(&self) -> Vec<TopicPartition> {
        self.lock().keys().cloned().collect()
    }

    /// Waits until there is one.
    pub async fn wait(&self) {
        loop {
            let news = self.news.notified();
            if !self.lock().is_empty() {
                return;
            }
            news.await;
        }
    }

    /// How many there are and what the first of them lack, in one line; `None` if all are well.
    pub fn text(&self) -> Option<String> {
        let partitions = self.lock();
        if partitions.is_empty() {
            return None;
        }
        let mut text = format!("{} held up by the disk", partitions.len());
        for (partition, reason) in partitions.iter().take(NAMED_MAX) {
            // A string takes whatever is written.
            let _ = write!(text, "; {partition}: {reason}");
        }
        Some(text)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, String>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use millrace_types::{PartitionIndex, TopicName, TopicPartition};

    use super::Ailing;

    #[tokio::test]
    async fn who_is_reported_is_named_until_it_is_well() {
        let ailing = Ailing::default();
        assert_eq!(ailing.text(), None);
        let partition = TopicPartition {
            topic: TopicName::parse("orders").unwrap(),
            partition: PartitionIndex::from_wire(3).unwrap(),
        };
        ailing.report(&partition, "cannot sync");
        ailing.report(&partition, "cannot append");
        ailing.wait().await;
        assert_eq!(ailing.text().unwrap(), "1 held up by the disk; orders-3: cannot append");
        ailing.is_well(&partition);
        assert_eq!(ailing.all(), []);
    }
}
