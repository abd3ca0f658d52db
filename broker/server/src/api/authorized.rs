//! What a client may do, as a set of bits in answers that it can ask for.
//!
//! There is no authorizer yet, so everybody may do everything, as in Kafka without one.
//! Source: Kafka's `AclOperation` (the numbers of the bits) and `AclEntry.supportedOperations`.

/// The answer for a client that did not ask.
pub const NOT_ASKED: i32 = i32::MIN;

const READ: i32 = 1 << 3;
const WRITE: i32 = 1 << 4;
const CREATE: i32 = 1 << 5;
const DELETE: i32 = 1 << 6;
const ALTER: i32 = 1 << 7;
const DESCRIBE: i32 = 1 << 8;
const CLUSTER_ACTION: i32 = 1 << 9;
const DESCRIBE_CONFIGS: i32 = 1 << 10;
const ALTER_CONFIGS: i32 = 1 << 11;
const IDEMPOTENT_WRITE: i32 = 1 << 12;

/// What can be done to a topic.
pub fn topic(is_asked: bool) -> i32 {
    let all = READ | WRITE | CREATE | DELETE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;
    if is_asked { all } else { NOT_ASKED }
}

/// What can be done to the cluster.
pub fn cluster(is_asked: bool) -> i32 {
    let all = CREATE
        | ALTER
        | DESCRIBE
        | CLUSTER_ACTION
        | DESCRIBE_CONFIGS
        | ALTER_CONFIGS
        | IDEMPOTENT_WRITE;
    if is_asked { all } else { NOT_ASKED }
}

/// What can be done to a group.
pub fn group(is_asked: bool) -> i32 {
    let all = READ | DELETE | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;
    if is_asked { all } else { NOT_ASKED }
}
