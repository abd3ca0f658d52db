//! What is done with the progress of consumers, one file for each command. How it is kept is in
//! `committed.rs`.

pub(super) mod commit;
pub(super) mod delete;
pub(super) mod expire;
pub(super) mod fetch;
pub(super) mod forget;
