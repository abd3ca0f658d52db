//! Transcripts of the group coordinator: what clients ask, line by line, and what they are answered.
//!
//! [`bench`] reads the scripts; each other file is a promise of Kafka's group protocol with the
//! scripts that show it kept.

mod administering;
mod bench;
mod bounding;
mod committing;
mod expiring;
mod failing;
mod forgetting;
mod heartbeating;
mod joining;
mod leaving;
mod random;
mod rebalancing;
mod restarting;
mod static_members;
mod syncing;
