//! What becomes of a thing whose resource is deleted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of a thing whose resource is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It goes, too.
    Delete,
    /// It stays as it is.
    Retain,
}
