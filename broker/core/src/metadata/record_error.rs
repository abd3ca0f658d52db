//! Why bytes are not what metadata records are written as.

use millrace_wire::DecodeError;

/// Why bytes are no metadata records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// They end within a field.
    #[error("metadata record is cut short")]
    Truncated(#[from] DecodeError),
    /// A number is out of its range.
    #[error("field {field} of a metadata record is out of its range")]
    Number {
        /// The field.
        field: &'static str,
    },
    /// A text is not UTF-8 or breaks the rule of its field.
    #[error("field {field} of a metadata record is no valid text")]
    Text {
        /// The field.
        field: &'static str,
    },
    /// A record of a later version of this software.
    #[error("metadata record of kind {kind} in version {version} is not known to this version")]
    Unknown {
        /// The kind.
        kind: u8,
        /// The version of the kind.
        version: u8,
    },
}
