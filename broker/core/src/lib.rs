//! The decisions of the broker, pure: what a value may be, what a command changes, what a record
//! means. No clock, file, socket, thread, random source or hash-map order enters here; time is
//! `now`, order is `BTreeMap`, and `millrace-server` does what is decided here.

pub mod config;
pub mod group;
pub mod limits;
pub mod metadata;
pub mod raft;
pub mod replication;
