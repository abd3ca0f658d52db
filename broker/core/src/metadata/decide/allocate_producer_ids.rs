//! Gives a broker a block of producer ids, which no producer had before and none gets again.
//!
//! Source: KIP-730; Kafka's `ProducerIdControlManager`.

use std::ops::Range;

use millrace_types::BrokerId;

use super::Decision;
use crate::limits::PRODUCER_IDS_PER_BLOCK;
use crate::metadata::image::Image;
use crate::metadata::record::Record;

/// All ids are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("producer ids from {next} on leave no block of {block}: all are given out")]
pub struct ProducerIdsExhausted {
    /// The first id that is free.
    pub next: u64,
    /// How many are given out at once.
    pub block: u64,
}

/// Decides on the next block; the reply is its ids.
///
/// # Errors
/// If there are no more.
pub fn decide(
    image: &Image,
    broker_id: BrokerId,
) -> Result<Decision<Range<u64>>, ProducerIdsExhausted> {
    let next = image.next_producer_id();
    let end = next.saturating_add(PRODUCER_IDS_PER_BLOCK);
    if end > i64::MAX.unsigned_abs() {
        return Err(ProducerIdsExhausted { next, block: PRODUCER_IDS_PER_BLOCK });
    }
    let record = Record::ProducerIdsAllocated { broker_id, next_producer_id: end };
    Ok(Decision { records: vec![record], reply: next..end })
}

#[cfg(test)]
mod tests {
    use super::{ProducerIdsExhausted, decide};
    use crate::metadata::fixture::{Fixture, broker};
    use crate::metadata::record::Record;

    #[test]
    fn blocks_follow_each_other_until_there_are_no_more() {
        let mut fixture = Fixture::new(1, &[]);
        for expected in [0..1000, 1000..2000] {
            let decision = decide(&fixture.image, broker(1)).unwrap();
            assert_eq!(decision.reply, expected);
            fixture.apply(&decision.records);
        }
        let next_producer_id = i64::MAX.unsigned_abs() - 999;
        fixture.apply(&[Record::ProducerIdsAllocated { broker_id: broker(1), next_producer_id }]);
        assert_eq!(
            decide(&fixture.image, broker(1)),
            Err(ProducerIdsExhausted { next: next_producer_id, block: 1000 })
        );
    }
}
