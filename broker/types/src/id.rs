//! Ids of brokers, topics and producers.

use std::fmt;

/// 128 bits that name something for ever; written as Kafka does, in URL-safe base64 without padding.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

/// The id that tells a topic from a later one of the same name. Source: KIP-516.
pub type TopicId = Uuid;

impl Uuid {
    /// All bits zero: on the wire, "no id".
    pub const ZERO: Uuid = Uuid([0; 16]);

    /// Makes an id of its bytes, most significant first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Uuid {
        Uuid(bytes)
    }

    /// The bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether this is the "no id" of the wire.
    pub fn is_zero(&self) -> bool {
        *self == Uuid::ZERO
    }

    /// Reads the 22 characters that [`fmt::Display`] writes; `None` if they are not such.
    pub fn parse(text: &str) -> Option<Uuid> {
        if text.len() != 22 {
            return None;
        }
        let mut bits: u128 = 0;
        for (position, character) in text.bytes().enumerate() {
            let six = u128::from(ALPHABET.iter().position(|&known| known == character)? as u64);
            // 22 characters hold 132 bits: the last four must be zero.
            bits = match position {
                21 if six & 0x0f != 0 => return None,
                21 => (bits << 2) | (six >> 4),
                _ => (bits << 6) | six,
            };
        }
        Some(Uuid(bits.to_be_bytes()))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        for position in 0..22 {
            let six = match position {
                21 => (bits << 4) & 0x3f,
                _ => (bits >> (122 - 6 * position)) & 0x3f,
            };
            let character =
                ALPHABET.get(usize::try_from(six).unwrap_or(0)).copied().unwrap_or(b'A');
            write!(f, "{}", char::from(character))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

macro_rules! wire_number {
    ($(#[$doc:meta])* $name:ident, $signed:ty, $unsigned:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($unsigned);

        impl $name {
            /// Reads the wire's number; a negative one means "none".
            pub fn from_wire(value: $signed) -> Option<$name> {
                <$unsigned>::try_from(value).ok().map($name)
            }

            /// The number for the wire.
            pub const fn to_wire(self) -> $signed {
                self.0.cast_signed()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

wire_number!(
    /// The number of a broker in its cluster, Kafka's `node.id`.
    BrokerId, i32, u32
);
wire_number!(
    /// The id that the cluster gave to a producer. Source: KIP-98.
    ProducerId, i64, u64
);
wire_number!(
    /// Counts the incarnations of a producer under one id; a larger one fences the smaller.
    ProducerEpoch, i16, u16
);
wire_number!(
    /// The number of a record in a producer's stream to one partition; wraps from `i32::MAX` to 0.
    Sequence, i32, u32
);

impl Sequence {
    /// The first number of a stream.
    pub const ZERO: Sequence = Sequence(0);

    /// The number `records` further on, wrapped as Kafka's `DefaultRecordBatch.incrementSequence`.
    #[must_use]
    pub const fn plus(self, records: u32) -> Sequence {
        let range = 1_u64 << 31;
        let sum = (self.0 as u64 + records as u64) % range;
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is below 2^31")]
        Sequence(sum as u32)
    }
}

impl ProducerEpoch {
    /// The first epoch of a producer id.
    pub const ZERO: ProducerEpoch = ProducerEpoch(0);
}

#[cfg(test)]
mod tests {
    use super::{Sequence, Uuid};

    #[test]
    fn a_uuid_is_written_as_kafka_writes_it() {
        // Kafka's own constants: Uuid.ONE_UUID and Uuid.ZERO_UUID.
        let mut one = [0; 16];
        one[15] = 1;
        for (bytes, text) in [(one, "AAAAAAAAAAAAAAAAAAAAAQ"), ([0; 16], "AAAAAAAAAAAAAAAAAAAAAA")]
        {
            assert_eq!(Uuid::from_bytes(bytes).to_string(), text);
            assert_eq!(Uuid::parse(text), Some(Uuid::from_bytes(bytes)));
        }
        let mixed =
            Uuid::from_bytes(*b"\xff\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93");
        assert_eq!(Uuid::parse(&mixed.to_string()), Some(mixed));
    }

    #[test]
    fn a_uuid_with_stray_characters_or_bits_is_refused() {
        for text in
            ["", "AAAAAAAAAAAAAAAAAAAAAR", "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert_eq!(Uuid::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_sequence_wraps_to_zero_after_the_largest() {
        let last = Sequence::from_wire(i32::MAX).unwrap();
        assert_eq!(last.plus(1), Sequence::ZERO);
        assert_eq!(last.plus(3).to_wire(), 2);
    }
}
