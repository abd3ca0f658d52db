//! Reads the topics out of what a member of a consumer group says of itself.
//!
//! ```text
//! int16 version │ int32 count │ count × (int16 length, bytes) │ user data, and more by version
//! ```
//! Only the part that every version begins with is read, so that later versions are understood too.
//! Source: `ConsumerProtocol` and `ClassicGroup.computeSubscribedTopics` of Apache Kafka.

use std::collections::BTreeSet;

/// The topics of a subscription; `None` if the bytes are none.
pub(super) fn topics(metadata: &[u8]) -> Option<BTreeSet<String>> {
    let (version, rest) = metadata.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    // Each topic takes bytes of its own, so a count that lies ends with them.
    let count = u32::try_from(i32::from_be_bytes(*count)).ok()?;
    let mut topics = BTreeSet::new();
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::try_from(i16::from_be_bytes(*length)).ok()?;
        let (name, after) = after.split_at_checked(length)?;
        topics.insert(std::str::from_utf8(name).ok()?.to_owned());
        rest = after;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::topics;

    #[test]
    fn the_topics_of_any_version_are_read() {
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        for (bytes, wanted) in [
            (&b"\0\0\0\0\0\x01\0\x01a\xff\xff\xff\xff"[..], names(&["a"])),
            (b"\0\x03\0\0\0\x02\0\x01b\0\x01a and what else there is", names(&["a", "b"])),
            (b"\0\0\0\0\0\0", names(&[])),
        ] {
            assert_eq!(topics(bytes), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_subscription_are_told_apart() {
        for bytes in [
            &b""[..],
            b"\0",
            b"\xff\xff\0\0\0\0",
            b"\0\0\xff\xff\xff\xff",
            b"\0\0\x7f\xff\xff\xff\0\0",
            b"\0\0\0\0\0\x01\0\x05a",
            b"\0\0\0\0\0\x01\xff\xff",
            b"\0\0\0\0\0\x01\0\x01\xff",
        ] {
            assert_eq!(topics(bytes), None, "{bytes:?}");
        }
    }
}
