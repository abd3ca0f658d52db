//! The four compressions of Kafka, one file each; every decoder stops at a limit that its caller sets.

use std::io::Read;

mod gzip;
mod lz4;
mod snappy;
mod zstd;

/// How the records of a batch are compressed; the numbers are those of the attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Compression {
    /// Not at all.
    #[default]
    None = 0,
    /// RFC 1952, one member or several.
    Gzip = 1,
    /// Snappy in xerial's framing, as Java writes it, or raw.
    Snappy = 2,
    /// The LZ4 frame format.
    Lz4 = 3,
    /// RFC 8878. Source: KIP-110.
    Zstd = 4,
}

/// A compression with its level, as the topic configs `compression.*.level` set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// Level 1 to 9; `None` is zlib's own default.
    Gzip {
        /// The level.
        level: Option<u8>,
    },
    /// Snappy has no levels.
    Snappy,
    /// `Differs from Kafka:` the level (1 to 17) chooses nothing, our encoder has one speed.
    Lz4,
    /// Level -131072 to 22, Kafka's default is 3.
    Zstd {
        /// The level.
        level: i32,
    },
}

/// Why records could not be compressed or decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// The compressed bytes are no such stream.
    #[error("{} records do not decompress: {reason}", compression.name())]
    Corrupt {
        /// What they claim to be.
        compression: Compression,
        /// What the decoder says.
        reason: String,
    },
    /// The output would be larger than the caller accepts.
    #[error("{} records of {input_bytes} bytes exceed {limit_bytes} bytes when decompressed", compression.name())]
    LimitExceeded {
        /// The compression.
        compression: Compression,
        /// Size of the compressed records.
        input_bytes: usize,
        /// The limit that the caller set.
        limit_bytes: usize,
    },
    /// So few bytes cannot unfold to so many records.
    #[error("{input_bytes} bytes of {} cannot hold {records_count} records", compression.name())]
    TooShort {
        /// The compression.
        compression: Compression,
        /// Size of the compressed records.
        input_bytes: usize,
        /// Records that the header counts.
        records_count: u32,
    },
    /// The encoder failed.
    #[error("{input_bytes} bytes do not compress with {}: {reason}", compression.name())]
    Encoder {
        /// The compression.
        compression: Compression,
        /// Size of the records.
        input_bytes: usize,
        /// What the encoder says.
        reason: String,
    },
}

impl Compression {
    /// All of them, by their numbers.
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// Reads the lowest three attribute bits.
    pub const fn from_id(id: i16) -> Option<Compression> {
        match id {
            0 => Some(Compression::None),
            1 => Some(Compression::Gzip),
            2 => Some(Compression::Snappy),
            3 => Some(Compression::Lz4),
            4 => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// The name in Kafka's producer configs.
    pub const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

impl Codec {
    /// The compression that this codec gives.
    pub const fn compression(self) -> Compression {
        match self {
            Codec::None => Compression::None,
            Codec::Gzip { .. } => Compression::Gzip,
            Codec::Snappy => Compression::Snappy,
            Codec::Lz4 => Compression::Lz4,
            Codec::Zstd { .. } => Compression::Zstd,
        }
    }
}

impl From<Compression> for Codec {
    /// The codec with Kafka's default level.
    fn from(compression: Compression) -> Codec {
        match compression {
            Compression::None => Codec::None,
            Compression::Gzip => Codec::Gzip { level: None },
            Compression::Snappy => Codec::Snappy,
            Compression::Lz4 => Codec::Lz4,
            Compression::Zstd => Codec::Zstd { level: 3 },
        }
    }
}

/// Compresses `input`.
///
/// # Errors
/// Only if the encoder fails, as for want of memory.
pub fn compress(codec: Codec, input: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let result = match codec {
        Codec::None => Ok(input.to_vec()),
        Codec::Gzip { level } => gzip::compress(input, level),
        Codec::Snappy => snappy::compress(input),
        Codec::Lz4 => lz4::compress(input),
        Codec::Zstd { level } => zstd::compress(input, level),
    };
    result.map_err(|reason| CompressionError::Encoder {
        compression: codec.compression(),
        input_bytes: input.len(),
        reason,
    })
}

/// Decompresses all of `input` into at most `limit_bytes`.
///
/// # Errors
/// Refuses what is no such stream, and output above the limit; then no more than about twice the
/// limit was ever allocated.
pub fn decompress(
    compression: Compression,
    input: &[u8],
    limit_bytes: usize,
) -> Result<Vec<u8>, CompressionError> {
    let result = match compression {
        Compression::None if input.len() > limit_bytes => Err(Failure::Limit),
        Compression::None => Ok(input.to_vec()),
        Compression::Gzip => gzip::decompress(input, limit_bytes),
        Compression::Snappy => snappy::decompress(input, limit_bytes),
        Compression::Lz4 => lz4::decompress(input, limit_bytes),
        Compression::Zstd => zstd::decompress(input, limit_bytes),
    };
    result.map_err(|failure| match failure {
        Failure::Corrupt(reason) => CompressionError::Corrupt { compression, reason },
        Failure::Limit => {
            CompressionError::LimitExceeded { compression, input_bytes: input.len(), limit_bytes }
        }
    })
}

/// Looks at compressed records without decompressing them: whether they begin as such a stream does
/// and could unfold to `records_count` records.
///
/// # Errors
/// Refuses what is certainly no such stream, or is too short for so many records.
pub fn glance(
    compression: Compression,
    input: &[u8],
    records_count: u32,
) -> Result<(), CompressionError> {
    let (begins_well, times_max) = match compression {
        Compression::None => return Ok(()),
        Compression::Gzip => (input.starts_with(&gzip::MAGIC), gzip::UNFOLDS_TIMES_MAX),
        Compression::Snappy => (snappy::begins_well(input), snappy::UNFOLDS_TIMES_MAX),
        Compression::Lz4 => (input.starts_with(&lz4::MAGIC), lz4::UNFOLDS_TIMES_MAX),
        Compression::Zstd => (input.starts_with(&zstd::MAGIC), zstd::UNFOLDS_TIMES_MAX),
    };
    if !begins_well {
        let reason = "they do not begin as such a stream does".to_owned();
        return Err(CompressionError::Corrupt { compression, reason });
    }
    let input_bytes = input.len();
    let records_max = input_bytes.saturating_mul(times_max) / RECORD_BYTES_MIN;
    if usize::try_from(records_count).unwrap_or(usize::MAX) > records_max {
        return Err(CompressionError::TooShort { compression, input_bytes, records_count });
    }
    Ok(())
}

/// A record without key, value and headers: seven fields of one byte.
const RECORD_BYTES_MIN: usize = 7;

/// Why one of the decoders stopped.
#[derive(Debug)]
enum Failure {
    Corrupt(String),
    Limit,
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Corrupt(error.to_string())
    }
}

/// Reads a decoder to its end or to the limit, whichever comes first.
fn read_bounded(decoder: impl Read, limit_bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut output = Vec::new();
    let stop = u64::try_from(limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(stop).read_to_end(&mut output)?;
    if output.len() > limit_bytes { Err(Failure::Limit) } else { Ok(output) }
}
