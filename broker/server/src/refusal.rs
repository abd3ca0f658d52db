//! Why a connection is closed from our side. The client sees only the close, as with Kafka; the log
//! gets the reason with its numbers.

use std::time::Duration;

use millrace_types::ErrorCode;
use millrace_wire::{ApiKey, DecodeError, EncodeError};

/// What was wrong with a request or a connection, so that it cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The length before a frame is negative or above the limit.
    #[error(
        "frame of {size_bytes} bytes is outside of 0..=socket.request.max.bytes={limit_bytes}{}",
        hint(*size_bytes)
    )]
    FrameSize {
        /// The length as it came.
        size_bytes: i32,
        /// The largest length allowed.
        limit_bytes: usize,
    },
    /// The frame ends before its header does, or the header makes no sense.
    #[error("request header cannot be read from a frame of {size_bytes} bytes")]
    Header {
        /// Length of the frame.
        size_bytes: usize,
        /// What is wrong.
        source: DecodeError,
    },
    /// The key names no API that is served.
    #[error("api key {key} is not served")]
    UnknownApi {
        /// The key as it came.
        key: i16,
    },
    /// The API is served, but not this version of it.
    #[error("{api} version {version} is not served; served are {min} to {max}")]
    UnsupportedVersion {
        /// The API.
        api: ApiKey,
        /// The version as it came.
        version: i16,
        /// The lowest version served.
        min: i16,
        /// The highest version served.
        max: i16,
    },
    /// The body cannot be read.
    #[error("{api} version {version} request of {size_bytes} bytes cannot be read")]
    Body {
        /// The API.
        api: ApiKey,
        /// Version of the request.
        version: i16,
        /// Length of the frame.
        size_bytes: usize,
        /// What is wrong.
        source: DecodeError,
    },
    /// The answer cannot be written.
    #[error("{api} version {version} response cannot be written")]
    Encode {
        /// The API.
        api: ApiKey,
        /// Version of the request.
        version: i16,
        /// What is wrong.
        source: EncodeError,
    },
    /// A request that wants no answer failed; the close is all that the client can be told.
    #[error("unacknowledged request failed with {error}")]
    Unacknowledged {
        /// What it would have been answered.
        error: ErrorCode,
    },
    /// A frame was begun and not ended, or an answer not taken, for too long.
    #[error(
        "no progress for connections.max.idle.ms={}, {received_bytes} bytes of a frame received",
        idle.as_millis()
    )]
    Stalled {
        /// How much of the next frame came.
        received_bytes: usize,
        /// The limit.
        idle: Duration,
    },
    /// The frame had room in the memory for requests that others waited for, and did not get ready.
    #[error(
        "frame of {size_bytes} bytes with {received_bytes} received gives way to others after {} \
         ms: its share of queued.max.request.bytes={budget_bytes} is full", held.as_millis()
    )]
    Starving {
        /// Length of the frame.
        size_bytes: usize,
        /// How much of it came.
        received_bytes: usize,
        /// The budget of all requests in flight.
        budget_bytes: usize,
        /// How long it had room.
        held: Duration,
    },
}

/// What a length most likely is, when it is the beginning of another protocol.
fn hint(size_bytes: i32) -> &'static str {
    match size_bytes.to_be_bytes() {
        [0x16, 0x03, ..] => "; this looks like TLS, and the listener speaks PLAINTEXT",
        [b'G', b'E', b'T', b' '] | [b'H', b'E', b'A', b'D'] | [b'P', b'O', b'S', b'T'] => {
            "; this looks like HTTP, and the listener speaks the Kafka protocol"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn a_length_that_is_another_protocol_is_named() {
        let refusal = |bytes| Refusal::FrameSize {
            size_bytes: i32::from_be_bytes(bytes),
            limit_bytes: 1_000,
        };
        for (bytes, text) in [
            (
                *b"GET ",
                "frame of 1195725856 bytes is outside of 0..=socket.request.max.bytes=1000; this \
                 looks like HTTP, and the listener speaks the Kafka protocol",
            ),
            (
                [0x16, 3, 1, 2],
                "frame of 369295618 bytes is outside of 0..=socket.request.max.bytes=1000; this \
                 looks like TLS, and the listener speaks PLAINTEXT",
            ),
            ([0xff; 4], "frame of -1 bytes is outside of 0..=socket.request.max.bytes=1000"),
        ] {
            assert_eq!(refusal(bytes).to_string(), text);
        }
    }
}
