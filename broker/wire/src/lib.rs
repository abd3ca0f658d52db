//! Bytes to values and back: the Kafka protocol.
//!
//! - [`messages`]: every request and response that we serve or call and the records of the group
//!   coordinator, generated at build time from `schema/*.txt` (see `build/`); [`Encode`] and
//!   [`Decode`] read and write them, [`Request`] ties a request to its answer.
//! - [`ApiKey`]: the APIs and their versions. [`RequestHeader`], [`ResponseHeader`] and [`frame`]:
//!   what stands around a message.
//! - [`hot`]: Produce and Fetch by hand, for the server's hot path.
//! - [`record`]: record batches as views over bytes, and their compression.
//! - [`Reader`]: the only way from bytes to values. It trusts no length: nothing is allocated
//!   before the bytes that pay for it are seen to be there.
//!
//! Nothing here does IO, and nothing here knows what a message means.

mod api_key;
mod error;
pub mod frame;
mod header;
pub mod hot;
mod message;
pub mod messages;
mod read;
pub mod record;
mod write;

pub use api_key::ApiKey;
pub use error::{DecodeError, EncodeError};
pub use header::{RequestHeader, ResponseHeader};
pub use message::{Decode, Encode, Request};
pub use read::Reader;
