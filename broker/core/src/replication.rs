//! What a partition's leader decides: whether a batch may be appended, which records are committed,
//! what a reader may see.
//!
//! Pure: the log and the wire are looked at through values. The server's `partition` does what is
//! decided here; `millrace-log` keeps the bytes.
//!
//! - why was my produce refused: [`append`]
//! - when is a record committed: [`high_watermark`]
//! - what does a reader of committed transactions see: [`last_stable`]
//! - which leader may be asked: [`leader_epoch`]
//! - which partitions does a fetch ask for, and which does its answer tell: [`fetch_session`]
//! - which offset belongs to a time: [`list_offsets`]
//! - which old records may be removed: [`delete_records`]
//! - whether a reader's log went another way: [`divergence`]

pub mod acks;
pub mod append;
pub mod delete_records;
pub mod divergence;
pub mod fetch_session;
pub mod high_watermark;
pub mod last_stable;
pub mod leader_epoch;
pub mod list_offsets;
