//! Names and counters inside a group: members, instances, generations, and what ties a step of the
//! coordinator to its driver. Parsed from the wire in `server/api/*`.

use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads the wire's string; the empty one means "none".
            pub fn from_wire(text: &str) -> Option<$name> {
                (!text.is_empty()).then(|| $name(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

text_id!(
    /// The name that the coordinator gave to one member of a group.
    MemberId
);
text_id!(
    /// The name by which a static member is known over its restarts, Kafka's `group.instance.id`.
    ///
    /// Source: KIP-345.
    InstanceId
);

impl MemberId {
    /// The most bytes of a client's own name that go into a member id.
    const PREFIX_BYTES_MAX: usize = 255;

    /// Makes the id of a new member: who it says it is, and 128 random bits that tell it from others.
    ///
    /// `random` comes from the driver's generator: chance is given in, never drawn here.
    pub(crate) fn new(prefix: &str, random: u128) -> MemberId {
        let mut end = prefix.len().min(MemberId::PREFIX_BYTES_MAX);
        while !prefix.is_char_boundary(end) {
            end -= 1;
        }
        let prefix = prefix.get(..end).unwrap_or_default();
        // The shape of a version 4 UUID, as Kafka's: 8-4-4-4-12 hexadecimal digits.
        let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
        let groups = groups.map(|range| hex.get(range).unwrap_or_default());
        MemberId(Arc::from(format!("{prefix}-{}", groups.join("-"))))
    }
}

/// Counts the rebalances of a group; a member of an older one is refused.
///
/// Range 0 to `i32::MAX`; 0 is a group that never had members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u32);

impl Generation {
    /// The generation of a group that never had members.
    pub const ZERO: Generation = Generation(0);

    /// Reads the wire's `int32`; a negative number means that the sender is in no generation.
    pub fn from_wire(value: i32) -> Option<Generation> {
        u32::try_from(value).ok().map(Generation)
    }

    /// The wire's `int32`.
    pub const fn to_wire(self) -> i32 {
        self.0.cast_signed()
    }

    /// The generation after this one; `i32::MAX` is followed by 1.
    #[must_use]
    pub(crate) const fn next(self) -> Generation {
        if self.0 >= i32::MAX.unsigned_abs() { Generation(1) } else { Generation(self.0 + 1) }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Ties a reply to the request that it answers; the driver chooses it and never uses it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// Ties the end of an append to the records that were handed out; ascends in the order of appends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

#[cfg(test)]
mod tests {
    use super::{Generation, MemberId};

    #[test]
    fn a_member_id_reads_like_one_of_kafka() {
        let id = MemberId::new("consumer-1", 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(id.as_str(), "consumer-1-01234567-89ab-4def-8123-456789abcdef");
    }

    #[test]
    fn a_long_client_name_is_cut_between_characters() {
        let id = MemberId::new(&"é".repeat(200), 0);
        assert_eq!(id.as_str().len(), 254 + 37);
    }

    #[test]
    fn generations_stay_within_the_wire() {
        let last = Generation::from_wire(i32::MAX).unwrap();
        assert_eq!(last.next().to_wire(), 1);
        assert_eq!(Generation::from_wire(-1), None);
    }
}
