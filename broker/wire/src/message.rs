//! What all messages have in common.

use crate::{ApiKey, DecodeError, EncodeError, Reader};

/// A message that can be written in each of its versions.
pub trait Encode {
    /// Name of the message for errors and logs, such as `Metadata request`.
    const NAME: &'static str;

    /// Appends the message to `out` as `version` has it.
    ///
    /// Fields that do not exist in `version` are left out.
    ///
    /// # Errors
    /// If `version` does not exist, a value is null that must not be in it, or a length does not
    /// fit its field. `out` then ends with half a message.
    fn encode(&self, out: &mut Vec<u8>, version: i16) -> Result<(), EncodeError>;
}

/// A message that can be read in each of its versions, borrowing from the bytes it came in.
pub trait Decode<'a>: Sized {
    /// Reads the message from the front of `reader`, as `version` has it.
    ///
    /// Fields that do not exist in `version` get their default. Unknown tagged fields are skipped.
    /// Bytes after the message stay in `reader`.
    ///
    /// # Errors
    /// If `version` does not exist or the bytes are not such a message.
    fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError>;
}

/// The body of a request, with the API that it belongs to.
pub trait Request: Encode {
    /// The API.
    const KEY: ApiKey;

    /// The body of the answer.
    type Response<'a>: Decode<'a>;
}
