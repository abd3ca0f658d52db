//! The operator as it is, on an API server in memory and production brokers on virtual time.
//!
//! One promise a file; `support` is the world that all of them share.

mod crash;
mod denials;
mod drift;
mod faults;
mod install;
mod keeping;
mod lease;
mod mutations;
mod patience;
mod refusals;
mod support;
mod topics;
