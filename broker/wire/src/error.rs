//! Why bytes are no message, and why a value cannot be written.

/// Why bytes could not be read as a message. `field` is the path from the name of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The frame ends within a field.
    #[error("{field}: needs {needed_bytes} bytes, {remaining_bytes} remain")]
    Truncated {
        /// The field that was being read.
        field: &'static str,
        /// How many bytes it needs.
        needed_bytes: usize,
        /// How many bytes the frame still has.
        remaining_bytes: usize,
    },
    /// A field that must have a value is null.
    #[error("{field}: null where a value must be")]
    Null {
        /// The field that was being read.
        field: &'static str,
    },
    /// A length or count that no writer can mean: below -1, or a string longer than 32767.
    #[error("{field}: length {length} is outside of -1 to {limit}")]
    Length {
        /// The field that was being read.
        field: &'static str,
        /// The length as it came.
        length: i64,
        /// The largest length that the field can have.
        limit: i64,
    },
    /// An array claims more elements than the rest of the frame can hold.
    #[error(
        "{field}: {count} elements of at least {element_bytes} bytes each, {remaining_bytes} remain"
    )]
    Count {
        /// The field that was being read.
        field: &'static str,
        /// How many elements the array claims.
        count: usize,
        /// The size of the smallest element on the wire.
        element_bytes: usize,
        /// How many bytes the frame still has.
        remaining_bytes: usize,
    },
    /// The arrays of one frame would take more memory than a frame of its size may.
    #[error(
        "{field}: {count} elements need {needed_bytes} bytes of memory, {allowed_bytes} are left to this frame"
    )]
    Memory {
        /// The field that was being read.
        field: &'static str,
        /// How many elements the array claims.
        count: usize,
        /// The memory that the elements would take.
        needed_bytes: usize,
        /// The memory that arrays of this frame may still take.
        allowed_bytes: usize,
    },
    /// A variable-length number does not end where a 32-bit one must.
    #[error("{field}: variable-length number exceeds 32 bits")]
    Varint {
        /// The field that was being read.
        field: &'static str,
    },
    /// A tagged field is longer than its value.
    #[error("{field}: tagged field {tag} has {excess_bytes} bytes after its value")]
    TaggedField {
        /// The struct whose tagged fields were being read.
        field: &'static str,
        /// The number of the tagged field.
        tag: u32,
        /// How many bytes too many there were.
        excess_bytes: usize,
    },
    /// The message does not exist in this version.
    #[error("{message}: version {version} is outside of {first} to {last}")]
    Version {
        /// The name of the message.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The oldest version that can be read.
        first: i16,
        /// The latest version that can be read.
        last: i16,
    },
    /// The request header names an API that we do not know.
    #[error(
        "request header: unknown api key {key} (version {version}, correlation id {correlation_id})"
    )]
    UnknownApi {
        /// The API key as it came.
        key: i16,
        /// The version as it came.
        version: i16,
        /// The number that an answer would carry.
        correlation_id: i32,
    },
    /// Bytes remain after the end of a message.
    #[error("{excess_bytes} bytes after the end of {message}")]
    Trailing {
        /// The name of the message.
        message: &'static str,
        /// How many bytes remain.
        excess_bytes: usize,
    },
}

/// Why a value cannot be written in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The field may not be null in this version.
    #[error("{field}: null in version {version}, which needs a value")]
    Null {
        /// The field.
        field: &'static str,
        /// The version that was being written.
        version: i16,
    },
    /// A string, blob, array or frame is longer than its length field can say.
    #[error("{field}: length {length} exceeds {limit}")]
    Length {
        /// The field.
        field: &'static str,
        /// Its length: bytes, or elements of an array.
        length: usize,
        /// The largest length that can be written.
        limit: usize,
    },
    /// The message does not exist in this version.
    #[error("{message}: version {version} is outside of {first} to {last}")]
    Version {
        /// The name of the message.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The oldest version that can be written.
        first: i16,
        /// The latest version that can be written.
        last: i16,
    },
}
