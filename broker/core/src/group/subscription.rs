//! Reads the topics out of what a member of a consumer group says of itself.
//!
//! Only the part that every version begins with is read, so that later versions are understood too.
//! Source: `ClassicGroup.computeSubscribedTopics` of Apache Kafka.

use std::collections::BTreeSet;

use millrace_wire::messages::consumer_protocol::ConsumerProtocolSubscription;
use millrace_wire::{Decode, Reader};

/// The topics of a subscription; `None` if the bytes are none.
pub(super) fn topics(metadata: &[u8]) -> Option<BTreeSet<String>> {
    let mut reader = Reader::new(metadata);
    if reader.int16("subscription version").ok()? < 0 {
        return None;
    }
    let subscription = ConsumerProtocolSubscription::decode(&mut reader, 0).ok()?;
    Some(subscription.topics.into_iter().map(|topic| topic.into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::topics;

    #[test]
    fn the_topics_of_any_version_are_read() {
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        for (bytes, wanted) in [
            (&b"\0\0\0\0\0\x01\0\x01a\xff\xff\xff\xff"[..], names(&["a"])),
            (
                b"\0\x09\0\0\0\x02\0\x01b\0\x01a\0\0\0\x01u and what else there is",
                names(&["a", "b"]),
            ),
            (b"\0\0\0\0\0\0\xff\xff\xff\xff", names(&[])),
        ] {
            assert_eq!(topics(bytes), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_subscription_are_told_apart() {
        for bytes in [
            &b""[..],
            b"\0",
            b"\xff\xff\0\0\0\0\xff\xff\xff\xff",
            b"\0\0\xff\xff\xff\xff",
            b"\0\0\x7f\xff\xff\xff\0\0",
            b"\0\0\0\0\0\x01\0\x05a",
            b"\0\0\0\0\0\x01\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(topics(bytes), None, "{bytes:?}");
        }
    }
}
