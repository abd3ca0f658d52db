//! Every message, one module an API, generated from `schema/*.txt` by `build/`.
//!
//! Nested structs are named by their path in the singular: `metadata::ResponseTopicPartition`.
//! Strings and blobs borrow from the frame (`Cow`), nullable fields are `Option`, and `Default`
//! gives Kafka's default values (a nullable string is `Some("")` where Kafka says so).

#![allow(
    clippy::derivable_impls,
    clippy::identity_op,
    clippy::nonminimal_bool,
    dead_code,
    unused_variables,
    reason = "generated text: one shape for all messages, whatever each of them needs"
)]

use std::borrow::Cow;

use millrace_types::Uuid;

use crate::read::{length_bytes_min, string_bytes_min};
use crate::{ApiKey, Decode, DecodeError, Encode, EncodeError, Reader, write};

include!(concat!(env!("OUT_DIR"), "/messages.rs"));
