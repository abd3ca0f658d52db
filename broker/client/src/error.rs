//! Why a call failed.

use std::io;

use millrace_types::ErrorCode;
use millrace_wire::{ApiKey, DecodeError, EncodeError};

/// Why a call to a broker failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection could not be opened, or broke. Whether the request was executed is unknown.
    #[error("connection to {address} failed")]
    Io {
        /// Host and port.
        address: String,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// The broker does not serve any version of this API that we speak.
    #[error(
        "broker serves {api} in versions {broker_min} to {broker_max}, we speak {min} to {max}"
    )]
    Version {
        /// The API.
        api: ApiKey,
        /// The oldest version of the broker; 0 if it does not serve the API.
        broker_min: i16,
        /// The latest version of the broker; -1 if it does not serve the API.
        broker_max: i16,
        /// Our oldest version.
        min: i16,
        /// Our latest version.
        max: i16,
    },
    /// The request has a value that its version cannot carry.
    #[error("request cannot be written")]
    Encode(#[from] EncodeError),
    /// The answer is not what its version says.
    #[error("answer cannot be read")]
    Decode(#[from] DecodeError),
    /// The answer belongs to another request.
    #[error("answer carries correlation id {got}, the oldest open request has {expected:?}")]
    Correlation {
        /// The id in the answer.
        got: i32,
        /// The id that was expected, if any request is open.
        expected: Option<i32>,
    },
    /// The broker refused.
    #[error("{api} was refused: {code}{}", detail(message.as_deref()))]
    Refused {
        /// The API.
        api: ApiKey,
        /// The broker's reason.
        code: ErrorCode,
        /// The broker's words, where its answer has some.
        message: Option<String>,
    },
}

impl ClientError {
    /// A refusal without words.
    pub(crate) fn refused(api: ApiKey, code: ErrorCode) -> ClientError {
        ClientError::Refused { api, code, message: None }
    }

    /// Adds the broker's words to a refusal.
    pub(crate) fn because(mut self, words: Option<&str>) -> ClientError {
        if let ClientError::Refused { message, .. } = &mut self {
            *message = words.map(str::to_owned);
        }
        self
    }
}

fn detail(message: Option<&str>) -> String {
    message.map(|message| format!(", {message}")).unwrap_or_default()
}
